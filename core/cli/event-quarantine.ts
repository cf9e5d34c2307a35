/** `manifold analytics quarantine list|replay|discard`: behaviour events that their family did not take. */
import { z } from 'zod'
import type { Call, Run } from './call.ts'
import { confirm } from './confirm.ts'
import { count } from './count.ts'
import { listQuery } from './deliveries.ts'
import { CliError } from './exit-codes.ts'
import type { HubClient } from './hub-client.ts'
import { connect } from './hub-client.ts'
import { anything } from './rows.ts'

const PATH = '/api/v2/events/quarantine'
/** Of one call of the API, and more than are ever in quarantine. */
const IDS_MAX = 1_000
const EVERY = 100_000

const asidePage = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      type: z.string(),
      reason: z.string(),
      problems: z.array(z.object({ pointer: z.string(), detail: z.string() })),
      received_at: z.string(),
    }),
  ),
  next_cursor: z.string().nullable(),
})
const replayed = z.looseObject({ matched: z.number(), stored: z.number(), left: z.number() })

export const list: Run = async (call) => {
  const { limit } = listQuery(call)
  const { terminal, options } = call
  const page = await connect(call).list(PATH, {}, { as: asidePage, limit })
  if (options['json']) return terminal.json(page)
  terminal.table(
    ['id', 'type', 'reason', 'received', 'why'],
    page.items.map(({ id, type, reason, received_at: at, problems }) => [
      id,
      type,
      terminal.paint('yellow', reason),
      at,
      problems.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; '),
    ]),
  )
  terminal.say(`${page.items.length} shown${page.next_cursor === null ? '' : '; --limit shows more'}`)
}

export const replay: Run = async (call) => {
  const { terminal, options, args } = call
  needOne(call)
  const isDry = options['dryRun'] === true
  const sum = { dry_run: isDry, matched: 0, stored: 0, left: 0 }
  for (const ids of args.length === 0 ? [undefined] : stretches(args)) {
    const body = { ids, dry_run: isDry }
    const { matched, stored, left } = await connect(call).request('POST', `${PATH}/replay`, { as: replayed, body })
    sum.matched += matched
    sum.stored += stored
    sum.left += left
  }
  if (options['json']) terminal.json(sum)
  else terminal.line(`${sum.stored} ${isDry ? 'would be stored' : 'stored'}, ${sum.left} not taken still`)
  const missing = new Set(args).size - sum.matched
  if (missing > 0 && args.length > 0)
    throw new CliError('failed', `${count(missing, 'event')} of those named is not in quarantine.`)
}

export const discard: Run = async (call) => {
  const { terminal, options, args } = call
  needOne(call)
  const hub = connect(call)
  const ids = args.length > 0 ? args : await everyId(hub)
  if (options['dryRun']) {
    if (options['json']) return terminal.json({ dry_run: true, matched: ids.length, discarded: 0 })
    return terminal.line(`${ids.length} would be deleted`)
  }
  if (ids.length > 0) await confirm(call, `${count(ids.length, 'event')} will be deleted for good.`)
  for (const id of ids) await hub.request('DELETE', `${PATH}/${encodeURIComponent(id)}`, { as: anything })
  if (options['json']) return terminal.json({ dry_run: false, matched: ids.length, discarded: ids.length })
  terminal.line(`${ids.length} deleted`)
}

function needOne({ args, options }: Call): void {
  if (args.length > 0 === (options['all'] === true)) throw new CliError('usage', 'Name ids, or --all.')
}

/** What comes while they are deleted stays. */
async function everyId(hub: HubClient): Promise<readonly string[]> {
  const { items } = await hub.list(PATH, {}, { as: asidePage, limit: EVERY })
  return items.map(({ id }) => id)
}

function* stretches(ids: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += IDS_MAX) yield ids.slice(from, from + IDS_MAX)
}
