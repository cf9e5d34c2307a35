/** Ten million behaviour events: a funnel of three steps and weekly retention, beside the same said in SQL. */
import { funnels } from '../../plugins/analytics/behaviour/funnels.ts'
import { retention } from '../../plugins/analytics/behaviour/retention.ts'
import { NEVER, openProjected } from '../support/projected.ts'
import { ask } from '../support/tracked.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'

const VISITORS = 500_000
const SPAN_DAYS = 84
const BUDGET_S = 2
const START = '2026-01-05T00:00:00Z'
const NOW_MS = Date.parse(START) + SPAN_DAYS * 86_400_000
/** Of a hundred events, so many are the first, second and third step; the others look at something. */
const NAMES = [...Array<string>(15).fill('search'), ...Array<string>(8).fill('signup'), ...Array<string>(7).fill('buy')]

const FILL = `INSERT INTO events (seq, event_id, occurred_at, received_at, type, name, visitor, visitor_no, channel, properties, consent)
  SELECT range, 'e' || range, happened, happened, 'custom', coalesce(names[1 + pick], 'view'), 'v' || number, number, 'web', '{}', 'granted'
  FROM (SELECT range, TIMESTAMP '${START}' + to_microseconds(range * $1::BIGINT) AS happened,
      (hash(range) % ${VISITORS})::INTEGER AS number, (hash(range * 7) % 100)::INTEGER AS pick,
      [${NAMES.map((name) => `'${name}'`).join(', ')}] AS names
    FROM range($2::BIGINT))`

const FUNNEL_SQL = `WITH found AS (
    SELECT visitor_no, occurred_at AS happened, seq, name FROM events WHERE name IN ('search', 'signup', 'buy')),
  one AS (SELECT *, max(CASE WHEN name = 'search' THEN happened END) OVER before AS entry FROM found
    WINDOW before AS (PARTITION BY visitor_no ORDER BY happened, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)),
  two AS (SELECT *, max(CASE WHEN name = 'signup' AND happened - entry <= INTERVAL 7 DAY THEN entry END) OVER before AS second
    FROM one WINDOW before AS (PARTITION BY visitor_no ORDER BY happened, seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
  SELECT count(DISTINCT CASE WHEN name = 'buy' AND happened - second <= INTERVAL 7 DAY THEN visitor_no END) AS converted FROM two`

const RETENTION_SQL = `WITH first AS (SELECT visitor_no, date_trunc('week', min(occurred_at)) AS cohort FROM events GROUP BY 1),
  seen AS (SELECT DISTINCT visitor_no, date_trunc('week', occurred_at) AS week FROM events)
  SELECT cohort, date_diff('week', cohort, week) AS after, count(*) AS visitors
  FROM seen JOIN first USING (visitor_no) GROUP BY ALL ORDER BY ALL`

export const behaviour: Scenario = async ({ quick }) => {
  const count = quick ? 1_000_000 : 10_000_000
  await using projected = await openProjected([])
  const { database, readers } = projected
  const stepUs = BigInt(Math.floor((SPAN_DAYS * 86_400_000_000) / count))
  await database.writer.run(FILL, [stepUs, BigInt(count)])
  progress(`${figure(count)} events of ${figure(VISITORS)} visitors`)
  const asked = { from: START, period: 'week' }
  let counted: { readonly converted: number } = { converted: 0 }
  let cohorts: { readonly cohorts: readonly { readonly visitors: number; readonly returned: readonly number[] }[] } = {
    cohorts: [],
  }
  const plain: { [way: string]: readonly { readonly [column: string]: unknown }[] } = {}
  const ways = {
    'funnel of three steps': async () =>
      void (counted = await ask(
        projected,
        funnels,
        { steps: ['search', 'signup', 'buy'], window: '7d' },
        { nowMs: NOW_MS },
      )),
    'the same in SQL': async () => void (plain['funnel'] = await readers.run(NEVER, ({ ask: one }) => one(FUNNEL_SQL))),
    'weekly retention': async () => void (cohorts = await ask(projected, retention, asked, { nowMs: NOW_MS })),
    'weekly retention in SQL': async () =>
      void (plain['retention'] = await readers.run(NEVER, ({ ask: one }) => one(RETENTION_SQL))),
  }
  const seconds = new Map<string, number[]>()
  for (let n = 0; n < 3; n += 1)
    for (const [name, run] of Object.entries(ways)) {
      const begunMs = performance.now()
      await run()
      seconds.set(name, [...(seconds.get(name) ?? []), (performance.now() - begunMs) / 1_000])
    }
  if (Number(plain['funnel']?.[0]?.['converted']) !== counted.converted || counted.converted === 0)
    throw new Error(`${counted.converted} converted; SQL says ${String(plain['funnel']?.[0]?.['converted'])}`)
  const first = plain['retention']?.filter(({ after }) => Number(after) === 1)[0]
  if (Number(first?.['visitors']) !== cohorts.cohorts[0]?.returned[1])
    throw new Error(`${cohorts.cohorts[0]?.returned[1]} came back; SQL says ${String(first?.['visitors'])}`)
  const of = (name: keyof typeof ways): number => median(seconds.get(name) ?? [])
  printTable(
    `${figure(count)} behaviour events, medians of 3`,
    ['way', 's'],
    Object.keys(ways).map((name) => [name, figure(of(name as keyof typeof ways))]),
  )
  return [
    { what: 'a funnel of three steps', value: of('funnel of three steps'), budget: BUDGET_S, sense: 'max', unit: 's' },
    { what: 'weekly retention', value: of('weekly retention'), budget: BUDGET_S, sense: 'max', unit: 's' },
  ]
}
