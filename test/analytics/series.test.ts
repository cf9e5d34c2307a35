/** Time: buckets of a zone's calendar over both changes of its clock, and headline numbers that depend on what day it is. */
import { expect, test } from 'vitest'
import type { FieldInfo, LoggedEvent } from '../../core/contract/index.ts'
import type { Bucket } from '../../plugins/analytics/metrics/series.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
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
  const { rows } = await openAsker(projected.readers, { timezone: 'UTC' }).ask(asked, formSource(form, 0), {
    access: WIDE,
    signal: NEVER,
  })
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
    totals: { started: 4, completed: 1, partial: 3 },
    completion: { base: 'responses', started: 4, completed: 1, rate: 0.25, views: null, abandoned: null },
    timeToComplete: { medianS: 60 },
  })
  const steps = before.fields.map(({ key, answered, reached, left }) => [key, answered, reached, left])
  expect(steps).toEqual([
    ['a', 1, 4, 1],
    ['b', 0, 3, 1],
    ['c', 1, 2, 1],
  ])
  const after = await metricsOf([{ id: 'p3', data: { a: 'x', b: 7, c: 'z' } }])
  expect(after).toMatchObject({ totals: { started: 4, completed: 2, partial: 2 }, completion: { rate: 0.5 } })
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
    return (
      await openAsker(projected.readers, { timezone: 'UTC' }).ask(read, formSource(form, 0), {
        access: WIDE,
        signal: NEVER,
      })
    ).rows
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

/** Rows of `{ at, value }`, with what the earlier period came to. */
async function byBucket(told: readonly Told[], question: { readonly bucket: string; readonly [part: string]: string }) {
  await using projected = await openProjected([field('a', 'text')])
  const form = await projected.tell(told)
  const { bucket, ...rest } = question
  const group_by = { field: 'response.submitted_at', bucket, as: 'at' }
  const asked = { form_id: 'f', aggregate: { fn: 'count' }, group_by, order_by: [{ by: 'at' }], ...rest }
  const asker = openAsker(projected.readers, { timezone: 'UTC' })
  const source = formSource(form, 0)
  const { rows, earlier } = await asker.ask(readQuestion(JSON.stringify(asked)), source, {
    access: WIDE,
    signal: NEVER,
  })
  return { rows: rows.map(({ at, value }) => [at, value]), earlier }
}

test.each([
  ['Europe/Berlin', '2026-10-25T00:30:00Z', ['02:00', '02:00+01:00', '03:00']],
  ['America/New_York', '2026-11-01T05:30:00Z', ['01:00', '01:00-05:00', '02:00']],
  // Half an hour is lived twice: the hour that it belongs to is there in full, then its half.
  ['Australia/Lord_Howe', '2026-04-04T14:15:00Z', ['01:00', '01:00+10:30', '02:00']],
])('%s: an hour that its clock shows twice is two in an answer, in their order', async (timezone, from, names) => {
  const told = [0, 1, 2].flatMap((hour) =>
    Array.from({ length: hour + 1 }, (_, n) => ({
      id: `rsp_${hour}_${n}`,
      at: new Date(Date.parse(from) + hour * (timezone === 'Australia/Lord_Howe' ? 50 : 60) * 60_000).toISOString(),
    })),
  )
  const { rows } = await byBucket(told, { bucket: 'hour', timezone })
  expect(rows.map(([at, many]) => [String(at).slice(11), many])).toEqual(names.map((name, n) => [name, n + 1]))
})

const eachDay = (from: string, to: string): readonly Told[] => {
  const told: Told[] = []
  for (let at = Date.parse(`${from}T12:00:00Z`); at < Date.parse(to); at += 24 * HOUR_MS)
    told.push({ id: `rsp_${told.length}`, at: new Date(at).toISOString() })
  return told
}

test('compared by months days meet by their number, and one without its like is a row of its own', async () => {
  const february = { from: '2026-02-01T00:00:00Z', to: '2026-03-01T00:00:00Z', compare: '1mo' }
  const told = eachDay('2026-01-01', '2026-03-01')
  for (const [bucket, time] of [
    ['day', ''],
    ['hour', 'T12:00'],
  ] as const) {
    const { rows, earlier } = await byBucket(told, { bucket, ...february })
    const days = Array.from({ length: 31 }, (_, n) => `2026-02-${String(n + 1).padStart(2, '0')}${time}`)
    expect(rows).toEqual(days.map((day, n) => [day, n < 28 ? 1 : 0]))
    expect(earlier?.rows).toEqual(days.map(() => ({ value: 1 })))
  }
  const { earlier } = await byBucket(told, { bucket: 'month', ...february })
  expect(earlier?.rows).toEqual([{ value: 31 }])
})

