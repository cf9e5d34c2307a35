/** Lists, maps and structs that SQL answers: those that anybody can want come whole, others are refused before they take memory. */
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FieldInfo } from '../../core/contract/index.ts'
import { asJson as jsonOf } from '../../plugins/analytics/sql/values.ts'
import { openSqlDesk } from '../../plugins/analytics/sql/desk.ts'
import type { SqlDesk } from '../../plugins/analytics/sql/desk.ts'
import { ROW_VALUES_MAX, weigher } from '../../plugins/analytics/sql/weight.ts'
import { NEVER, openProjected } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const AT = '2026-11-27T12:00:00.000Z'

let p: Projected
let desk: SqlDesk
beforeAll(async () => {
  p = await openProjected([field('dept', 'text'), field('tags', 'multi_select')])
  await p.tell(
    ['IT', 'HR', 'IT'].map((dept, n) => ({ id: `r${n}`, data: { dept, ...(n === 1 ? {} : { tags: ['a', 'b'] }) } })),
  )
  desk = openSqlDesk(p.database, p.projection, { timeoutMs: 20_000, memoryMb: 512 })
})
afterAll(async () => {
  await desk.close()
  await p[Symbol.asyncDispose]()
})

const said = (sql: string): Promise<unknown> =>
  desk.ask({ sql, rowsMax: 1_000, signal: NEVER }).then(
    ({ rows }) => rows,
    (error: Error) => `${error.name}: ${error.message}`,
  )

test('lists of what many wrote, by group and in order, as they always were', async () => {
  expect(await said('SELECT dept, list(response_id ORDER BY response_id) FROM f GROUP BY 1 ORDER BY 1')).toEqual([
    ['HR', ['r1']],
    ['IT', ['r0', 'r2']],
  ])
  expect(
    await said(`WITH t AS (SELECT unnest(tags) AS tag, response_id AS id FROM f), g AS (SELECT tag, list(id ORDER BY id) AS ids FROM t GROUP BY 1)
      SELECT tag, len(ids), ids[1:1] FROM g ORDER BY 1`),
  ).toEqual([
    ['a', 2, ['r0']],
    ['b', 2, ['r0']],
  ])
  expect(await said('SELECT histogram(dept), max(response_id, 2) FROM f')).toEqual([
    [
      [
        { key: 'HR', value: 1 },
        { key: 'IT', value: 2 },
      ],
      ['r2', 'r1'],
    ],
  ])
  expect(await said('SELECT tags FROM f ORDER BY response_id')).toEqual([[['a', 'b']], [null], [['a', 'b']]])
})

