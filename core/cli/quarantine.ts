/** `manifold quarantine list|show|release|discard`: what transforms put aside. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { confirm } from './confirm.ts'
import { count } from './count.ts'
import { listQuery } from './deliveries.ts'
import { CliError } from './exit-codes.ts'
import type { HubClient } from './hub-client.ts'
import { connect } from './hub-client.ts'
import { anything, quarantinedRow, quarantinePage, released, storedResponse } from './rows.ts'

const PATH = '/api/v2/quarantine'
const PAGE = 200
const of = (id: string): string => `${PATH}/${encodeURIComponent(id)}`
const FILTERS = 'Name ids, --form, --installation, --verdict, --since, --until, or --all.'

export const list: Run = async (call) => {
  const { limit } = listQuery(call)
  const page = await connect(call).list(PATH, filterOf(call), { as: quarantinePage, limit })
  const { terminal } = call
  if (call.options['json']) return terminal.json(page)
  terminal.table(
    ['id', 'form', 'verdict', 'by', 'received', 'why'],
    page.items.map((row) => [
      row.id,
      row.form_id,
      terminal.paint(row.verdict === 'failed' ? 'red' : 'yellow', row.verdict),
      row.installation,
      row.received_at,
      row.message ?? row.reason,
    ]),
  )
  terminal.say(`${page.items.length} of ${page.total}`)
}

export const show: Run = async (call) => {
  const [id = ''] = call.args
  const item = await connect(call).request('GET', of(id), { as: quarantinedRow })
  const { terminal } = call
  if (call.options['json']) return terminal.json(item)
  terminal.line(`${item.id}  ${item.form_id}  ${item.verdict} by ${item.installation} at ${item.received_at}`)
  terminal.line(`why: ${item.reason}${item.message === null ? '' : `: ${item.message}`}`)
  terminal.line(`received: ${JSON.stringify(item.received)}`)
  terminal.line(`would be stored: ${JSON.stringify(item.data)}`)
  terminal.line(`meta: ${JSON.stringify(item.meta)}`)
}

export const release: Run = async (call) => {
  const hub = connect(call)
  const { terminal, args, options } = call
  if (args.length > 0) {
    if (isFiltered(call)) throw new CliError('usage', 'Name ids, or filter: not both.')
    return releaseEach(call, hub)
  }
  const body = filtered(call)
  const counted = await hub.request('POST', `${PATH}/release`, { as: released, body: { ...body, dry_run: true } })
  if (options['dryRun']) {
    if (options['json']) return terminal.json(counted)
    return terminal.line(`${counted.matched} would be released`)
  }
  terminal.say(`releasing ${counted.matched}`)
  const done = await hub.request('POST', `${PATH}/release`, { as: released, body })
  if (options['json']) terminal.json(done)
  else terminal.line(`${done.released} stored`)
  if (done.stopped !== undefined) throw new CliError('failed', `The rest still waits: ${done.stopped.detail}`)
}

async function releaseEach({ args, options, terminal }: Call, hub: HubClient): Promise<void> {
  const rows: { readonly id: string; readonly storedAs: string; readonly released: 'now' | 'before' }[] = []
  for (const id of args) {
    const { id: storedAs, released: when } = await hub.request('POST', `${of(id)}/release`, { as: storedResponse })
    rows.push({ id, storedAs, released: when })
  }
  const before = rows.filter(({ released: when }) => when === 'before')
  const stored = rows.length - before.length
  if (options['json'])
    return terminal.json({
      released: stored,
      ids: rows.map(({ storedAs }) => storedAs),
      before: before.map(({ id, storedAs }) => ({ id, stored_as: storedAs })),
    })
  for (const { id, storedAs } of before)
    terminal.say(`${id} was released before (or never waited there), and is stored as ${storedAs}`)
  terminal.say(`${stored} stored`)
}

export const discard: Run = async (call) => {
  const hub = connect(call)
  const { terminal, args, options } = call
  if (args.length > 0 && isFiltered(call)) throw new CliError('usage', 'Name ids, or filter: not both.')
  const filter = args.length > 0 ? {} : filtered(call)
  const matched = args.length > 0 ? args.length : (await hub.list(PATH, filter, { as: quarantinePage, limit: 1 })).total
  if (options['dryRun']) {
    if (options['json']) return terminal.json({ dry_run: true, matched, discarded: 0 })
    return terminal.line(`${matched} would be deleted`)
  }
  await confirm(call, `${count(matched, 'response')} will be deleted for good.`)
  const discarded = args.length > 0 ? await discardEach(hub, args) : await discardAll(hub, filter)
  if (options['json']) return terminal.json({ dry_run: false, matched, discarded })
  terminal.line(`${discarded} deleted`)
}

async function discardEach(hub: HubClient, ids: readonly string[]): Promise<number> {
  for (const id of ids) await hub.request('DELETE', of(id), { as: anything })
  return ids.length
}

async function discardAll(hub: HubClient, filter: Filter): Promise<number> {
  for (let discarded = 0; ;) {
    const { items } = await hub.list(PATH, filter, { as: quarantinePage, limit: PAGE })
    if (items.length === 0) return discarded
    discarded += await discardEach(
      hub,
      items.map(({ id }) => id),
    )
  }
}

type Filter = Readonly<Record<string, string | undefined>>

function filterOf(call: Call): Filter {
  const nowMs = Date.now()
  return {
    form: textOption(call, 'form'),
    installation: textOption(call, 'installation'),
    verdict: textOption(call, 'verdict'),
    since: timeOption(call, 'since', nowMs),
    until: timeOption(call, 'until', nowMs),
  }
}

const isFiltered = (call: Call): boolean =>
  Object.values(filterOf(call)).some((value) => value !== undefined) || call.options['all'] === true

/** For what changes many: what comes after this moment stays. */
function filtered(call: Call): Filter {
  if (!isFiltered(call)) throw new CliError('usage', FILTERS)
  const filter = filterOf(call)
  return { ...filter, until: filter['until'] ?? new Date(Date.now() + 1).toISOString() }
}
