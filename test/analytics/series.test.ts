/** Time: buckets of a zone's calendar over both changes of its clock, and headline numbers that depend on what day it is. */
import { expect, test } from 'vitest'
import type { FieldInfo } from '../../core/contract/index.ts'
import type { Bucket } from '../../plugins/analytics/metrics/series.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { openProjected } from '../support/projected.ts'
import type { Told } from '../support/projected.ts'

const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})
const HOUR_MS = 3_600_000

/** One each 50 minutes through 2026, from New Year's Eve on. */
const throughTheYear = (): readonly Told[] => {
  const told: Told[] = []
  for (let at = Date.UTC(2025, 11, 31); at < Date.UTC(2027, 0, 2); at += 50 * 60_000)
    told.push({ id: `rsp_${told.length}`, at: new Date(at).toISOString() })
  return told
}

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/St_Johns']

test.each(ZONES)('%s: days as the calendar of the runtime has them, none missing, none twice', async (zone) => {
  await using projected = await openProjected([field('a', 'text')])
  const told = throughTheYear()
  const form = await projected.tell(told)
  const days = new Map<string, number>()
  const calendar = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short' })
  for (const { at = '' } of told) {
    const day = calendar.format(new Date(at))
    days.set(day, (days.get(day) ?? 0) + 1)
  }
  const fromMs = Date.UTC(2025, 11, 31)
  const toMs = Date.UTC(2027, 0, 2)
  const { series } = await projected.metrics({ timezone: zone, bucket: 'day', fromMs, toMs }, toMs)
  expect(series.map(({ at, count }) => [at, count])).toEqual([...days])
  const asked = readQuestion(
    JSON.stringify({
      form_id: 'f',
      aggregate: { fn: 'count' },
      group_by: { field: 'response.submitted_at', bucket: 'day', as: 'day' },
      order_by: [{ by: 'day' }],
      timezone: zone,
    }),
  )
  const { rows } = await openAsker(projected.readers, { timezone: 'UTC' }).ask(asked, formSource(form))
  expect(rows.map(({ day, value }) => [day, value])).toEqual([...days])
})

test.each([
  ['2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', 23],
  ['2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', 25],
])('the day from %s has its hours, each a moment of its own', async (from, to, hours) => {
  await using projected = await openProjected([field('a', 'text')])
  await projected.tell(throughTheYear())
  const toMs = Date.parse(to)
  const { series: points } = await projected.metrics(
    { timezone: 'Europe/Berlin', bucket: 'hour', fromMs: Date.parse(from), toMs },
    toMs,
  )
  expect(points.map(({ at }) => at)).toEqual(
    Array.from({ length: hours }, (_, n) => new Date(Date.parse(from) + n * HOUR_MS).toISOString()),
  )
  expect(points.every(({ count }) => count === 1 || count === 2)).toBe(true)
})

test.each<[Bucket, string, string[]]>([
  ['week', 'Europe/Berlin', ['2025-12-29', '2026-01-05', '2026-01-12']],
  ['month', 'Europe/Berlin', ['2025-12', '2026-01']],
  ['hour', 'Asia/Kolkata', ['2025-12-31T18:30:00.000Z', '2025-12-31T19:30:00.000Z']],
])('%s in %s: gaps are filled', async (bucket, timezone, wanted) => {
  await using projected = await openProjected([field('a', 'text')])
  await projected.tell([{ id: 'rsp_1', at: '2025-12-31T22:59:59.999Z' }])
  const span =
    bucket === 'hour'
      ? ['2025-12-31T18:30:00Z', '2025-12-31T20:30:00Z']
      : ['2025-12-30T00:00:00Z', '2026-01-15T00:00:00Z']
  const [fromMs = 0, toMs = 0] = span.map((text) => Date.parse(text))
  const { series: points } = await projected.metrics({ timezone, bucket, fromMs, toMs }, toMs)
  expect(points.map(({ at }) => at)).toEqual(wanted)
})

