/** Charts without a hub: what is written beside a drawing, and what of many is drawn. */
import { expect, test } from 'vitest'
import { COLOURS, trend } from '../../core/dashboard/charts/draw.ts'
import { paint } from '../../core/dashboard/charts/paint.ts'
import { resultChart } from '../../core/dashboard/screens/analytics/result.ts'
import { retentionCharts } from '../../core/dashboard/screens/analytics/retention.ts'
import { annotationList } from '../../core/dashboard/screens/analytics/notes.ts'
import { seriesChart } from '../../core/dashboard/screens/analytics/series.ts'
import type { Html } from '../../core/html.ts'

const textOf = (part: unknown): string =>
  (part as Html).text
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()

test('notes on the time line are numbers in the drawing and whole words below it', () => {
  const points = ['2026-11-10', '2026-11-11', '2026-11-12'].map((at) => ({ at, count: 1 }))
  const note = (at: string, text: string) => ({ id: text, form_id: null, until: null, at: `${at}T00:00:00.000Z`, text })
  const long = `A campaign ${'that goes on and on '.repeat(8)}<end>`
  const annotations = [note('2026-11-12', long), note('2026-11-10', 'First'), note('2026-11-12', 'Third')]
  const { drawings, more } = seriesChart({ series: { bucket: 'day', points }, annotations, timezone: 'UTC' })
  const marks = drawings.map(
    ({ option }) => (option.series as readonly { markLine: { data: unknown } }[])[0]?.markLine.data,
  )
  const numbered = [
    { xAxis: 0, label: { formatter: '1' } },
    { xAxis: 2, label: { formatter: '2–3' } },
  ]
  expect(marks).toEqual([numbered, numbered])
  expect(textOf(more)).toBe(`10 Nov First 12 Nov ${long.replace('<end>', '&lt;end&gt;')} 12 Nov Third`)
})

test('lines differ in more than their colours', async () => {
  const series = Array.from({ length: COLOURS }, (_, n) => ({ name: `line ${n}`, values: [n, n + 1] }))
  for (const svg of await paint(trend({ labels: ['1 Nov', '2 Nov'], series }))) {
    const lines = [...svg.matchAll(/<path [^>]*stroke="var\(--chart-\d\)"[^>]*>/g)].map(([line]) => line)
    const dashes = lines.map((line) => /stroke-dasharray="([\d, ]+)"/.exec(line)?.[1] ?? 'none')
    expect([lines.length, new Set(dashes).size]).toEqual([COLOURS, COLOURS])
  }
})

test('words stand at the day of the zone that they are about', () => {
  const points = ['2026-11-10', '2026-11-11', '2026-11-12'].map((at) => ({ at, count: 1 }))
  const note = { id: 'a', form_id: null, until: null, text: 'Campaign' }
  const placeOf = (at: string, timezone: string): unknown => {
    const {
      drawings: [wide],
    } = seriesChart({ series: { bucket: 'day', points }, annotations: [{ ...note, at }], timezone })
    const all = wide?.option.series as { readonly markLine: { readonly data: readonly { xAxis: number }[] } }[]
    return all[0]?.markLine.data[0]?.xAxis
  }
  expect(placeOf('2026-11-12T00:00:00.000Z', 'UTC')).toBe(2)
  expect(placeOf('2026-11-11T23:30:00.000Z', 'UTC')).toBe(1)
  expect(placeOf('2026-11-11T23:30:00.000Z', 'Europe/Berlin')).toBe(2)
  expect(placeOf('2026-01-01T00:00:00.000Z', 'UTC')).toBe(0)
})

test("hours and words on the time line are on the clock of the page's zone", () => {
  const points = ['2026-11-28T03:00:00.000Z', '2026-11-28T04:00:00.000Z'].map((at, count) => ({ at, count }))
  const annotations = [{ id: 'a', form_id: null, at: '2026-11-28T04:00:00.000Z', until: null, text: 'Campaign' }]
  const told = { series: { bucket: 'hour', points }, annotations, timezone: 'Europe/Berlin' }
  const { sentence, columns, rows, more } = seriesChart(told)
  expect(rows.map(([at]) => columns[0]?.show?.(at ?? null))).toEqual(['28 Nov 04:00', '28 Nov 05:00'])
  expect([sentence.slice(-13), textOf(more)]).toEqual(['28 Nov 05:00.', '28 Nov 05:00 Campaign'])
  const notes = (at: string) => {
    const dated = annotations.map((note) => ({ ...note, at }))
    return textOf(annotationList({ may: () => false } as never, { ...told, annotations: dated, form_id: 'x' } as never))
  }
  expect(notes('2025-11-27T23:00:00.000Z')).toMatch(/When \(Europe\/Berlin\) .* 28 Nov 2025 /)
  expect(notes('2025-07-01T21:00:00.000Z')).toContain('1 Jul 2025')
})

test('two choices are bars under whole names, with what each is worth; what is not drawn is said', () => {
  const name = (n: number) => `A choice that has a very long name, and one that differs only in its end: ${n}`
  const rows = Array.from({ length: 15 }, (_, n) => [
    [name(n), 'yes', n],
    [name(n), 'no', 2 * n],
  ]).flat()
  const { more, legend } = resultChart({ columns: ['a', 'b', 'n'], rows, bucket: null, isCount: true }, 2, 'T')
  expect(legend).toEqual(['no', 'yes'])
  expect(textOf(more)).toContain(`${name(11)} no: 22 yes: 11`)
  expect(textOf(more)).toMatch(/The first 12 of 15 are drawn; all are among the numbers\.$/)
  expect((more as Html).text).toContain('<rect width="50" ')
  const one = resultChart(
    { columns: ['a', 'n'], rows: rows.map(([a, _b, n]) => [a ?? null, n ?? null]), bucket: null, isCount: true },
    1,
    'T',
  )
  expect(textOf(one.more)).toContain(`${name(14)} 28`)
})

test('cohorts are shown from the first that had somebody on, as far as time has gone; the table has all', () => {
  const none = [null, null, null]
  const empty = { cohort: '2026-11-01', visitors: 0, returned: none, share: none }
  const begun = { cohort: '2026-11-02', visitors: 4, returned: [4, 1, null], share: [1, 0.25, null] }
  const [cohorts, ...others] = retentionCharts({ period: 'day', cohorts: [empty, begun], average: none })
  expect(others).toEqual([])
  expect(cohorts?.rows).toHaveLength(2)
  expect(textOf(cohorts?.more)).toBe('day, visitors same day day 1 2 Nov · 4 100 % 25 % 0 % 100 %')
})