test('a period that ends on a day that the earlier month does not have is compared with all of that', async () => {
  const march = { from: '2026-03-01T00:00:00Z', to: '2026-03-31T00:00:00Z', compare: '1mo' }
  const { rows, earlier } = await byBucket(eachDay('2026-02-01', '2026-04-01'), { bucket: 'day', ...march })
  expect(rows.length).toBe(30)
  expect(earlier?.rows.filter(({ value }) => value === 1).length).toBe(28)
  expect(new Date(earlier?.toMs ?? 0).toISOString()).toBe('2026-03-01T00:00:00.000Z')
})

test('weeks are compared with weeks, and refused where months are asked for', async () => {
  const times = { from: '2026-02-02T00:00:00Z', to: '2026-02-16T00:00:00Z' }
  const told = eachDay('2026-01-01', '2026-03-01')
  await expect(byBucket(told, { bucket: 'week', compare: '1mo', ...times })).rejects.toThrow('"4w"')
  const { earlier } = await byBucket(told, { bucket: 'week', compare: '4w', ...times })
  expect(earlier?.rows).toEqual([{ value: 7 }, { value: 7 }])
})

const DAY_MS = 24 * HOUR_MS

test('of a period: what was answered, where people left, how long they took, and the period before with its weekdays', async () => {
  await using projected = await openProjected([field('plan', 'select'), field('n', 'number'), field('c', 'text')])
  await projected.tell([
    // Eleven days before the period: the period before is fourteen days earlier.
    { id: 'old', at: '2026-11-02T10:00:00Z', startedAt: '2026-11-02T09:00:00Z', data: { plan: 'A', n: 100, c: 'x' } },
    { id: 'in1', at: '2026-11-13T10:00:00Z', startedAt: '2026-11-13T09:59:00Z', data: { plan: 'B', n: 1, c: 'x' } },
    { id: 'in2', at: '2026-11-20T10:00:00Z', startedAt: '2026-11-20T09:57:00Z', data: { plan: 'B', n: 4 } },
    { id: 'late', at: '2026-11-24T10:00:00Z', startedAt: '2026-11-22T10:00:00Z', data: { plan: 'A', n: 9 } },
    { id: 'left', status: 'partial', startedAt: '2026-11-14T10:00:00Z', data: { plan: 'A' } },
    { id: 'gone', status: 'partial', startedAt: '2026-11-03T10:00:00Z', data: { plan: 'A', n: 5 } },
  ])
  const [fromMs, toMs] = [Date.parse('2026-11-13T00:00:00Z'), Date.parse('2026-11-23T00:00:00Z')]
  const query = { timezone: 'UTC', bucket: 'day' as const, fromMs, toMs }
  const all = await projected.metrics(query, toMs + DAY_MS * 2)
  const found = await projected.metrics({ ...query, isOfPeriod: true }, toMs + DAY_MS * 2)
  const previous = { fromMs: fromMs - 14 * DAY_MS, toMs: toMs - 14 * DAY_MS, completed: 1 }
  const period = { fromMs, toMs, completed: 2, previous, change: 1 }
  expect([all.period, found.period]).toEqual([period, period])
  // "late" was begun in the period and sent behind it.
  expect([all.completion, found.completion]).toMatchObject([
    { base: 'responses', started: 6, completed: 4 },
    { base: 'responses', started: 4, completed: 3, rate: 3 / 4 },
  ])
  expect([all.timeToComplete.medianS, found.timeToComplete.medianS]).toEqual([(180 + 3600) / 2, 120])
  const of = ({ fields }: typeof all) =>
    fields.map(({ key, answered, reached, left }) => [key, answered, reached, left])
  expect(of(all)).toEqual([
    ['plan', 4, 6, 0],
    ['n', 4, 6, 1],
    ['c', 2, 5, 1],
  ])
  expect(of(found)).toEqual([
    ['plan', 2, 4, 0],
    ['n', 2, 4, 1],
    ['c', 1, 3, 0],
  ])
  expect(
    found.fields.map(({ choices, numbers }) => choices?.map(({ value, count }) => [value, count]) ?? numbers?.sum),
  ).toEqual([[['B', 2]], 5, undefined])
})

