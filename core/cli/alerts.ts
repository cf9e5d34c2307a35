/** `manifold alerts`: what the hub raised last, oldest first. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { listLimit } from './deliveries.ts'
import { connect } from './hub-client.ts'
import { alertPage } from './rows.ts'
import type { AlertRow } from './rows.ts'
import { oneLine } from './terminal.ts'

/** The API gives the oldest first, and does not tell installations apart: so many are read at most to find the last ones. */
const READ_MAX = 10_000

export const list: Run = async (call) => {
  const nowMs = Date.now()
  const query = {
    type: 'alert.raised',
    since: timeOption(call, 'since', nowMs),
    until: timeOption(call, 'until', nowMs),
  }
  const limit = listLimit(call)
  const only = textOption(call, 'installation')
  const hub = connect(call)
  const page = await hub.list('/api/v2/events', query, { as: alertPage, limit: READ_MAX })
  const found = page.items.filter(({ data }) => only === undefined || data.installation === only)
  const items = found.slice(-limit)
  const { terminal } = call
  if (call.options['json']) return terminal.json({ ...page, items })
  show(call, items)
  if (items.length === 0) terminal.say('No alert in that time.')
  if (items.length < found.length) terminal.say('There are earlier ones; --limit shows them.')
  if (page.next_cursor !== null) terminal.say('There are later ones; --since shows them.')
}

function show({ terminal }: Call, items: readonly AlertRow[]): void {
  for (const { at, data } of items) {
    const { kind, installation, plugin, host, reason, todo } = data
    const whose = [installation ?? plugin, host].filter((name) => typeof name === 'string').join(', ')
    const about = whose === '' ? '' : ` ${whose}`
    terminal.line(`${at}  `, terminal.paint('yellow', kind), oneLine(`${about}${reason ? `: ${reason}` : ''}`))
    if (todo) terminal.line(oneLine(`    → ${todo}`))
  }
}
