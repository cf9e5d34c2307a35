/** `manifold installations list|show|pause|resume|test|fire|backfill`; `check` is in `installations-check.ts`. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { confirmAtKeyboard } from './confirm.ts'
import { count } from './count.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'
import type { HubClient } from './hub-client.ts'
import { placed } from './installations-check.ts'
import type { GoneRow, InstallationRow } from './rows.ts'
import { backfilled, fired, formList, installationList, installationRow, testSent } from './rows.ts'
import { oneLine } from './terminal.ts'
import type { Painted, Terminal } from './terminal.ts'

const FORMS_MAX = 1_000

export const list: Run = async (call) => {
  const query = new URLSearchParams()
  for (const name of ['state', 'plugin']) {
    const value = textOption(call, name)
    if (value !== undefined) query.set(name, value)
  }
  const page = await connect(call).request('GET', `/api/v2/installations?${query.toString()}`, { as: installationList })
  if (call.options['json']) return call.terminal.json(page)
  installationTable(call.terminal, page.items)
}

export const show: Run = async (call) => {
  const hub = connect(call)
  const row = await hub.request('GET', pathOf(call), { as: installationRow })
  const { terminal } = call
  if (call.options['json']) return terminal.json(row)
  installationTable(terminal, [row])
  terminal.line('')
  for (const line of troubles(row)) terminal.line(line)
  for (const name of ['version', 'state_since', 'config', 'when']) {
    const value = row[name]
    if (value === null || value === undefined) continue
    terminal.line(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  const hidden = await hiddenFrom(hub, row)
  if (hidden.length > 0)
    terminal.line(
      oneLine(`not shown to it: ${hidden.join(', ')} (marked pii; "pii" of the installation names what it may see)`),
    )
}

/** Fields of the forms that it listens to which are taken out of what it gets. */
async function hiddenFrom(hub: HubClient, { when, pii }: InstallationRow): Promise<readonly string[]> {
  if (pii === true) return []
  // This key may not be allowed to see forms.
  const page = await hub.list('/api/v2/forms', {}, { as: formList, limit: FORMS_MAX }).catch(() => null)
  const isOpen = (key: string): boolean => pii !== false && pii.includes(key)
  return (page?.items ?? [])
    .filter(({ id }) => when.forms === null || when.forms.includes(id))
    .flatMap(({ id, fields }) =>
      fields.filter((field) => field.pii && !isOpen(field.key)).map(({ key }) => `${id}.${key}`),
    )
}

export const pause: Run = async (call) => {
  const reason = textOption(call, 'reason')
  const body = reason === undefined ? {} : { reason }
  const row = await connect(call).request('POST', `${pathOf(call)}/pause`, { as: installationRow, body })
  if (call.options['json']) return call.terminal.json(row)
  sayState(call.terminal, { ...row, breakers: [] })
}

/** All that are named, one after the other. As JSON: the one, or `items` of several. */
export const resume: Run = async (call) => {
  const hub = connect(call)
  const rows: InstallationRow[] = []
  for (const id of call.args) {
    const row = await hub.request('POST', `${pathOf({ args: [id] })}/resume`, { as: installationRow })
    rows.push(row)
    if (!call.options['json']) sayState(call.terminal, row)
  }
  if (call.options['json']) call.terminal.json(rows.length === 1 ? rows[0] : { items: rows })
}

function sayState(terminal: Terminal, { id, state, reason, breakers }: InstallationRow): void {
  terminal.say(`${id} is ${state}${reason === null ? '' : `: ${reason}`}`)
  for (const { host } of breakers) terminal.say(`${host} is tried with the next delivery`)
}

export const test: Run = async (call) => {
  const [event, response, form] = ['event', 'response', 'form'].map((name) => textOption(call, name))
  if ([event, response, call.options['last']].filter((named) => named !== undefined).length > 1)
    throw new CliError('usage', 'Name one of --event, --response and --last.')
  const hub = connect(call)
  const send = (body: object) => hub.request('POST', `${pathOf(call)}/test-send`, { as: testSent, body })
  const asked = { event_id: event, response_id: response, form }
  const { event_id: id, why_not: whyNot } = await send({ ...asked, dry_run: true })
  if (whyNot === null)
    await confirmAtKeyboard(
      call,
      `${call.args[0]} will handle ${id} now as if it had just come. What it does is real: deliveries go to their destination, counters count.`,
    )
  // The very event that was told.
  const sent = await send({ event_id: id })
  if (call.options['json']) return call.terminal.json(sent)
  const { deliveries } = sent
  const none = `no delivery: ${sent.why_not ?? `its plugin asked for none, see: manifold runs --event ${id}`}`
  call.terminal.line(`${id}: ${deliveries.length === 0 ? none : deliveries.join(' ')}`)
  if (deliveries[0] !== undefined) call.terminal.say(`What came of it: manifold deliveries show ${deliveries[0]}`)
}

