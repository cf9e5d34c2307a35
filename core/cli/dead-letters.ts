/** `manifold dead-letters list|replay`. */
import type { Run } from './call.ts'
import { textOption } from './call.ts'
import { deliveryTable, listQuery, replayIds } from './deliveries.ts'
import { CliError } from './exit-codes.ts'
import { connect } from './hub-client.ts'
import { replayAll } from './replay.ts'
import { deliveryPage } from './rows.ts'

export const list: Run = async (call) => {
  const { query, limit } = listQuery(call)
  const page = await connect(call).list('/api/v2/dead-letters', query, { as: deliveryPage, limit })
  if (call.options['json']) return call.terminal.json(page)
  deliveryTable(call, page.items)
  for (const { reason, count } of page.causes ?? []) call.terminal.say(`${count} ${reason}`)
}

export const replay: Run = async (call) => {
  const filter = {
    installation: textOption(call, 'installation'),
    form: textOption(call, 'form'),
    reason: textOption(call, 'reason'),
  }
  const filtered = Object.values(filter).some((value) => value !== undefined)
  if (call.args.length > 0) {
    if (filtered || call.options['all'] || call.options['dryRun'])
      throw new CliError('usage', 'Name ids, or filter: not both.')
    const replayed = await replayIds(call, connect(call), call.args)
    if (call.options['json']) return call.terminal.json({ replayed: replayed.length, ids: replayed })
    return call.terminal.say(`${replayed.length} due now`)
  }
  if (!filtered && !call.options['all'])
    throw new CliError('usage', 'Name ids, --installation, --form, --reason, or --all.')
  await replayAll(call, { ...filter, since: new Date(0).toISOString(), states: ['dead'] })
}
