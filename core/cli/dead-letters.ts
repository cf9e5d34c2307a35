/** `manifold dead-letters list|replay`; `list --group` by cause. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { deliveryTable, listQuery, replayIds } from './deliveries.ts'
import type { DeadReason } from '../model.ts'
import { CliError } from './exit-codes.ts'
import { connect, withQuery } from './hub-client.ts'
import type { Query } from './hub-client.ts'
import { replayAll } from './replay.ts'
import { deadGroups, deliveryPage } from './rows.ts'

const DIED_OF: Readonly<Record<string, string>> = {
  receiver_failed: 'tried as often as the installation says, and the receiver never took it',
  permanent_reject: 'refused for good, by the receiver or the plugin: the same again will be refused again',
  config_error: 'the settings, the form or the manifest keep it from being sent: mend that, then replay',
  internal_error: 'the plugin or the hub failed at it: see its error, mend the plugin, then replay',
} satisfies Record<DeadReason, string>

export const list: Run = async (call) => {
  const { query, limit } = listQuery(call)
  if (call.options['group']) return listGroups(call, query)
  const page = await connect(call).list('/api/v2/dead-letters', query, { as: deliveryPage, limit })
  if (call.options['json']) return call.terminal.json(page)
  deliveryTable(call, page.items)
  for (const { reason, count } of page.causes ?? [])
    call.terminal.say(`${count} ${reason}: ${DIED_OF[reason] ?? 'no reason that this program knows'}`)
}

/** One line a cause, with how to see and to send these again. */
async function listGroups(call: Call, { cause, text, ...query }: Query): Promise<void> {
  if (cause !== undefined || text !== undefined)
    throw new CliError(
      'usage',
      '--group takes no --cause and no --text.',
      'list a group: manifold dead-letters --cause <cause>',
    )
  const { terminal } = call
  const found = await connect(call).request('GET', withQuery('/api/v2/dead-letters/groups', query), { as: deadGroups })
  if (call.options['json']) return terminal.json(found)
  terminal.table(
    ['cause', 'count', 'installation', 'code', 'first', 'last', 'what', 'example'],
    found.items.map((group) => [
      group.cause,
      group.count,
      group.installation,
      group.code ?? group.reason,
      group.first_at,
      group.last_at,
      group.message,
      group.example.id,
    ]),
  )
  if (!found.whole) terminal.say('There are more; --since and --until narrow it down.')
  if (found.items.length > 0) terminal.say('Send one group again: manifold dead-letters replay --cause <cause>')
}

export const replay: Run = async (call) => {
  const filter = {
    installation: textOption(call, 'installation'),
    form: textOption(call, 'form'),
    reason: textOption(call, 'reason'),
    code: textOption(call, 'code'),
    cause: textOption(call, 'cause'),
    until: timeOption(call, 'until', Date.now()),
  }
  const since = timeOption(call, 'since', Date.now())
  const filtered = [...Object.values(filter), since].some((value) => value !== undefined)
  if (call.args.length > 0) {
    if (filtered || call.options['all'] || call.options['dryRun'])
      throw new CliError('usage', 'Name ids, or filter: not both.')
    const replayed = await replayIds(call, connect(call), call.args)
    if (call.options['json']) return call.terminal.json({ replayed: replayed.length, ids: replayed })
    return call.terminal.say(`${replayed.length} due now`)
  }
  if (!filtered && !call.options['all'])
    throw new CliError('usage', 'Name ids, --installation, --form, --reason, --code, --cause, --since, or --all.')
  await replayAll(call, { ...filter, since: since ?? new Date(0).toISOString(), states: ['dead'] })
}
