/** `manifold installations kv`: what a plugin remembers, its counters and the keys it keeps. */
import type { Run } from './call.ts'
import { textOption } from './call.ts'
import { listLimit } from './deliveries.ts'
import { connect } from './hub-client.ts'
import { counterPage, kvPage } from './rows.ts'

export const run: Run = async (call) => {
  const [id = ''] = call.args
  const { terminal, options } = call
  const limit = listLimit(call)
  const path = `/api/v2/installations/${encodeURIComponent(id)}`
  const prefix = textOption(call, 'prefix')
  const hasValues = options['values'] === true
  const hub = connect(call)
  const [counters, kv] = [
    await hub.list(`${path}/counters`, { prefix }, { as: counterPage, limit }),
    await hub.list(`${path}/kv`, { prefix, values: String(hasValues) }, { as: kvPage, limit }),
  ]
  if (options['json']) return terminal.json({ counters: counters.items, kv: kv.items })
  terminal.say('counters:')
  terminal.table(
    ['counter', 'value'],
    counters.items.map(({ name, value }) => [name, value]),
  )
  terminal.say('keys:')
  terminal.table(
    ['key', 'bytes', ...(hasValues ? ['value'] : [])],
    kv.items.map(({ key, bytes, value }) => [key, bytes, ...(hasValues ? [JSON.stringify(value)] : [])]),
  )
  if (counters.next_cursor !== null || kv.next_cursor !== null) terminal.say('There are more; --limit shows them.')
}
