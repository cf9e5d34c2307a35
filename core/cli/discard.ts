/** `manifold deliveries discard` and `manifold dead-letters discard`: what nobody will deliver goes, after it was counted. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { confirm } from './confirm.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'
import { discarded } from './rows.ts'

/** Dead ones, and what waits of an installation that the file has no more; or those in `--state` alone. */
export const deliveries: Run = (call) => {
  const state = textOption(call, 'state')
  return discard(call, state === undefined ? undefined : [state])
}

export const deadLetters: Run = (call) => discard(call, ['dead'])

async function discard(call: Call, states: readonly string[] | undefined): Promise<void> {
  const { terminal, options, args } = call
  const nowMs = Date.now()
  const names = ['installation', 'form', 'reason', 'code', 'cause']
  const [since, until] = [timeOption(call, 'since', nowMs), timeOption(call, 'until', nowMs)]
  const filter = { ...Object.fromEntries(names.map((name) => [name, textOption(call, name)])), since, until }
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  if (args.length === 0 && !isFiltered && options['all'] !== true)
    throw new CliError(
      'usage',
      'Name ids, --installation, --form, --reason, --code, --cause, --since, --until, or --all.',
    )
  const hub = connect(call)
  const which = {
    ...filter,
    // What comes after the count stays.
    until: until ?? new Date(nowMs + 1).toISOString(),
    states,
    ...(args.length === 0 ? {} : { ids: args }),
  }
  const ask = (part: object) =>
    hub.request('POST', '/api/v2/deliveries/discard', { as: discarded, body: { ...which, ...part } })
  const { matched } = await ask({ dry_run: true })
  if (options['dryRun'] && options['json']) return terminal.json({ dry_run: true, matched, discarded: 0 })
  if (options['dryRun']) return terminal.line(`${matched} would be deleted`)
  if (matched > 0) await confirm(call, `${count(matched, 'delivery').replace(/ys$/, 'ies')} will be deleted for good.`)
  let done = 0
  for (let cursor: string | null | undefined; cursor !== null;) {
    const step = await ask(cursor === undefined ? {} : { cursor })
    done += step.discarded
    cursor = step.next_cursor
  }
  if (options['json']) return terminal.json({ dry_run: false, matched, discarded: done })
  terminal.line(`${done} deleted`)
}
