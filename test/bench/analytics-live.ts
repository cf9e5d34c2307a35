/**
 * Analytics beside what else the hub does: how soon a response is counted while a thousand a second come in, what counting
 * costs those who send, and what a thousand people who look at numbers wait for.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Hub } from '../support/hub.ts'
import { caughtUp, submitAll } from '../support/surveys.ts'
import type { Asked, AskersAsk, PeopleResult, WatchResult } from './askers.ts'
import { measurePairs, medianOf, ratioOf } from './pairs.ts'
import { startWorker } from './processes.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { closedRun } from './throughput.ts'
import { hubTarget } from './targets.ts'

const ANALYTICS = { id: 'analytics', use: 'analytics' }
const PER_SECOND = 1_000
const CLIENTS = 200
const VISIBLE_MS_MAX = 100
const INGEST_RATIO_MIN = 0.75
const P95_MS_MAX = 50
const HIT_RATE_MIN = 0.8

/** A thousand submissions a second by a timetable; beside them one response after the other is sent and looked for. */
export const analyticsFresh: Scenario = async ({ bench, quick }) => {
  const durationMs = quick ? 8_000 : 25_000
  await using watcher = await startWorker<AskersAsk, WatchResult>('askers.ts')
  await using target = await hubTarget({ sink: false, installations: [ANALYTICS] })(bench.sinkUrl)
  const { port, headers } = target
  const watch = (run: string, forMs: number): Promise<WatchResult> =>
    watcher.ask({ kind: 'watch', port, headers, run, everyMs: 100, durationMs: forMs })
  const load = (forMs: number) =>
    bench.run(
      target,
      { kind: 'open', clients: CLIENTS, perSecondEach: PER_SECOND / CLIENTS, durationMs: forMs },
      { deliveries: false },
    )
  await load(5_000)
  const idle = await watch('i', 3_000)
  const [run, busy] = await Promise.all([load(durationMs), sleep(1_000).then(() => watch('b', durationMs - 2_000))])
  const row = (name: string, { visibleMs, afterAckMs, stale }: WatchResult): readonly string[] => [
    name,
    figure(visibleMs.count),
    figure(visibleMs.p50),
    figure(visibleMs.p95),
    figure(visibleMs.max),
    figure(afterAckMs.p95),
    figure(stale),
  ]
  printTable(
    'From sending a response to metrics that count it (ms)',
    ['while', 'looked', 'p50', 'p95', 'max', 'p95 from 201 on', 'not counted'],
    [row('nothing else comes', idle), row(`${figure(run.acceptedPerSecond)} a second come`, busy)],
  )
  return [
    { what: 'submissions a second', value: run.acceptedPerSecond, budget: PER_SECOND * 0.98, sense: 'min', unit: '/s' },
    { what: 'event to metric, p95', value: busy.visibleMs.p95, budget: VISIBLE_MS_MAX, sense: 'max', unit: 'ms' },
    {
      what: 'answers without what was acknowledged',
      value: busy.stale + idle.stale,
      budget: 0,
      sense: 'max',
      unit: '',
    },
  ]
}

/** As many as the hub takes, with analytics and without, one right after the other. */
export const analyticsIngest: Scenario = async ({ bench, quick }) => {
  const makers = {
    first: hubTarget({ sink: false }),
    second: hubTarget({ sink: false, installations: [ANALYTICS] }),
  }
  const load = { connections: 100, durationMs: quick ? 4_000 : 8_000, deliveries: false }
  const pairs = await measurePairs(quick ? 1 : 3, async (which) => {
    const run = await closedRun(bench, makers[which], load)
    progress(`${which}: ${figure(run.acceptedPerSecond)}/s, foreign ${figure(run.foreignShare)}`)
    return run
  })
  const row = (name: string, which: 'first' | 'second'): readonly string[] => [
    name,
    figure(medianOf(pairs, which, (run) => run.acceptedPerSecond)),
    figure(medianOf(pairs, which, (run) => run.load.ackMs.p95)),
    figure(medianOf(pairs, which, (run) => run.cpuMsEach)),
  ]
  printTable(
    'Taken at 100 connections (medians)',
    ['hub', 'accepted/s', 'ack p95 ms', 'CPU ms each'],
    [row('without analytics', 'first'), row('with analytics', 'second')],
  )
  return [
    {
      what: 'accepted/s, with analytics : without',
      value: ratioOf(pairs, (run) => run.acceptedPerSecond),
      budget: INGEST_RATIO_MIN,
      sense: 'min',
      unit: '',
    },
  ]
}

const PEOPLE = 1_000
const THINK_MS = 5_000
const FORMS = 20
const ROWS_EACH = 2_500
const BATCH_ROWS = 500
const ARRIVALS_EVERY_MS = 500
const DEPARTMENTS = ['IT', 'HR', 'Finance', 'Sales', 'Support']

