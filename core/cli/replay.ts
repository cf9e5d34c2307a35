/** `manifold replay`: sends again what died in a stretch of time, or has handlers see their last events again. */
import type { Call, Run } from './call.ts'
import { numberOption, textOption, timeOption } from './call.ts'
import { confirmAtKeyboard } from './confirm.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'
import type { EventReplay } from './rows.ts'
import { eventReplay, replayed } from './rows.ts'
import type { Terminal } from './terminal.ts'

export const run: Run = async (call) => {
  if (call.options['last'] !== undefined) return replayLast(call)
  if (call.options['since'] === undefined)
    throw new CliError('usage', 'Say from when on, or how many events.', '--since 2h, or --last 5 --installation crm')
  const nowMs = Date.now()
  await replayAll(call, {
    since: timeOption(call, 'since', nowMs),
    until: timeOption(call, 'until', nowMs),
    installation: textOption(call, 'installation'),
    form: textOption(call, 'form'),
    reason: textOption(call, 'reason'),
    code: textOption(call, 'code'),
    states: call.options['delivered'] ? ['dead', 'delivered'] : ['dead'],
  })
}

/** What is to be sent again, as the API names it. */
interface ReplayFilter {
  readonly since: string | undefined
  readonly until?: string | undefined
  readonly installation: string | undefined
  readonly form: string | undefined
  readonly reason: string | undefined
  readonly code?: string | undefined
  readonly cause?: string | undefined
  readonly states: readonly ('dead' | 'delivered')[]
}

/**
 * Counts, says so, and unless it is a dry run sends, request by request. What is counted is what is sent: the count says
 * where to begin, and what dies after it is not among them.
 */
export async function replayAll(call: Call, filter: ReplayFilter): Promise<void> {
  const { terminal, options } = call
  const hub = connect(call)
  const ask = (part: object) => hub.request('POST', '/api/v2/replay', { as: replayed, body: { ...filter, ...part } })
  const { matched, next_cursor: start } = await ask({ dry_run: true })
  if (options['dryRun'] && options['json']) return terminal.json({ dry_run: true, matched, replayed: 0 })
  if (options['dryRun']) return terminal.line(`${matched} would be sent again`)
  if (matched > 0)
    await confirmAtKeyboard(call, `${count(matched, 'delivery').replace(/ys$/, 'ies')} will be sent again.`)
  const bar = terminal.progress(`replaying ${matched}`)
  let done = 0
  try {
    for (let cursor = start; cursor !== null;) {
      bar.set(Math.min(1, done / matched))
      const step = await ask({ cursor })
      done += step.replayed
      cursor = step.next_cursor
    }
  } finally {
    bar.done()
  }
  if (options['json']) return terminal.json({ dry_run: false, matched, replayed: done })
  terminal.line(`${done} due now`)
}

async function replayLast(call: Call): Promise<void> {
  const last = numberOption(call, 'last', { from: 1 }) as number
  const installation = textOption(call, 'installation')
  if (installation === undefined) throw new CliError('usage', '--last needs --installation.', 'see: manifold status')
  for (const name of ['since', 'until', 'reason', 'delivered', 'dryRun'])
    if (call.options[name] !== undefined)
      throw new CliError('usage', `--last is about events; --${name === 'dryRun' ? 'dry-run' : name} is not.`)
  const done = await connect(call).request('POST', replayPath(installation), {
    as: eventReplay,
    body: { last, ...(call.options['form'] === undefined ? {} : { form: textOption(call, 'form') }) },
  })
  if (call.options['json']) return call.terminal.json(done)
  tellReplay(call.terminal, installation, done)
}

/** Where the last events of an installation are asked for again. */
export const replayPath = (installation: string): string =>
  `/api/v2/installations/${encodeURIComponent(installation)}/replay`

/** A line an event. */
export function tellReplay(terminal: Pick<Terminal, 'say'>, installation: string, { events, left }: EventReplay): void {
  if (events.length === 0) terminal.say(`${installation}: there is no event yet that it would get`)
  for (const { event_id: id, deliveries, error } of events)
    terminal.say(
      `${installation}: ${id} again: ${error === null ? deliveries.join(' ') || 'no delivery' : `${error.code}: ${error.detail}`}`,
    )
  if (left > 0) terminal.say(`${installation}: no time for ${left} more`)
}
