/**
 * The first question of all, at a million responses: through the question engine, by hand in the same engine, and with
 * `json_extract` over SQLite; beside them the headline numbers from rows, from counts, and kept.
 */
import Database from 'better-sqlite3'
import { join } from 'node:path'
import type { FieldInfo } from '../../core/contract/index.ts'
import type { ProjectedForm } from '../../plugins/analytics/engine/projection.ts'
import { Keeper } from '../../plugins/analytics/metrics/keeper.ts'
import { openMetrics } from '../../plugins/analytics/metrics/metrics.ts'
import type { MetricsAnswer } from '../../plugins/analytics/metrics/metrics.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'
import { tempDir } from '../support/temp.ts'
import { figure, printTable, progress } from './report.ts'
import type { Scenario } from './run.ts'
import { median } from './statistics.ts'

const DEPARTMENTS = ['IT', 'HR', 'Finance', 'Marketing', 'Sales', 'Support', 'Legal', 'Operations']
const STATUSES = ['approved', 'rejected', 'open']
const CHUNK_ROWS = 5_000
const YEAR_MS = 365 * 86_400_000
const OVER_RAW_MAX = 2
const UNDER_SQLITE_MIN = 20

const field = (key: string, type: FieldInfo['type'], options: readonly string[] = []): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
  ...(options.length === 0 ? {} : { options: options.map((value) => ({ value, label: value })) }),
})
const FIELDS = [
  field('department', 'select', DEPARTMENTS),
  field('status', 'radio', STATUSES),
  field('minutes', 'number'),
  field('score', 'rating'),
  field('comment', 'text'),
]

const STREAM_ROWS = 100

interface Stream {
  readonly pick: <T>(list: readonly T[]) => T
  readonly count: number
  readonly repeats: number
}

/** Median of asking after each of many commits of a hundred responses. */
async function whileStreaming(
  projected: Projected,
  { pick, count, repeats }: Stream,
  ask: (form: ProjectedForm) => Promise<MetricsAnswer>,
): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < repeats * 4; n += 1) {
    const form = await projected.tell(
      Array.from({ length: STREAM_ROWS }, (_, row) => ({
        id: `rsp_${count + n * STREAM_ROWS + row}`,
        at: new Date(Date.UTC(2026, 11, 31) + n * 1_000 + row).toISOString(),
        data: { department: pick(DEPARTMENTS), minutes: row, score: 1 + (row % 5), comment: 'late' },
      })),
    )
    const begunMs = performance.now()
    const { source } = await ask(form)
    times.push(performance.now() - begunMs)
    if (source !== 'counts') throw new Error(`answered from ${source}`)
  }
  return median(times)
}