const FORM = {
  name: 'Asked',
  access: 'key',
  fields: [
    { key: 'department', label: 'Department', type: 'select', options: DEPARTMENTS },
    { key: 'score', label: 'Score', type: 'rating' },
    { key: 'minutes', label: 'Minutes', type: 'number' },
    { key: 'comment', label: 'Comment', type: 'text' },
  ],
}
const answerOf = (n: number): object => ({
  data: {
    department: DEPARTMENTS[n % DEPARTMENTS.length],
    score: 1 + (n % 5),
    minutes: (n * 7) % 480,
    comment: `comment ${n}`,
  },
})
const idOf = (n: number): string => `asked-${n}`

/** What the boards and lists of a form ask: its numbers most often, then what it is, then one of the usual questions. */
const usual = (form: string): readonly Asked[] => {
  const query = (body: object): Asked => ({
    what: 'query',
    method: 'POST',
    path: '/api/v2/analytics/query',
    body: JSON.stringify({ form_id: form, ...body }),
    weight: 1,
  })
  const get = (what: string, path: string, weight: number): Asked => ({ what, method: 'GET', path, body: '', weight })
  return [
    get('metrics', `/api/v2/analytics/forms/${form}/metrics`, 6),
    get('form', `/api/v2/forms/${form}`, 3),
    query({ aggregate: 'count', group_by: 'data.department' }),
    query({ aggregates: { mean: { fn: 'avg', field: 'minutes' } }, group_by: ['department'] }),
    query({ aggregates: { n: { fn: 'count' } }, group_by: [{ field: 'response.submitted_at', bucket: 'day' }] }),
  ]
}

/**
 * A thousand people with twenty forms among them: each keeps a connection open, asks, and reads for five seconds on average
 * before the next question, so that about two hundred questions a second come; two responses a second arrive meanwhile, each
 * of which makes what is known of its form stale.
 */
export const analyticsPeople: Scenario = async ({ bench, quick }) => {
  const durationMs = quick ? 10_000 : 30_000
  await using askers = await startWorker<AskersAsk, PeopleResult>('askers.ts')
  const forms = Array.from({ length: FORMS }, (_, n) => idOf(n))
  const maker = hubTarget({
    sink: false,
    installations: [ANALYTICS],
    forms: Object.fromEntries(forms.map((id) => [id, FORM])),
  })
  await using target = await maker(bench.sinkUrl)
  const { port, headers, hub } = target
  if (hub === null) throw new Error('There is no hub')
  for (const form of forms)
    for (let from = 0; from < ROWS_EACH; from += BATCH_ROWS)
      await submitAll(
        hub,
        form,
        Array.from({ length: BATCH_ROWS }, (_, n) => answerOf(from + n)),
      )
  await caughtUp(hub)
  const asked = forms.flatMap(usual)
  const people = (forMs: number, thinkMs: number): Promise<PeopleResult> =>
    askers.ask({ kind: 'people', port, headers, people: PEOPLE, thinkMs, durationMs: forMs, asked })
  await people(5_000, THINK_MS)
  const before = await cacheOf(hub)
  const arrivals = new AbortController()
  const arriving = arrive(hub, arrivals.signal)
  const result = await people(durationMs, THINK_MS)
  arrivals.abort()
  await arriving
  const after = await cacheOf(hub)
  const hits = after.hits - before.hits
  const hitRate = hits / (hits + after.misses - before.misses)
  const rows = Object.entries({ ...result.byWhat, all: result.all })
  printTable(
    `${figure(PEOPLE)} people, ${figure(result.perSecond)} questions a second (ms)`,
    ['what', 'asked', 'p50', 'p95', 'p99', 'max'],
    rows.map(([what, { count, p50, p95, p99, max }]) => [what, ...[count, p50, p95, p99, max].map(figure)]),
  )
  return [
    { what: 'a thousand people, p95', value: result.all.p95, budget: P95_MS_MAX, sense: 'max', unit: 'ms' },
    { what: 'answers kept from before, of all', value: hitRate, budget: HIT_RATE_MIN, sense: 'min', unit: '' },
    { what: 'questions without an answer', value: result.failed, budget: 0, sense: 'max', unit: '' },
  ]
}

/** One response after the other, of one form after the other. */
async function arrive(hub: Hub, signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n += 1) {
    await hub.api('POST', `/api/v2/forms/${idOf(n % FORMS)}/responses`, answerOf(n))
    await sleep(ARRIVALS_EVERY_MS)
  }
}

async function cacheOf(hub: Hub): Promise<{ readonly hits: number; readonly misses: number }> {
  const sum = async (what: string): Promise<number> =>
    (await hub.metric(`manifold_plugin_analytics_query_cache_${what}`)) +
    (await hub.metric(`manifold_plugin_analytics_metrics_cache_${what}`))
  return { hits: await sum('hits'), misses: await sum('misses') }
}