test('a form that the snippet watches: completed of begun visits, and left of those who were in the field', async () => {
  await using projected = await openProjected([field('a', 'text'), field('b', 'text')])
  const form = { id: 'f', name: 'A form', version: 1, fields: [field('a', 'text'), field('b', 'text')] }
  let seq = 0
  const saw = (type: string, at: string, subject?: string, about = 'f'): LoggedEvent => ({
    seq: ++seq,
    id: `evt_${seq}`,
    type: `track.${type}`,
    v: 1,
    at,
    meta: {},
    data: { name: type, occurred_at: at, form_id: about, ...(subject === undefined ? {} : { subject }) },
  })
  const [first, second] = ['2026-11-26T10:00:00.000Z', '2026-11-27T10:00:00.000Z']
  const response: LoggedEvent = {
    seq: ++seq,
    id: 'evt_1',
    type: 'response.submitted',
    v: 1,
    at: second,
    form,
    data: { a: 'x' },
    response: { id: 'rsp_1', status: 'completed', startedAt: null, submittedAt: second },
  }
  await projected.hear([response])
  const toMs = Date.parse('2026-11-28T00:00:00Z')
  const query = { timezone: 'UTC', bucket: 'day' as const, fromMs: toMs - DAY_MS, toMs }
  expect((await projected.metrics(query, toMs)).completion).toMatchObject({ base: 'responses', started: 1, rate: 1 })
  // Seen four times, begun three times: sent, left at "a", left at "b" (which "a" has before it).
  const visit = (at: string, end: string, fields: readonly string[]): LoggedEvent[] => [
    saw('form_start', at),
    saw(end, at, fields.at(-1)),
    ...fields.map((key) => saw('form_field', at, key)),
  ]
  await projected.hear([
    ...Array.from({ length: 4 }, () => saw('form_view', first)),
    ...visit(second, 'form_submit', ['a', 'b']),
    ...visit(first, 'form_abandon', ['a']),
    ...visit(second, 'form_abandon', ['a', 'b', 'nothing of the form']),
    saw('form_start', first, undefined, 'another'),
  ])
  const { totals, completion, fields } = await projected.metrics(query, toMs)
  expect(totals).toMatchObject({ started: 1, completed: 1, completionRate: 1 })
  const visits = { sinceMs: Date.parse(first), views: 4, started: 3, completed: 1, abandoned: 2, rate: 1 / 3 }
  expect(completion).toEqual({ base: 'snippet', ...visits, snippet: visits })
  expect(fields.map(({ key, reached, left, dropOff }) => [key, reached, left, dropOff])).toEqual([
    ['a', 3, 1, 1 / 3],
    ['b', 2, 0, 0],
  ])
  const day = await projected.metrics({ ...query, isOfPeriod: true }, toMs)
  expect(day.completion).toMatchObject({ base: 'snippet', views: 0, started: 2, completed: 1, abandoned: 1, rate: 0.5 })
  // What the hub keeps no longer is not counted any more, and what was kept before is not told again.
  const expired: LoggedEvent = {
    seq: ++seq,
    id: 'evt_x',
    type: 'events.expired',
    v: 1,
    at: second,
    data: { before: second },
  }
  await projected.hear([expired])
  expect((await projected.metrics(query, toMs)).completion).toMatchObject({ base: 'snippet', started: 2, completed: 1 })
})

test('what strangers tell of a form, or one page of many, overwrites nothing that responses say', async () => {
  await using projected = await openProjected([field('a', 'text')])
  const at = (minute: number): string => `2026-11-27T10:${String(minute).padStart(2, '0')}:00.000Z`
  const answer = (n: number) => ({ id: `rsp_${n}`, at: at(n), data: { a: 'x' } })
  await projected.tell(Array.from({ length: 10 }, (_, n) => answer(n)))
  const toMs = Date.parse('2026-11-28T00:00:00Z')
  const query = { timezone: 'UTC', bucket: 'day' as const, fromMs: toMs - DAY_MS, toMs }
  const saw = (type: string, minute: number): Promise<void> => {
    const seq = projected.projection.applied() + 1
    const data = { name: type, occurred_at: at(minute), form_id: 'f' }
    return projected.hear([{ seq, id: `evt_${seq}`, type: `track.${type}`, v: 1, at: at(minute), meta: {}, data }])
  }
  const found = async () => {
    const { totals, completion, fields } = await projected.metrics(query, toMs)
    const { base, rate, snippet } = completion
    return [totals.completionRate, base, rate, fields[0]?.reached, snippet?.started, snippet?.completed]
  }
  await saw('form_start', 20)
  expect(await found()).toEqual([1, 'responses', 1, 10, 1, 0])
  // Sent, and refused by the hub: nothing was completed.
  await saw('form_submit', 21)
  expect(await found()).toEqual([1, 'responses', 1, 10, 1, 0])
  // Two came otherwise, one by the page.
  await projected.tell([answer(30), answer(31), answer(32)])
  expect(await found()).toEqual([1, 'responses', 1, 13, 1, 1])
  // Most came by the page.
  for (const type of ['form_start', 'form_submit']) await saw(type, 33)
  expect(await found()).toEqual([1, 'snippet', 1, 0, 2, 2])
})
