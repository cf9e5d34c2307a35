/** How many rows a list looks at on Postgres, however many there are; and how long a search of responses looks. */
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPool, poolConfig } from '../../core/storage/postgres/connect.ts'
import { LIMITS } from '../../core/limits.ts'
import { migrate } from '../../core/storage/postgres/migrate.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { statementOf } from '../../core/storage/postgres/sql.ts'
import type { Procedure } from '../../core/storage/procedure.ts'
import type { DeliveryQuery, ResponseQuery } from '../../core/storage/store.ts'
import { READS } from '../../core/storage/verbs.ts'
import { silent } from '../support/full-store.ts'
import { freshDatabase } from '../support/services.ts'

const ROWS = 20_000
const ROWS_MAX = 100
const BACKLOG = 20_000
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
  // The three oldest are partial and have the needle.
  await client.query(`INSERT INTO responses (workspace, id, form_id, form_version, status, created_at, updated_at, meta, data)
    SELECT 'w', 'rsp_' || to_char(i, 'FM000000'), CASE WHEN i <= 3 THEN 'rare' ELSE 'common' END, 1,
      CASE WHEN i <= 3 THEN 'partial' ELSE 'completed' END, at, at, '{}',
      CASE WHEN i <= 3 THEN '{"word":"needle"}' ELSE '{"word":"hay ' || i || '"}' END
    FROM (SELECT i, to_char(timestamp '2026-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.000"Z"') AS at
      FROM generate_series(1, ${ROWS}) AS i) AS made`)
  await client.query('ANALYZE deliveries, responses')
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

test('of a backlog no more is looked at for a page than of anything else; its count is exact', async () => {
  await client.query(`INSERT INTO deliveries (workspace, id, installation, plugin, kind, name, dedupe_key, state, attempts,
      schedule_step, due_at_ms, created_at)
    SELECT 'busy', 'dlv_' || to_char(i, 'FM000000'), 'crm', 'p', 'action', 'post', i::text, 'pending', 0, 0, 0,
      to_char(timestamp '2026-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.000"Z"')
    FROM generate_series(1, ${BACKLOG}) AS i`)
  await client.query('INSERT INTO lane_counts VALUES ($1, $2, $3, 0, 0, 0)', ['busy', 'crm', BACKLOG])
  await client.query('ANALYZE deliveries')
  const page = (rowsMax: number) =>
    looked(READS.listDeliveries({ workspace: 'busy', query: { limit: 5, state: 'pending' }, rowsMax }))
  const [timed, sorted] = [await page(ROWS_MAX), await page(BACKLOG)]
  // A bitmap counts a row twice.
  expect(timed.rows).toBeLessThan(3 * ROWS_MAX + 10)
  expect(timed.result.rows.map(({ id }) => id)).toEqual(sorted.result.rows.map(({ id }) => id))
  const counted = await looked(READS.countDeliveries({ workspace: 'busy', query: { state: 'pending' } }))
  expect(counted.result).toBe(BACKLOG)
})

const responses = (query: Partial<ResponseQuery>) =>
  looked(READS.listResponses({ workspace, query: { limit: 5, ...query }, rowsMax: ROWS_MAX }))

test('a list of responses looks at its own page alone, and a search at so many', async () => {
  const middle = '2026-01-01T02:46:40.000Z'
  const after = `${middle}~rsp_010000`
  for (const query of [
    {},
    { after },
    { after, until: '2026-01-01T05:00:00Z', since: '2026-01-01T00:00:01Z' },
    { form: 'common', after, order: 'oldest' },
    { form: 'rare' },
    { status: 'partial' },
    { status: 'partial', form: 'rare', order: 'oldest' },
  ] as const) {
    const { rows, result } = await responses(query)
    expect([query, result.rows.length >= 3, rows <= 6], `${rows} rows`).toEqual([query, true, true])
  }
  for (const query of [
    { text: 'needle' },
    { text: 'needle', after, order: 'oldest' },
    { form: 'common', answer: { field: 'word', value: 'needle' }, until: middle },
    { status: 'completed', until: middle },
  ] as const) {
    const { rows, result } = await responses(query)
    // A bitmap counts a row twice.
    expect([query, rows <= 3 * ROWS_MAX + 10, result.next], `${rows} rows`).toEqual([query, true, expect.any(String)])
  }
})

test('a search looks through so many responses at once, and goes on as long as it has time', async () => {
  for (const [looksMax, found] of [
    [3, 0],
    [1_000, 3],
  ] as const) {
    let nowMs = 0
    await using stack = new AsyncDisposableStack()
    const store = await openPostgresStore({
      url: database.url,
      connectionsMax: 1,
      limits: { ...LIMITS, responseSearchRowsMax: ROWS_MAX, responseSearchMsMax: looksMax },
      logger: silent,
      nowMs: () => nowMs++,
    })
    stack.defer(() => store.close())
    nowMs = 0
    const page = await store.listResponses(workspace, { text: 'Needle', limit: 5 })
    expect(page.items).toHaveLength(found)
    // Three looks of a hundred each, a second between two responses.
    const end = found === 0 ? '2026-01-01T05:28:21.000Z' : null
    expect([page.searchedTo, page.next?.slice(0, 24) ?? null]).toEqual([end, end])
  }
})
