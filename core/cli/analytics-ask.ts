/** `manifold analytics sql|query|metrics|share|slow|status`: what the API of the same names answers. */
import { z } from 'zod'
import { textOption } from './call.ts'
import type { Run } from './call.ts'
import { CliError } from './exit-codes.ts'
import { connect, withQuery } from './hub-client.ts'
import { oneLine } from './terminal.ts'

const PATH = '/api/v2/analytics'

const answered = z.looseObject({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.unknown())),
  meta: z.looseObject({ has_more: z.boolean(), complete_from: z.string().nullable() }),
})

export const sql: Run = async (call) => {
  const [text = ''] = call.args
  const limit = Number(textOption(call, 'limit'))
  const answer = await connect(call).request('POST', `${PATH}/sql`, { as: answered, body: { sql: text, limit } })
  const { terminal } = call
  if (call.options['json']) return terminal.json(answer)
  terminal.table(
    answer.columns.map(({ name }) => name),
    answer.rows.map((row) => row.map(cellOf)),
  )
  if (answer.meta.has_more) terminal.say('There are more rows; --limit shows them.')
  const { complete_from: from } = answer.meta
  if (from !== null) terminal.say(`Single events are kept from ${from} on: what happened before is not in these rows.`)
}

const cellOf = (value: unknown): string | number | null =>
  value === null || typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value)

const slowly = z.looseObject({
  slow_from_ms: z.number(),
  items: z.array(
    z.object({ at: z.string(), route: z.string(), took_ms: z.number(), status: z.number(), text: z.string() }),
  ),
})

export const slow: Run = async (call) => {
  const { terminal, options } = call
  const answer = await connect(call).request('GET', `${PATH}/slow`, { as: slowly })
  if (options['json']) return terminal.json(answer)
  terminal.table(
    ['at', 'question', 'ms', 'status', 'asked'],
    answer.items.map(({ at, route, took_ms: ms, status, text }) => [at, route, ms, status, text]),
  )
  terminal.say(`${answer.items.length} that took ${answer.slow_from_ms} ms or longer (slowQueryMs)`)
}

const held = z.object({
  events: z.object({ count: z.number(), from: z.string().nullable(), to: z.string().nullable() }),
  rungs: z.array(
    z.object({ rung: z.string(), rows: z.number(), events: z.number(), from: z.string(), to: z.string() }),
  ),
})

export const status: Run = async (call) => {
  const answer = await connect(call).request('GET', `${PATH}/ladder`, { as: held })
  if (call.options['json']) return call.terminal.json(answer)
  const { events, rungs } = answer
  call.terminal.table(
    ['behaviour events', 'how many', 'rows', 'from', 'to'],
    [
      ['one by one', events.count, events.count, events.from ?? '-', events.to ?? '-'],
      ...rungs.map(({ rung, rows, events: count, from, to }) => [`by the ${rung}`, count, rows, from, to]),
    ],
  )
}

const object = z.record(z.string(), z.unknown())

export const query: Run = async (call) => {
  const [text = ''] = call.args
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (error) {
    throw new CliError('usage', `The question is not valid JSON: ${(error as Error).message}`)
  }
  call.terminal.json(await connect(call).request('POST', `${PATH}/query`, { as: object, body }))
}

export const metrics: Run = async (call) => {
  const [form = ''] = call.args
  const names = ['bucket', 'timezone', 'from', 'to']
  const asked = Object.fromEntries(names.map((name) => [name, textOption(call, name)]))
  const path = withQuery(`${PATH}/forms/${encodeURIComponent(form)}/metrics`, asked)
  call.terminal.json(await connect(call).request('GET', path, { as: object }))
}

const shared = z.looseObject({ id: z.string(), path: z.string(), expires_at: z.string().nullable() })

export const share: Run = async (call) => {
  const [form = ''] = call.args
  const hub = connect(call)
  const body = { form_id: form, expires: textOption(call, 'expires') }
  const made = await hub.request('POST', `${PATH}/shares`, { as: shared, body })
  if (call.options['json']) return call.terminal.json({ ...made, url: hub.url + made.path })
  call.terminal.line(oneLine(hub.url + made.path))
  call.terminal.say(`Shown this once; ${made.expires_at === null ? 'it never runs out' : `until ${made.expires_at}`}.`)
}