export const fire: Run = async (call) => {
  const [id, name = ''] = call.args
  const hub = connect(call)
  const path = `${pathOf(call)}/schedules/${encodeURIComponent(name)}/fire`
  const ask = (body: object) => hub.request('POST', path, { as: fired, body })
  // Nobody is asked to mean what cannot be done.
  await ask({ dry_run: true })
  await confirmAtKeyboard(
    call,
    `${id} will run "${name}" now. What it does is real: deliveries go to their destination.`,
  )
  const { delivery } = await ask({})
  if (call.options['json']) return call.terminal.json({ delivery })
  call.terminal.line(delivery ?? '')
  call.terminal.say(`What came of it: manifold runs --delivery ${delivery}`)
}

export const backfill: Run = async (call) => {
  const from = textOption(call, 'from') === 'beginning' ? 'beginning' : timeOption(call, 'from', Date.now())
  const hub = connect(call)
  const ask = (body: object) => hub.request('POST', `${pathOf(call)}/backfill`, { as: backfilled, body })
  const would = await ask({ from, dry_run: true })
  if (call.options['dryRun'] && call.options['json']) return call.terminal.json(would)
  const events = count(would.events, 'event')
  if (call.options['dryRun']) return call.terminal.line(`${events} would be read again, from ${would.cursor} on`)
  await confirmAtKeyboard(
    call,
    `${events} of the log will be read again. ${call.args[0]} handles those that it gets: counters count again, and what has no delivery with the same key is sent.`,
  )
  const done = await ask({ from })
  if (call.options['json']) return call.terminal.json(done)
  call.terminal.say(`Reads the log again from ${done.cursor} on; ${done.events} events lie ahead.`)
}

function pathOf({ args }: Pick<Call, 'args'>): string {
  const [id = ''] = args
  if (id === '') throw new CliError('usage', 'Name an installation.', 'there are: manifold installations')
  return `/api/v2/installations/${encodeURIComponent(id)}`
}

/** The table that `status` and the list share. */
export function installationTable(terminal: Terminal, items: readonly InstallationRow[]): void {
  terminal.table(
    ['installation', 'plugin', 'state', 'behind', 'waiting', 'oldest', 'dead', 'delivered', 'runs', 'last success'],
    items.map((item) => [
      item.id,
      item.plugin,
      stateShown(terminal, item),
      item.lag,
      item.deliveries.pending + item.deliveries.retrying,
      item.oldest_waiting_at,
      item.deliveries.dead,
      item.deliveries.delivered,
      // Since its process began to count: what only transforms or answers routes has no deliveries.
      item.usage?.runs,
      item.last_success_at,
    ]),
  )
}

/** One that runs and whose receiver is left alone does not get anything out. */
function stateShown(terminal: Terminal, { unattended, state, breakers }: InstallationRow): Painted {
  if (unattended) return terminal.paint('red', 'no worker')
  if (state === 'ready' && breakers.length > 0) return terminal.paint('red', 'outage')
  return terminal.paint(state === 'ready' ? 'green' : 'yellow', state)
}

/** Of one that the file has no more: what nobody will deliver. `status` and `doctor` say it. */
export const leftOf = ({ deliveries: { pending, retrying, dead } }: GoneRow): string =>
  `is in manifold.yaml no more; nobody makes its deliveries: ${pending + retrying} waiting, ${dead} dead`

/** What is wrong with it, and what somebody can do, a line each; none: all is well. `status` shows the same. */
export function troubles(item: InstallationRow): readonly string[] {
  const { credential, check, deliveries, id } = item
  const lines: string[] = []
  if (item.unattended) lines.push('no process runs it; its events wait. Start one with: manifold start --role worker')
  if (item.reason !== null) lines.push(item.reason)
  if (item.state === 'disabled' && credential.state !== 'refused')
    lines.push(`when that is mended: manifold installations resume ${id}`)
  if (credential.state === 'refused')
    lines.push(
      `credential refused since ${credential.since}${item.state === 'disabled' ? '' : `: ${credential.message ?? ''}`}; ` +
        `mend it, then: manifold installations resume ${id} (what waits goes out). Older events again: manifold installations backfill ${id} --from <time>`,
    )
  for (const finding of check?.findings ?? [])
    if (finding.level !== 'info') lines.push(`its check of ${check?.at ?? ''} found: ${placed(finding)}`)
  for (const { host, until } of item.breakers)
    lines.push(
      `${host} failed repeatedly; deliveries wait, next probe ${until ?? 'under way'}; now: manifold installations resume ${id}`,
    )
  const failedAt = item.last_failure_at ?? ''
  if (failedAt > (item.last_success_at ?? '')) {
    const code = item.last_error_code === null ? '' : `${item.last_error_code}: `
    lines.push(
      `${count(item.failure_streak, 'attempt')} failed in a row, last ${failedAt}: ${code}${item.last_error ?? ''} (manifold runs --failed --installation ${id})`,
    )
  }
  if (deliveries.dead > 0)
    lines.push(`${deliveries.dead} dead, see: manifold dead-letters --group --installation ${id}`)
  return lines
}
