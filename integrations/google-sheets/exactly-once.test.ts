/** Each row exactly once, whatever Google and the line to it do: looked for when nobody knows, and only then. */
import { expect, test } from 'vitest'
import { FIELDS, NOW, idOf, ids, isRead, isWrite, many, names, scene } from './fake/scene.ts'
import type { FakeSheets, Fault } from './fake/server.ts'

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

const STOPS: readonly (readonly [what: string, code: string, change: (google: FakeSheets) => void])[] = [
  ['a full spreadsheet', 'spreadsheet_full', (google: FakeSheets) => void (google.spreadsheet.cellsMax = 70)],
  [
    'a protected range',
    'protected',
    (google: FakeSheets): void => {
      const message = 'You are trying to edit a protected cell or object.'
      google.fault = (request): Fault | null => (isWrite(request) ? { kind: 'status', status: 400, message } : null)
    },
  ],
]

test.each(STOPS)(
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

test('a repeat whose column of ids is gone is a dead letter, not perhaps a second row', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  await s.run({ n: 0 })
  tab.set(2, 0, idOf(1))
  tab.set(3, 0, idOf(2))
  tab.set(0, 0, 'Number')
  expect(await s.run({ n: 1, repeat: true })).toMatchObject([{ outcome: 'dead', code: 'id_header_missing' }])
  tab.set(0, 0, 'Delivery ID')
  expect(await s.run({ n: 2, repeat: true })).toMatchObject([{ outcome: 'delivered' }])
  expect(ids(s.google)).toEqual([0, 1, 2].map(idOf))
})
