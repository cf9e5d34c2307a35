/** Sums and means of numbers: the same from counts and from rows, to the last digit, and never none. */
import { expect, test } from 'vitest'
import type { FieldInfo } from '../../core/contract/index.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { formSource } from '../../plugins/analytics/query/source.ts'
import type { NumberSummary } from '../../plugins/analytics/metrics/fields.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'

const N: FieldInfo = { key: 'n', label: 'n', type: 'number', required: false, pii: false }
const NOW_MS = Date.parse('2026-11-28T00:00:00Z')
const QUERY = {
  timezone: 'UTC',
  bucket: 'day',
  fromMs: Date.parse('2026-11-01T00:00:00Z'),
  toMs: Date.parse('2026-11-29T00:00:00Z'),
} as const

/** From counts, from rows, and from rows of a period: all the same, or it throws. */
async function summaryOf(p: Projected, numbers: readonly number[]): Promise<NumberSummary | undefined> {
  const before = p.projection.applied()
  await p.tell(numbers.map((n, place) => ({ id: `r${before + place}`, data: { n } })))
  const all = await p.metrics(QUERY, NOW_MS)
  const { fields } = await p.metrics({ ...QUERY, isOfPeriod: true }, NOW_MS)
  expect(fields[0]?.numbers).toEqual(all.fields[0]?.numbers)
  return all.fields[0]?.numbers
}

test.each([
  ['that rounding at each step would lose', [0.1, 0.2, -0.3], { sum: 2 ** -55, average: 2 ** -55 / 3 }],
  ['that large ones would hide', [1e16, 1, -1e16], { sum: 1, average: 1 / 3 }],
  ['too small to be seen beside others', [1e-300, 1, -1], { sum: 1e-300, average: 1e-300 / 3 }],
])('of numbers %s', async (_what, numbers, expected) => {
  await using p = await openProjected([N])
  expect(await summaryOf(p, numbers)).toMatchObject(expected)
})

test('of any numbers, in any order, as they come and go', async () => {
  await using p = await openProjected([N])
  const { next, seed } = seeded(process.env['MANIFOLD_SUMS_SEED'])
  for (let round = 0; round < 20; round += 1) {
    const wild = (): number => (next() - 0.5) * 10 ** Math.floor(next() * 40 - 20)
    const numbers = Array.from({ length: 1 + Math.floor(next() * 120) }, wild)
    const told = await summaryOf(p, [...numbers, ...numbers.filter(() => next() < 0.5).map((n) => -n)])
    expect([seed, Number.isFinite(told?.sum), Number.isFinite(told?.average)]).toEqual([seed, true, true])
  }
})

test('of numbers near the end of what a number can be, which the log has from when they were taken', async () => {
  await using p = await openProjected([N])
  const told = await summaryOf(p, [1.7e308, 1.7e308, 1.7e308, -1.7e308, 5])
  expect(told).toEqual({
    sum: 2 ** 991,
    average: 2 ** 991 / 5,
    min: -(2 ** 990),
    max: 2 ** 990,
    median: 2 ** 990,
  })
  const form = p.projection.form('f')
  if (form === undefined) throw new Error('nothing was told')
  const fns = ['sum', 'avg', 'min', 'max', 'median'] as const
  const aggregates = Object.fromEntries(fns.map((fn) => [fn, { fn, field: 'n' }]))
  const question = readQuestion(JSON.stringify({ form_id: 'f', aggregates, group_by: [] }))
  const { rows } = await openAsker(p.readers, { timezone: 'UTC' }).ask(question, formSource(form, 0), {
    access: WIDE,
    signal: NEVER,
  })
  expect(rows).toEqual([{ sum: told?.sum, avg: told?.average, min: told?.min, max: told?.max, median: told?.median }])
})
