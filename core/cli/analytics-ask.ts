/** `manifold analytics sql|query|metrics|share`: what the API of the same names answers. */
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
  meta: z.looseObject({ has_more: z.boolean() }),
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
}

const cellOf = (value: unknown): string | number | null =>
  value === null || typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value)

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
