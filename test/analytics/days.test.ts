/** Days in the place of moments: where they begin and end on clocks that are put forward and back, by the API and by its pages. */
import { expect, test } from 'vitest'
import { periodOf, timeOf } from '../../core/dashboard/parts/period.ts'
import { withMoments } from '../../plugins/analytics/query/times.ts'
import { openProjected } from '../support/projected.ts'

const HOUR_MS = 3_600_000
const spanOf = (day: string, zone: string): { from: string; to: string } =>
  withMoments({ from: day, to: day }, zone) as { from: string; to: string }

test.each([
  ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00.000Z', 23],
  ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00.000Z', 25],
  ['Pacific/Auckland', '2026-04-05', '2026-04-04T11:00:00.000Z', 25],
  ['America/New_York', '2026-03-08', '2026-03-08T05:00:00.000Z', 23],
  // Midnight is leapt over; is there twice; and the clock goes back over it.
  ['Africa/Cairo', '2026-04-24', '2026-04-23T22:00:00.000Z', 23],
  ['America/Havana', '2026-11-01', '2026-11-01T04:00:00.000Z', 25],
  ['America/Sao_Paulo', '2018-02-17', '2018-02-17T02:00:00.000Z', 25],
  ['Australia/Lord_Howe', '2026-04-05', '2026-04-04T13:00:00.000Z', 24.5],
  ['Asia/Kolkata', '2026-12-31', '2026-12-30T18:30:00.000Z', 24],
])('%s %s', (zone, day, from, hours) => {
  const span = spanOf(day, zone)
  expect([span.from, (Date.parse(span.to) - Date.parse(span.from)) / HOUR_MS]).toEqual([from, hours])
  // The day after begins where it ends.
  const next = new Date(Date.parse(`${day}T00:00Z`) + 24 * HOUR_MS).toISOString().slice(0, 10)
  expect(spanOf(next, zone).from).toBe(span.to)
  const sides = ['from', 'to'] as const
  expect(sides.map((side) => new Date(timeOf(day, zone, side) ?? NaN).toISOString())).toEqual([span.from, span.to])
})

test('what is a moment already, or no day, stays as it is; a zone of the question goes before the other', () => {
  const given = { from: '2026-03-29T00:00:00+02:00', to: '2026-02-30', other: '2026-03-29' }
  expect(withMoments(given, 'Europe/Berlin')).toEqual(given)
  expect(withMoments({ to: '2026-03-29', timezone: 'UTC' }, 'Europe/Berlin')).toMatchObject({
    to: '2026-03-30T00:00:00.000Z',
  })
  expect(withMoments({ to: '2026-03-29', timezone: 'Nowhere' }, 'Europe/Berlin')).toMatchObject({
    to: '2026-03-29T22:00:00.000Z',
  })
  expect([withMoments('2026-03-29', 'UTC'), withMoments(null, 'UTC')]).toEqual(['2026-03-29', null])
})

test('the weekday before is all there while the clock goes back: its first hour and its last', async () => {
  await using p = await openProjected([])
  await p.tell(['2026-10-17T22:30:00Z', '2026-10-18T10:00:00Z', '2026-10-18T21:50:00Z'].map((at) => ({ id: at, at })))
  const period = { fromMs: Date.parse('2026-10-01T00:00:00Z'), toMs: Date.parse('2026-10-27T00:00:00Z') }
  const weekBefore = async (now: string): Promise<number> =>
    (await p.metrics({ timezone: 'Europe/Berlin', bucket: 'day', ...period }, Date.parse(now))).today.weekBefore
  expect(await Promise.all(['2026-10-24T23:00:00Z', '2026-10-25T21:30:00Z'].map(weekBefore))).toEqual([1, 2])
  expect(await Promise.all(['2026-10-25T22:40:00Z', '2026-10-25T22:55:00Z'].map(weekBefore))).toEqual([2, 3])
})

test("a page's period of days is the API's", () => {
  const query = (name: string) => ({ from: '2026-03-01', to: '2026-03-31' })[name]
  const { from, to } = periodOf({ query } as never, 'Europe/Berlin', Date.UTC(2026, 6, 1))
  expect({ from, to }).toEqual(withMoments({ from: '2026-03-01', to: '2026-03-31' }, 'Europe/Berlin'))
})

test('what nobody can read goes to the API as it is, and so does a beginning behind the end: it is not another period', () => {
  const asked = (from: string, to: string) => {
    const query = (name: string) => ({ from, to })[name]
    const period = periodOf({ query } as never, 'UTC', Date.UTC(2026, 6, 1))
    return [period.from, period.to]
  }
  expect(asked('28/11/2026', '2026-11-30')).toEqual(['28/11/2026', '2026-12-01T00:00:00.000Z'])
  expect(asked('2026-11-01', '28.11.2026')).toEqual(['2026-11-01T00:00:00.000Z', '28.11.2026'])
  expect(asked('2026-11-30', '2026-11-01')).toEqual(['2026-11-30T00:00:00.000Z', '2026-11-02T00:00:00.000Z'])
})
