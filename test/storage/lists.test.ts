/** How many rows a list of deliveries looks at on Postgres, however many there are. */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPool, poolConfig } from '../../core/storage/postgres/connect.ts'
import { migrate } from '../../core/storage/postgres/migrate.ts'

import { statementOf } from '../../core/storage/postgres/sql.ts'
import type { Procedure } from '../../core/storage/procedure.ts'
import type { DeliveryQuery } from '../../core/storage/store.ts'
import { READS } from '../../core/storage/verbs.ts'
import { silent } from '../support/full-store.ts'
import { freshDatabase } from '../support/services.ts'

const ROWS = 20_000
const ROWS_MAX = 100
const workspace = 'w'
let database: Awaited<ReturnType<typeof freshDatabase>>
let client: Client

beforeAll(async () => {
  database = await freshDatabase()
  const options = { url: database.url, connectionsMax: 1, name: 'lists', logger: silent }
  const pool = openPool(options)
  await migrate(pool)
  await pool.end()
  client = new Client(poolConfig(options))
  await client.connect()
  // The oldest are dead and of a form that has no others; every tenth of the newer ones is dead, of another cause each.
  await client.query(`INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, form_id, state, attempts,
      schedule_step, due_at_ms, created_at, finished_at, reason, error_code, error, cause, host, input)
    SELECT 'w', 'dlv_' || to_char(i, 'FM000000'), 'crm', 'p', 'action', 'post', i::text,
      CASE WHEN i <= 3 THEN 'rare' ELSE 'common' END, CASE WHEN i <= 3 OR i % 10 = 0 THEN 'dead' ELSE 'delivered' END, 1, 1, 0,
      to_char(timestamp '2026-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.000"Z"'), '2026-02-01T00:00:00.000Z',
      CASE WHEN i <= 3 THEN 'config_error' WHEN i % 10 = 0 THEN 'receiver_failed' END,
      CASE WHEN i <= 3 THEN 'needle' WHEN i % 10 = 0 THEN 'hay' END, 'words', CASE WHEN i <= 3 THEN 'needle'
      WHEN i % 10 = 0 THEN 'hay' || i END, 'a.example', '{}'
    FROM generate_series(1, ${ROWS}) AS i`)
  await client.query('ANALYZE deliveries')
})
afterAll(async () => {
  await client.end()
  await database[Symbol.asyncDispose]()
})

interface Plan {
  readonly 'Node Type': string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly Plan[]
}

/** Rows that the scans of all statements of a procedure touched, and what it answered. */
async function looked<Result>(
  procedure: Procedure<Result>,
): Promise<{ readonly rows: number; readonly result: Result }> {
  let rows = 0
  let step = procedure.next()
  while (step.done !== true) {
    const { text } = statementOf(step.value.sql)
    const each = 'params' in step.value ? [step.value.params] : step.value.many
    const found: unknown[] = []
    for (const params of each) {
      const explained = await client.query<{ 'QUERY PLAN': readonly { readonly Plan: Plan }[] }>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        [...params],
      )
      for (const { Plan: plan } of explained.rows[0]?.['QUERY PLAN'] ?? []) rows += scanned(plan)
      found.push(...(await client.query(text, [...params])).rows)
    }
    step = procedure.next({ rows: found, changes: 0 })
  }
  return { rows, result: step.value }
}

function scanned(plan: Plan): number {
  const own = (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops']
  const below = (plan.Plans ?? []).reduce((sum, each) => sum + scanned(each), 0)
  return below + (plan['Node Type'].includes('Scan') && !plan['Node Type'].includes('Subquery') ? own : 0)
}

const list = (query: Partial<DeliveryQuery>) =>
  looked(READS.listDeliveries({ workspace, query: { limit: 5, ...query }, rowsMax: ROWS_MAX }))

test('a list looks at so many rows, and at its own alone where an index knows them', async () => {
  const bounded: readonly Partial<DeliveryQuery>[] = [
    { code: 'needle' },
    { code: 'needle', installation: 'crm' },
    { form: 'rare', installation: 'crm' },
    { form: 'common', state: 'retrying' },
    { state: 'dead', code: 'needle' },
    { state: 'dead', installation: 'crm', form: 'rare' },
    { reason: 'config_error' },
    { text: { words: 'needle', inAnswers: true }, since: '2026-01-01T00:00:00Z' },
  ]
  for (const query of bounded) {
    const { rows } = await list(query)
    expect([query, rows <= 2 * ROWS_MAX + 10], `${rows} rows`).toEqual([query, true])
  }
  for (const query of [{ form: 'rare' }, { cause: 'needle' }, { cause: 'needle', form: 'rare', installation: 'crm' }]) {
    const { rows, result } = await list(query)
    expect([query, result.rows.length, rows <= 10], `${rows} rows`).toEqual([query, 3, true])
  }
  const { rows, result } = await looked(READS.groupDead({ workspace, query: {}, rowsMax: ROWS_MAX, groupsMax: 5 }))
  expect([result.groups.length, result.whole]).toEqual([5, false])
  expect(rows).toBeLessThan(2 * ROWS_MAX + 20)
})