const LONG = 'x'.repeat(9_000)
const ROWS = (many: number): string => `range(${many}) t(i)`
/** What says so, and what has to be asked for it. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['may take', `SELECT l, l, l, l FROM (SELECT list(i) AS l FROM ${ROWS(5_000_000)})`],
  ['may take', `WITH a AS (SELECT list(i) AS l FROM ${ROWS(300_000)}) SELECT ${Array(30).fill('l').join(', ')} FROM a`],
  ['may take', `SELECT list(a.i) FROM range(10000) a(i), range(10000) b(j)`],
  ['may take any memory', `SELECT list(i) FROM range(0, 1000, 1) t(i)`],
  ['may take', `SELECT list(i) FROM ${ROWS(100_000)} GROUP BY CUBE (i % 2, i % 3, i % 4, i % 5, i % 6, i % 7)`],
  ['may take', `SELECT max(i, 900000) FROM ${ROWS(9_000_000)}`],
  ['joins lists', `SELECT l FROM (SELECT list(i) AS l FROM ${ROWS(100_000)}), range(3000)`],
  [
    'joins lists',
    `WITH a AS (SELECT array_agg(i) AS l FROM ${ROWS(9)}), b AS (SELECT * FROM a) SELECT b.l FROM f JOIN b ON true`,
  ],
  ['for each row', `SELECT list(i) OVER (ORDER BY i) FROM ${ROWS(30_000)}`],
  ['stands for a value', `SELECT (SELECT list(i) FROM ${ROWS(100_000)}) FROM range(3000)`],
  ['apart again', `SELECT unnest(l), l FROM (SELECT list(i) AS l FROM ${ROWS(100_000)})`],
  ['a map of lists', `SELECT map(list(i), list(i)) FROM ${ROWS(100_000)}`],
  ['has a row of more than', `SELECT list(i) FROM ${ROWS(ROW_VALUES_MAX + 1)}`],
  ['has a row of more than', `SELECT list({'${LONG}': i}) FROM ${ROWS(1_000)}`],
  ['has a row of more than', `SELECT list('${'y'.repeat(15_000)}') FROM ${ROWS(1_000)}`],
  ['has a row of more than', `SELECT list({'a': i, 'b': {'c': [i, i]}}) FROM ${ROWS(30_000)}`],
  ['makes lists or the like of', `SELECT list(i) FROM ${ROWS(4_100_000)}`],
  ['cast it to JSON', 'SELECT 1::VARIANT'],
  ['equi_width_bins()', 'SELECT equi_width_bins(0, 1000000, 1000000, false)'],
]

test('lists that would take the memory of all are refused, and the next question is answered', async () => {
  const before = process.memoryUsage.rss()
  for (const [words, sql] of REFUSED) {
    const answer = await said(sql)
    expect([sql.slice(0, 99), answer]).toEqual([sql.slice(0, 99), expect.stringMatching(/^Refusal: /)])
    expect(answer).toContain(words)
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(512 * 2 ** 20)
  expect(await said('SELECT 42')).toEqual([[42]])
})

test('an answer ends where its values or its characters do, and says so', async () => {
  const many = await desk.ask({
    sql: `SELECT i % 30 AS g, list(i) FROM ${ROWS(1_200_000)} GROUP BY 1`,
    rowsMax: 1_000,
    signal: NEVER,
  })
  expect(many.hasMore).toBe(true)
  expect(many.rows.length).toBeGreaterThan(10)
  expect(many.rows.length).toBeLessThan(26)
  // What comes behind the last row that was asked for is nothing to refuse.
  const few = await desk.ask({
    sql: `SELECT CASE WHEN i = 0 THEN 'short' ELSE left('${'y'.repeat(9_000)}', 9000) END FROM ${ROWS(2)} ORDER BY i`,
    rowsMax: 1,
    signal: NEVER,
  })
  expect([few.rows, few.hasMore]).toEqual([[['short']], true])
})

/** Of what a row is as JSON: each value, and what is in it. */
const valuesIn = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce<number>((sum, part) => sum + valuesIn(part), 1)
    : 1

test('what a row comes to is known to the value before it is made', async () => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const made = [
    `SELECT i, i::VARCHAR, CASE WHEN i % 3 = 0 THEN NULL ELSE list_transform([i, NULL, 7], lambda x: x) END`,
    `SELECT [[i], NULL, []], [{'a': 'é€', 'b': [i]}]`,
    `SELECT MAP {'k': [i, i], 'l': []}, array_value(i, i, i), array_value([i], [i, i])`,
    `SELECT {'long name': {'inner': [1.5, 2.5]}, 'other': DATE '2026-01-01'}, TIMESTAMP '2026-01-01', true`,
    `SELECT list_filter([i, 1, 2, 3], lambda x: x % 2 = 1), [repeat('x', i::INTEGER)]`,
  ]
  let seen = 0
  for (const select of made) {
    const result = await connection.stream(`${select} FROM range(3000) t(i)`)
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const weightOf = weigher(chunk, result.columnTypes())
      const rows = chunk.convertRows(jsonOf)
      for (const [n, row] of rows.entries()) {
        const { values, chars } = weightOf(n)
        expect(values, select).toBe(row.reduce<number>((sum, cell) => sum + valuesIn(cell), 0))
        expect(chars, select).toBeLessThanOrEqual(JSON.stringify(row).length)
        seen += 1
      }
    }
  }
  expect(seen).toBe(3_000 * made.length)
  connection.closeSync()
  instance.closeSync()
})

test('a form may be called as a table of ours is', async () => {
  const names = ['progress', 'columns', 'responses_1']
  const applied = p.projection.applied()
  await p.hear(
    names.map((id, n) => ({
      seq: applied + n + 1,
      id: `evt_${id}`,
      type: 'response.submitted',
      v: 1,
      at: AT,
      data: { dept: id },
      form: { id, name: 'P', version: 1, fields: [field('dept', 'text')] },
      response: { id: `of_${id}`, status: 'completed', startedAt: null, submittedAt: AT },
    })),
  )
  for (const round of [1, 2])
    for (const id of names) expect([round, await said(`SELECT dept FROM ${id}`)]).toEqual([round, [[id]]])
  expect(await said('SELECT count(*) FROM fact_responses')).toEqual([[6]])
})
