/** How every command ends: one table for the code, `--help` and the README. */

export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'it was tried and did not work; the message says why' },
  usage: { code: 2, meaning: 'the command line cannot be understood' },
  unavailable: { code: 69, meaning: 'no hub answers' },
  unsafe: {
    code: 70,
    meaning: 'the sandbox does not hold on this machine, so no plugin was started; see manifold doctor',
  },
  config: { code: 78, meaning: 'the configuration is not valid; each mistake is listed with line and column' },
} as const

export type ExitName = keyof typeof EXIT_CODES

/** The README's table. */
export const exitCodesTable = (): string =>
  [
    '| exit code | meaning |',
    '| --- | --- |',
    ...Object.values(EXIT_CODES).map(({ code, meaning }) => `| ${code} | ${meaning} |`),
  ].join('\n')

/** The same for a terminal. */
export const exitCodesHelp = (): string =>
  [
    'Exit codes:',
    ...Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${String(code).padEnd(3)} ${meaning}`),
  ].join('\n')

/** Ends a command with a message for the person at the keyboard. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exit: ExitName
  /** What to do about it. */
  readonly hint: string | null
  /** What a hub answered instead, as it came. */
  problem: Readonly<Record<string, unknown>> = {}

  constructor(exit: ExitName, message: string, hint: string | null = null) {
    super(message)
    this.exit = exit
    this.hint = hint
  }
}
