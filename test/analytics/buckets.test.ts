/** Times in buckets: those of answers are on the zone's clock, too, and what somebody made up makes no question dearer. */
import { expect, test } from 'vitest'
import type { FieldInfo } from '../../core/contract/index.ts'
import { heatmap } from '../../plugins/analytics/behaviour/usage.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import type { Answer } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import { cutsOf, offsetMs } from '../../plugins/analytics/query/zone.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { ask as askBehaviour, tellEvents } from '../support/tracked.ts'

const ZONE = 'Europe/Berlin'
const OLD = '0001-01-01T00:00:00.000Z'
const field = (key: string, type: FieldInfo['type']): FieldInfo => ({
  key,
  label: key,
  type,
  required: false,
  pii: false,
})

async function ask({ readers, projection }: Projected, group: object, more: object = {}): Promise<Answer> {
  const question = readQuestion(JSON.stringify({ form_id: 'f', aggregate: 'count', group_by: group, ...more }))
  const source = formSource(projection.form('f')!, projection.applied())
  return openAsker(readers, { timezone: ZONE }).ask(question, source, { access: WIDE, signal: NEVER })
}

test('answers that are moments are on the clock of the zone, also in the hour that it has twice; dates are as they were written', async () => {
  await using projected = await openProjected([field('meet', 'datetime'), field('day', 'date')])
  const meets = ['2026-10-24T22:30', '2026-10-25T00:30', '2026-10-25T01:30', '2026-12-31T23:30', '2026-07-01T21:59']
  await projected.tell([
    ...meets.map((at, n) => ({ id: `rsp_${n}`, data: { meet: `${at}:00.000Z`, day: at.slice(0, 10) } })),
    { id: 'rsp_none', data: {} },
  ])
  const counted = async (fieldName: string, bucket: string): Promise<unknown> =>
    Object.fromEntries(
      (await ask(projected, { field: fieldName, bucket, as: 'at' })).rows.map(({ at, value }) => [at, value]),
    )
  expect(await counted('meet', 'hour')).toEqual({
    '2026-07-01T23:00': 1,
    '2026-10-25T00:00': 1,
    '2026-10-25T02:00': 1,
    '2026-10-25T02:00+01:00': 1,
    '2027-01-01T00:00': 1,
    null: 1,
  })
  expect(await counted('meet', 'day')).toEqual({ '2026-07-01': 1, '2026-10-25': 3, '2027-01-01': 1, null: 1 })
  expect(await counted('meet', 'year')).toEqual({ '2026': 4, '2027': 1, null: 1 })
  expect(await counted('day', 'day')).toEqual({
    '2026-07-01': 1,
    '2026-10-24': 1,
    '2026-10-25': 2,
    '2026-12-31': 1,
    null: 1,
  })
  const two = await ask(projected, [
    { field: 'meet', bucket: 'month', as: 'month' },
    { field: 'meet', bucket: 'quarter', as: 'quarter' },
  ])
  expect(two.rows).toContainEqual({ month: '2027-01', quarter: '2027-01', value: 1 })
})

test('one response from long ago leaves questions about other times what they are, and a period needs its own offsets alone', async () => {
  const at = '2026-11-27T12:00:00.000Z'
  const submitted = { field: 'response.submitted_at', bucket: 'day' }
  const sqlOf = async (startedAt: string, more: object = {}): Promise<string> => {
    await using projected = await openProjected([field('n', 'number')])
    await projected.tell([
      { id: 'rsp_1', at: '2020-02-01T12:00:00.000Z', data: {} },
      { id: 'rsp_2', at, startedAt, data: {} },
    ])
    return (await ask(projected, submitted, more)).statement.sql
  }
  const cases = (sql: string): number => sql.split('CASE').length - 1
  const usual = await sqlOf(at)
  // Two changes a year.
  expect(cases(usual)).toBe(2 * 14)
  expect(await sqlOf(OLD)).toBe(usual)
  expect(cases(await sqlOf(at, { from: '2026-11-01T12:00:00Z', to: '2026-12-01T00:00:00Z' }))).toBe(0)
  const compared = await sqlOf(at, { from: '2026-11-01T12:00:00Z', to: '2026-12-01T00:00:00Z', compare: '4w' })
  // Only the weeks before have a change of the clock, which stands where they are named and where they are grouped.
  expect(cases(compared)).toBe(2)
})

test('times that were made up have an offset, and there is an end to how many', async () => {
  const [from, to] = [Date.parse(OLD), Date.parse('9999-12-31T00:00:00Z')]
  // Local mean time: 53 minutes and 28 seconds.
  expect(offsetMs(ZONE, from)).toBe((53 * 60 + 28) * 1_000)
  expect(offsetMs(ZONE, to)).toBe(3_600_000)
  expect(cutsOf(ZONE, from, to).length).toBeLessThan(400)
  expect(cutsOf(ZONE, Date.parse('2026-01-01'), Date.parse('2026-12-31')).slice(1)).toEqual([
    { fromMs: Date.parse('2026-03-29T01:00:00Z'), offsetMs: 7_200_000 },
    { fromMs: Date.parse('2026-10-25T01:00:00Z'), offsetMs: 3_600_000 },
  ])
  await using projected = await openProjected([])
  await tellEvents(
    projected,
    [OLD, '2026-10-25T00:30:00Z', '2026-10-25T01:30:00Z'].map((at) => ({ visitor: 'ada', at })),
  )
  const { events } = await askBehaviour(projected, heatmap, { timezone: ZONE, from: '2026-01-01T00:00:00Z' })
  expect([events[6][2], events.flat().reduce((sum: number, each: number) => sum + each)]).toEqual([2, 2])
})
