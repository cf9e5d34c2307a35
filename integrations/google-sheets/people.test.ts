/** People work in the spreadsheet meanwhile: rows come below the right headers and over nobody's cells. */
import { expect, test } from 'vitest'
import { FIELDS, FORM, HEADER, LONG_AGO, event, field, idOf, ids, isWrite, names, open, scene } from './fake/scene.ts'
import type { Fault } from './fake/server.ts'

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
  expect(ids(s.google).every((id) => typeof id === 'string' && id.startsWith('dlv_'))).toBe(true)
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
  expect(tab.records()[1]).toMatchObject({ 'Delivery ID': 'of a person', City: null })
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
    ran.push(other.run('append', [{ event: event(7, { budget: 7 }), delivery: { id: idOf(7) } }]))
    return { kind: 'until', over: ran[0]! }
  }
  await s.run({ n: 0 })
  await Promise.all(ran)
  expect(tab.rows[0]).toEqual([...HEADER, 'Delivery ID', 'Amount'])
  expect(tab.rows.slice(1).map((row) => row.filter((cell) => cell !== null).at(-1))).toEqual([7, 'n0'])
  const again = { repeat: true, sentBefore: LONG_AGO }
  await using later = await open(google, { columns })
  await later.run('append', [
    { event: event(7, { budget: 7 }), delivery: { id: idOf(7), ...again } },
    { event: event(8, { budget: 8 }), delivery: { id: idOf(8), ...again } },
  ])
  expect(tab.filledRows(1).map((row) => row[HEADER.length + 1] ?? null)).toEqual([7, null, 8])
  expect(tab.rows.flat().filter((cell) => typeof cell === 'string' && cell.startsWith('dlv_'))).toEqual(
    [7, 0, 8].map(idOf),
  )
})

test('two installations of one form on one tab: a row each, and neither takes that of the other for its own', async () => {
  await using s = await scene()
  await using other = await open(s.google)
  const again = { repeat: true, sentBefore: LONG_AGO }
  await s.run({ n: 0 })
  expect(await other.run('append', [{ event: event(0), delivery: { id: idOf(100), ...again } }])).toMatchObject([
    { outcome: 'delivered' },
  ])
  expect([ids(s.google), names(s.google)]).toEqual([[0, 100].map(idOf), ['n0', 'n0']])
  // Each knows its own, whatever the event.
  for (const [plugin, n] of [[s.plugin, 0] as const, [other, 100] as const])
    await plugin.run('append', [{ event: event(1), delivery: { id: idOf(n), ...again } }])
  expect(ids(s.google)).toEqual([0, 100].map(idOf))
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
