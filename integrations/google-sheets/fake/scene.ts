/** The plugin in its sandbox before the double, with a form and answers: what its tests begin with. */
import { join } from 'node:path'
import { testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'
import { startFakeSheets } from './server.ts'
import type { FakeRequest, FakeSheets, FakeSheetsOptions } from './server.ts'

export type Settings = { readonly [name: string]: unknown }

export const field = (key: string, label: string, type = 'text') => ({ key, label, type })
export const FIELDS = [
  field('name', 'Your name'),
  field('budget', 'Budget', 'number'),
  field('news', 'News?', 'boolean'),
  field('due', 'Due', 'date'),
  field('note', 'Note', 'long_text'),
]
const forms = { contact: { name: 'Contact', fields: FIELDS } } as NonNullable<TestPluginOptions['forms']>
export const FORM = { id: 'contact', name: 'Contact', version: 1, fields: FIELDS }
export const HEADER = ['Delivery ID', 'Submitted at', 'Your name', 'Budget', 'News?', 'Due', 'Note']
export const NOW = new Date().toISOString()
/** Whatever was sent by then is over. */
export const LONG_AGO = new Date(Date.parse(NOW) - 3_600_000).toISOString()

/** The plugin before the double; what it sends goes over real sockets. */
export async function open(google: FakeSheets, settings: Settings = {}, more: Partial<TestPluginOptions> = {}) {
  const { private_key: key, ...credentials } = google.keyFile
  const config = {
    credentials: { ...credentials, private_key: key },
    spreadsheet: google.spreadsheet.id,
    tab: 'Answers',
    apiUrl: google.url,
    writesPerMinute: 6_000,
    ...settings,
  }
  const plugin = await testPlugin({ dir: join(import.meta.dirname, '..'), config, forms, now: NOW, ...more })
  plugin.http.on('* *', async ({ method, url, headers, body }) => {
    const { 'content-length': _length, host: _host, connection: _connection, ...rest } = headers
    try {
      const answer = await fetch(url, { method, headers: rest, ...(method === 'GET' ? {} : { body }) })
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() }
    } catch {
      return { error: 'http_reset' as const }
    }
  })
  return plugin
}

const idFrom = (prefix: string, n: number): string => `${prefix}_${String(n).padStart(32, '0')}`
/** Of the delivery whose row it is. */
export const idOf = (n: number): string => idFrom('dlv', n)

export const event = (n: number, data: object = { name: `n${n}` }, form: object = FORM) =>
  ({
    id: idFrom('evt', n),
    type: 'response.submitted',
    data,
    form,
    response: { id: `rsp_${n}`, status: 'completed', startedAt: null, submittedAt: '2026-07-01T10:00:00.000Z' },
  }) as never

export const ids = (google: FakeSheets) =>
  google.spreadsheet
    .tab('Answers')
    .records()
    .map((row) => row['Delivery ID'])
export const names = (google: FakeSheets, header = 'Your name') =>
  google.spreadsheet
    .tab('Answers')
    .records()
    .map((row) => row[header])

export async function scene(
  settings: Settings = {},
  options: FakeSheetsOptions = {},
  more: Partial<TestPluginOptions> = {},
) {
  const stack = new AsyncDisposableStack()
  const google = stack.use(await startFakeSheets(options))
  const plugin = stack.use(await open(google, settings, more))
  const run = async (...items: readonly Item[]) =>
    plugin.run(
      'append',
      items.map(({ n, repeat = false, sentBefore = LONG_AGO, data }) => ({
        event: event(n, data),
        delivery: { id: idOf(n), repeat, sentBefore },
      })),
    )
  return { google, plugin, run, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

export interface Item {
  readonly n: number
  readonly repeat?: boolean
  readonly sentBefore?: string
  readonly data?: object
}

export const many = (count: number, first = 0): readonly Item[] =>
  Array.from({ length: count }, (_, n) => ({ n: first + n }))
export const isWrite = ({ kind }: FakeRequest): boolean => kind === 'write'
export const isRead = ({ kind }: FakeRequest): boolean => kind === 'read'