export const analytics: Scenario = async ({ quick }) => {
  const count = quick ? 100_000 : 1_000_000
  const repeats = quick ? 5 : 15
  await using folder = await tempDir('bench-analytics')
  await using projected = await openProjected(FIELDS)
  const sqlite = new Database(join(folder.path, 'plain.db'))
  sqlite.pragma('journal_mode = WAL')
  sqlite.exec('CREATE TABLE responses (id TEXT PRIMARY KEY, submitted_at TEXT, data TEXT)')
  const put = sqlite.prepare('INSERT INTO responses VALUES (?, ?, ?)')
  const startMs = Date.UTC(2026, 0, 1)
  const random = seeded('20261127')
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.next() * list.length)] as T
  let applyMs = 0
  for (let from = 0; from < count; from += CHUNK_ROWS) {
    const rows = Array.from({ length: CHUNK_ROWS }, (_, n) => ({
      id: `rsp_${from + n}`,
      at: new Date(startMs + Math.floor(((from + n) / count) * YEAR_MS)).toISOString(),
      data: {
        department: pick(DEPARTMENTS),
        status: pick(STATUSES),
        minutes: Math.round(random.next() * 480),
        score: 1 + Math.floor(random.next() * 5),
        comment: `comment number ${from + n}`,
      },
    }))
    const begunMs = performance.now()
    await projected.tell(rows)
    applyMs += performance.now() - begunMs
    sqlite.transaction(() => {
      for (const { id, at, data } of rows) put.run(id, at, JSON.stringify(data))
    })()
  }
  progress(`${figure(count)} responses projected at ${figure(count / (applyMs / 1_000))}/s`)
  const form = await projected.tell([])
  const sinceMs = startMs + YEAR_MS / 2
  const since = new Date(sinceMs).toISOString()
  const question = readQuestion(
    JSON.stringify({
      form_id: 'f',
      aggregate: 'count',
      group_by: 'data.department',
      filter: { 'data.status': { $eq: 'approved' }, 'response.submitted_at': { $gte: since } },
    }),
  )
  const column = (path: string): string => form.columns.get(path)?.name ?? ''
  const rawSql = `SELECT ${column('data.department')}, count(*) FROM ${form.table}
    WHERE ${column('data.status')} = 'approved' AND submitted_at >= make_timestamp_ms(${sinceMs}) GROUP BY 1 ORDER BY 2 DESC`
  const plain = sqlite.prepare(
    `SELECT json_extract(data, '$.department') AS department, count(*) AS count FROM responses
     WHERE json_extract(data, '$.status') = 'approved' AND submitted_at >= ? GROUP BY 1 ORDER BY 2 DESC`,
  )
  const { readers, keeper, projection } = projected
  const timezone = 'Europe/Berlin'
  const warn = (message: string): never => {
    throw new Error(message)
  }
  const idle = new Keeper({ bytesMax: 0, warn })
  const countedMs = performance.now()
  await keeper.counted(form)
  progress(`counted anew in ${figure(performance.now() - countedMs)} ms, ${figure(keeper.bytes / 2 ** 20)} MB`)
  const metrics = openMetrics({ readers, keeper, projection, timezone })
  const nowMs = startMs + YEAR_MS
  const asked = { timezone: 'Europe/Berlin', bucket: 'day' as const, fromMs: nowMs - 90 * 86_400_000, toMs: nowMs }
  const ways = {
    'question engine': () =>
      openAsker(projected.readers, { timezone: 'UTC' }).ask(question, formSource(form, 0), {
        access: WIDE,
        signal: NEVER,
      }),
    'the same by hand, DuckDB': () => projected.readers.run(NEVER, ({ ask }) => ask(rawSql)),
    'json_extract, SQLite': async () => plain.all(since),
    'headline numbers, from rows': () =>
      openMetrics({ readers, keeper: idle, projection, timezone }).of(form, asked, { nowMs, signal: NEVER }),
    'headline numbers, from counts': () =>
      openMetrics({ readers, keeper, projection, timezone }).of(form, asked, { nowMs, signal: NEVER }),
    'headline numbers, kept': () => metrics.of(form, asked, { nowMs, signal: NEVER }),
  }
  const times = new Map<string, number[]>()
  for (let n = 0; n < repeats; n += 1) {
    for (const [name, run] of Object.entries(ways)) {
      const begunMs = performance.now()
      await run()
      times.set(name, [...(times.get(name) ?? []), performance.now() - begunMs])
    }
  }
  sqlite.close()
  const streamed = await whileStreaming(projected, { pick, count, repeats }, (now) =>
    openMetrics({ readers, keeper, projection, timezone }).of(now, asked, { nowMs, signal: NEVER }),
  )
  const of = (name: keyof typeof ways): number => median(times.get(name) ?? [])
  printTable(
    `One question about ${figure(count)} responses, medians of ${repeats}`,
    ['way', 'ms'],
    Object.keys(ways).map((name) => [name, figure(of(name as keyof typeof ways))]),
  )
  const engine = of('question engine')
  return [
    {
      what: 'the first question : the same by hand in DuckDB',
      value: engine / of('the same by hand, DuckDB'),
      budget: OVER_RAW_MAX,
      sense: 'max',
      unit: '',
    },
    {
      what: 'json_extract over SQLite : the first question',
      value: of('json_extract, SQLite') / engine,
      budget: UNDER_SQLITE_MIN,
      sense: 'min',
      unit: '',
    },
    { what: 'headline numbers, kept', value: of('headline numbers, kept'), budget: 1, sense: 'max', unit: 'ms' },
    { what: 'headline numbers while responses come in', value: streamed, budget: 3, sense: 'max', unit: 'ms' },
    {
      what: 'headline numbers, from rows, of the first question',
      value: of('headline numbers, from rows') / engine,
      budget: 20,
      sense: 'max',
      unit: '',
    },
  ]
}