test('partial responses: completion, how far people came, and what completing one changes', async () => {
  await using projected = await openProjected([field('a', 'text'), field('b', 'number'), field('c', 'text')])
  await projected.tell([
    { id: 'p1', status: 'partial', data: { a: 'x' } },
    { id: 'p2', status: 'partial', data: {} },
    { id: 'p3', status: 'partial', data: { a: 'x', b: 1 } },
    { id: 'c1', data: { a: 'x', c: 'y' }, startedAt: '2026-11-27T11:59:00.000Z' },
  ])
  const nowMs = Date.parse('2026-11-27T15:00:00Z')
  const query = { timezone: 'UTC', bucket: 'day' as const, fromMs: nowMs - 86_400_000, toMs: nowMs }
  const metricsOf = async (told: readonly Told[]) => {
    await projected.tell(told)
    return projected.metrics(query, nowMs)
  }
  const before = await metricsOf([])
  expect(before).toMatchObject({
    totals: { started: 4, completed: 1, partial: 3, completionRate: 0.25 },
    timeToComplete: { medianS: 60 },
  })
  const steps = before.fields.map(({ key, answered, reached, left }) => [key, answered, reached, left])
  expect(steps).toEqual([
    ['a', 1, 4, 1],
    ['b', 0, 3, 1],
    ['c', 1, 2, 1],
  ])
  const after = await metricsOf([{ id: 'p3', data: { a: 'x', b: 7, c: 'z' } }])
  expect(after).toMatchObject({ totals: { started: 4, completed: 2, partial: 2, completionRate: 0.5 } })
  expect(after.fields[1]).toMatchObject({ numbers: { average: 7, min: 7, max: 7, median: 7, sum: 7 } })
})

test('today, and the same stretch of the weekday a week before, over a change of the clock', async () => {
  await using projected = await openProjected([field('a', 'text')])
  // Sunday 29 March 2026: at 02:00 the clocks of Berlin went to 03:00.
  const at = [
    '2026-03-28T23:30:00Z',
    '2026-03-29T01:30:00Z',
    '2026-03-21T23:30:00Z',
    '2026-03-22T09:00:00Z',
    '2026-03-28T22:30:00Z',
  ]
  await projected.tell(at.map((time, n) => ({ id: `rsp_${n}`, at: time })))
  const nowMs = Date.parse('2026-03-29T07:00:00Z')
  const query = { timezone: 'Europe/Berlin', bucket: 'day' as const, fromMs: nowMs - 86_400_000, toMs: nowMs }
  const metrics = await projected.metrics(query, nowMs)
  // It is nine o'clock; a week before, one came at 00:30 and one at ten.
  expect(metrics.today).toEqual({ completed: 2, weekBefore: 1, change: 1 })
})

test('percentiles are continuous, and numbers are told from texts', async () => {
  await using projected = await openProjected([field('n', 'number'), field('dept', 'select')])
  const form = await projected.tell(
    [1, 2, 3, 4].map((n) => ({ id: `rsp_${n}`, data: { n, dept: n < 3 ? 'IT' : 'HR' } })),
  )
  const ask = async (question: object) => {
    const read = readQuestion(JSON.stringify({ form_id: 'f', ...question }))
    return (await openAsker(projected.readers, { timezone: 'UTC' }).ask(read, formSource(form))).rows
  }
  const aggregates = {
    p95: { fn: 'percentile', field: 'n', q: 0.95 },
    median: { fn: 'median', field: 'n' },
    kinds: { fn: 'count_distinct', field: 'dept' },
    high: { fn: 'rate', filter: { n: { $gte: 4 } } },
    total: { fn: 'sum', field: 'n', filter: { dept: 'HR' } },
  }
  expect(await ask({ aggregates })).toEqual([{ p95: 3.8499999999999996, median: 2.5, kinds: 2, high: 0.25, total: 7 }])
  expect(
    await ask({ aggregates: { first: { fn: 'min', field: 'dept' }, last: { fn: 'max', field: 'dept' } } }),
  ).toEqual([{ first: 'HR', last: 'IT' }])
  const byDept = { group_by: 'dept', aggregates: { least: { fn: 'min', field: 'dept' }, many: { fn: 'count' } } }
  for (const having of [{ dept: 'IT' }, { dept: { $regex: '^I' } }, { least: { $gt: 'HR' }, many: 2 }])
    expect(await ask({ ...byDept, having })).toEqual([{ dept: 'IT', least: 'IT', many: 2 }])
  await expect(
    ask({
      group_by: [
        { field: 'dept', as: 'a' },
        { field: 'n', as: 'A' },
      ],
      aggregates: { x: { fn: 'count' }, X: { fn: 'count' } },
    }),
  ).rejects.toMatchObject({ mistakes: [{ pointer: '/group_by/1' }, { pointer: '/aggregates/X' }] })
})
