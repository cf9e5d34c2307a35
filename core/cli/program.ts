/** Builds the command tree from its table, runs one command line, and turns its end into an exit code. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { clientEnvironment, environment, SETTINGS } from '../config/settings.ts'
import type { Settings } from '../config/config.ts'
import { HubError } from '../errors.ts'
import type { Options } from './call.ts'
import { CliError, EXIT_CODES, exitCodesHelp } from './exit-codes.ts'
import type { ExitName } from './exit-codes.ts'
import { Terminal } from './terminal.ts'
import type { Group, OptionRow, Verb } from './verb.ts'
import { VERBS } from './verbs.ts'

const env = environment()
const terminal = new Terminal({ out: process.stdout, err: process.stderr, color: clientEnvironment(env).color })

/** Runs one command line; answers the exit code. */
export async function runCli(argv: readonly string[]): Promise<number> {
  const asJson = argv.includes('--json')
  try {
    const program = buildProgram()
    // What is wrong with the line is then part of the JSON.
    if (asJson) silence(program)
    await program.parseAsync(argv, { from: 'user' })
    return Number(process.exitCode ?? EXIT_CODES.ok.code)
  } catch (error) {
    const { exit, lines, problem } = endOf(error)
    if (exit !== 'ok' && asJson) terminal.jsonError({ ...problem, exit_code: EXIT_CODES[exit].code })
    else for (const line of lines) terminal.say(line)
    return EXIT_CODES[exit].code
  }
}

function silence(command: Command): void {
  command.configureOutput({ writeErr: () => {} })
  for (const inner of command.commands) silence(inner)
}

interface End {
  readonly exit: ExitName
  /** For people. */
  readonly lines: readonly string[]
  /** For programs: problem details (RFC 9457), as a hub answers them. */
  readonly problem: Readonly<Record<string, unknown>>
}

const problemOf = (exit: ExitName, detail: string, more: object = {}) => ({
  type: 'about:blank',
  title: EXIT_CODES[exit].meaning,
  detail,
  ...more,
})

function endOf(error: unknown): End {
  if (error instanceof CommanderError) {
    const exit = error.exitCode === 0 ? 'ok' : 'usage'
    // Commander has said it already.
    return { exit, lines: [], problem: problemOf(exit, error.message.replace(/^error: /, '')) }
  }
  if (error instanceof CliError) {
    const { exit, message, hint, problem } = error
    return {
      exit,
      lines: [...(message === '' ? [] : [`manifold: ${message}`]), ...(hint === null ? [] : [`  → ${hint}`])],
      problem: problemOf(exit, message, { hint, ...problem }),
    }
  }
  if (error instanceof HubError) {
    const { code, message, problems } = error
    return {
      exit: 'failed',
      lines: [`manifold: ${message}`, ...problems.map(({ pointer, detail }) => `  ${pointer}: ${detail}`)],
      problem: problemOf('failed', message, { code, ...(problems.length === 0 ? {} : { errors: problems }) }),
    }
  }
  const { code } = error as NodeJS.ErrnoException
  // An errno is the machine's business; anything else is a mistake of ours and worth its stack.
  const text =
    code !== undefined
      ? (error as Error).message
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error)
  return { exit: 'failed', lines: [`manifold: ${text}`], problem: problemOf('failed', text) }
}

/** The whole tree; `--help` of any part works without loading the rest. */
export function buildProgram(): Command {
  const program = new Command('manifold')
    .description('Forms in once, durable once, out through sandboxed plugins.')
    .version(versionOf(), '-v, --version')
    .exitOverride()
    .showSuggestionAfterError()
    .addHelpText('after', `\n${exitCodesHelp()}`)
  addAll(program, VERBS)
  return program
}

function addAll(parent: Command, rows: readonly (Verb | Group)[]): void {
  for (const row of rows) {
    if ('usage' in row) {
      addVerb(parent, row)
      continue
    }
    const group = parent.command(row.group).summary(row.summary).exitOverride()
    addAll(group, row.verbs)
    // What the group means alone takes options, too.
    const [alone] = row.verbs.flatMap((verb, n) => ('usage' in verb && verb.isDefault ? (group.commands[n] ?? []) : []))
    if (alone !== undefined) group.addHelpText('after', () => `\nAlone it is:\n\n${alone.helpInformation()}`)
  }
}

function addVerb(parent: Command, verb: Verb): void {
  const command = parent
    .command(verb.usage, { isDefault: verb.isDefault ?? false })
    .summary(verb.summary)
    .description(`${verb.summary[0]?.toUpperCase()}${verb.summary.slice(1)}.`)
    .exitOverride()
  const settings = (verb.settings ?? []).flatMap((name) => settingOptions(name).map((option) => ({ name, option })))
  for (const { option } of settings) command.addOption(option)
  for (const row of [...(verb.options ?? []), ...(verb.client ? CLIENT : []), ...(verb.json ? [JSON_OPTION] : [])]) {
    const option = new Option(row.flags, row.help).makeOptionMandatory(row.required ?? false)
    command.addOption(row.fallback === undefined ? option : option.default(row.fallback))
  }
  // A file that is named where none is taken is meant as the configuration.
  const takesFile = verb.settings?.includes('configFile') === true && command.registeredArguments.length === 0
  command.allowExcessArguments(takesFile)
  command.action(async (...params: unknown[]) => {
    const [file] = command.args
    if (takesFile && file !== undefined)
      throw new CliError('usage', `"${command.name()}" takes no argument.`, `name the file with: --config ${file}`)
    const words = params.slice(0, -2).flat()
    const given = command.opts<Options>()
    // Settings go by their own names: `--data` is `dataDir`.
    const named = Object.fromEntries(settings.map(({ name, option }) => [name, given[option.attributeName()]]))
    const run = await verb.load()
    const args = words.filter((word): word is string => typeof word === 'string')
    await run({ terminal, env, options: { ...given, ...named }, args })
  })
}

const JSON_OPTION: OptionRow = { flags: '--json', help: 'print JSON' }
const CLIENT: readonly OptionRow[] = [
  { flags: '--url <url>', help: 'the hub (MANIFOLD_URL); default: the one that runs on the data folder' },
  { flags: '--key <key>', help: 'API key (MANIFOLD_KEY)' },
]

/** A row of the settings table as flags; a yes-or-no one can be said both ways. */
function settingOptions(name: keyof Settings): Option[] {
  const row = SETTINGS[name]
  if (row.flag === null) return []
  const option = new Option(row.flag, `${row.help} (${row.env}; default: ${row.fallback})`)
  return row.flag.includes(' ')
    ? [option]
    : [option, new Option(row.flag.replace('--', '--no-'), `turns off: ${row.help}`)]
}

function versionOf(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return String((JSON.parse(text) as { version: string }).version)
}
