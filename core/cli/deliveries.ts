/** `manifold deliveries list|show|replay`. */
import type { Call, Run } from './call.ts'
import { textOption, timeOption } from './call.ts'
import { CliError } from './exit-codes.ts'
import type { HubClient } from './hub-client.ts'
import { connect } from './hub-client.ts'
import { refuseUnknownResponse } from './known-response.ts'
import type { DeliveryRow } from './rows.ts'
import { anything, deliveryDetail, deliveryPage } from './rows.ts'
import { oneLine } from './terminal.ts'

const LIMIT_MAX = 100_000

/** How many rows a list is to have. */
export function listLimit(call: Call): number {
  const text = textOption(call, 'limit') ?? '50'
  const limit = Number(text)
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new CliError('usage', `--limit must be a number from 1 to ${LIMIT_MAX} (got "${text}")`)
}

/** Filters of the command line as query parameters. */
export function listQuery(call: Call): { query: Record<string, string | undefined>; limit: number } {
  const limit = listLimit(call)
  const nowMs = Date.now()
  const names = ['installation', 'form', 'response', 'event', 'state', 'reason', 'code', 'cause', 'text']
  const query = Object.fromEntries(names.map((name) => [name, textOption(call, name)]))
  return {
    query: { ...query, since: timeOption(call, 'since', nowMs), until: timeOption(call, 'until', nowMs) },
    limit,
  }
}

export const list: Run = async (call) => {
  const { query, limit } = listQuery(call)
  const hub = connect(call)
  const page = await hub.list('/api/v2/deliveries', query, { as: deliveryPage, limit })
  if (page.items.length === 0 && query['response'] !== undefined) await refuseUnknownResponse(hub, query['response'])
  if (call.options['json']) return call.terminal.json(page)
  deliveryTable(call, page.items)
  if (page.next_cursor !== null) call.terminal.say(`There are more; --limit shows them.`)
}

/** The table that deliveries and dead letters share. */
export function deliveryTable({ terminal }: Call, rows: readonly DeliveryRow[]): void {
  terminal.table(
    ['id', 'installation', 'what', 'state', 'tries', 'created', 'next try', 'why'],
    rows.map((row) => [
      row.id,
      row.installation,
      row.test ? `${row.name} (test)` : row.name,
      terminal.paint(row.state === 'delivered' ? 'green' : row.state === 'dead' ? 'red' : 'yellow', row.state),
      row.attempts,
      row.created_at,
      row.due_at,
      row.error ?? row.reason,
    ]),
  )
}

export const show: Run = async (call) => {
  const [id = ''] = call.args
  const delivery = await connect(call).request('GET', `/api/v2/deliveries/${encodeURIComponent(id)}`, {
    as: deliveryDetail,
  })
  const { terminal } = call
  if (call.options['json']) return terminal.json(delivery)
  deliveryTable(call, [delivery])
  terminal.line(`\ninput: ${delivery.input_missing ?? JSON.stringify(delivery.input)}\n`)
  terminal.table(
    ['try', 'at', 'ms', 'outcome', 'request', 'answer', 'why'],
    delivery.attempt_log.map((attempt) => {
      const last = attempt.exchanges.at(-1)
      return [
        attempt.n,
        attempt.at,
        Math.round(attempt.duration_ms),
        attempt.outcome,
        last ? `${last.method} ${last.url}` : null,
        last?.status ?? last?.error,
        attempt.error,
      ]
    }),
  )
  for (const attempt of delivery.attempt_log)
    for (const { level, message, at } of attempt.logs)
      terminal.line(oneLine(`try ${attempt.n} ${level}: ${at === undefined ? '' : `${at} `}${message}`))
  terminal.say(`What the plugin did: manifold runs --delivery ${delivery.id}`)
}

export const replay: Run = async (call) => {
  const replayed = await replayIds(call, connect(call), call.args)
  if (call.options['json']) return call.terminal.json({ replayed: replayed.length, ids: replayed })
  call.terminal.say(`${replayed.length} due now`)
}

/** One request each, with a bar; the first that is refused ends it. */
export async function replayIds({ terminal }: Call, hub: HubClient, ids: readonly string[]): Promise<string[]> {
  const bar = ids.length > 1 ? terminal.progress('replaying') : null
  const done: string[] = []
  try {
    for (const id of ids) {
      await hub.request('POST', `/api/v2/deliveries/${encodeURIComponent(id)}/replay`, { as: anything })
      done.push(id)
      bar?.set(done.length / ids.length)
    }
  } finally {
    bar?.done()
  }
  return done
}
