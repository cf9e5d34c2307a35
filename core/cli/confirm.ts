/** Asks before a command does what somebody has to mean. */
import type { Call } from './call.ts'
import { CliError } from './exit-codes.ts'

/** For what can be undone or repeated: tells whoever watches, and asks at a keyboard; a script that calls it means it. */
export async function confirmAtKeyboard(call: Call, what: string): Promise<void> {
  if (call.terminal.interactive && process.stdin.isTTY) await confirm(call, what)
  else if (!call.options['yes']) call.terminal.say(what)
}

/** Tells what would be done; goes on with --yes, or a yes at the keyboard. */
export async function confirm({ terminal, options }: Call, what: string): Promise<void> {
  if (options['yes']) return
  terminal.say(what)
  if (!terminal.interactive || !process.stdin.isTTY) throw new CliError('usage', 'This has to be meant.', 'say --yes')
  const { createInterface } = await import('node:readline/promises')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question('Go on? [y/N] ').finally(() => lines.close())
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('failed', 'Nothing was changed.')
}
