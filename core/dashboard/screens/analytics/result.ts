/** Rows of an answer as a chart: over time, by a choice, or by both. */
import { shown } from '../../charts/chart.ts'
import type { Cell, Chart } from '../../charts/chart.ts'
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { bars, drawnOf, groupedBars } from '../../charts/bars.ts'
import { COLOURS, trend } from '../../charts/draw.ts'
import type { Drawing, Series } from '../../charts/draw.ts'
import { counted, number } from '../../parts/time.ts'
import { shortPoint } from './series.ts'

export interface Result {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Cell[])[]
  /** Of the first column, where it is a time. */
  readonly bucket: string | null
  /** Numbers that are counts are 0 where there is no row. */
  readonly isCount: boolean
}

const BARS_MAX = 30
const COLUMNS_MAX = 12
const POINTS_MAX = 2_000

/** `groups`: how many columns stand before the number, at most two. */
export function resultChart(result: Result, groups: number, title: string): Chart {
  const { columns, rows } = result
  const { drawings = [], more, legend } = drawn(result, groups)
  return {
    id: 'answer',
    isSection: true,
    title,
    sentence: sentence(result, groups),
    columns: columns.map((label) => ({ label })),
    rows,
    drawings,
    ...(more === undefined ? {} : { more }),
    ...(legend === undefined ? {} : { legend }),
  }
}

function sentence({ rows, columns }: Result, groups: number): string {
  if (rows.length === 0) return 'Nothing is like that: take a longer time, or fewer conditions.'
  const value = (row: readonly Cell[]): number => Number(row[groups] ?? Number.NEGATIVE_INFINITY)
  const best = rows.reduce((most, row) => (value(row) > value(most) ? row : most))
  if (groups === 0) return `${columns[0] ?? ''}: ${shown(rows[0]?.[0] ?? null)}.`
  return `${counted(rows.length, 'line', 'lines')}; the most is ${shown(best[groups] ?? null)}, for ${best.slice(0, groups).map(quoted).join(', ')}.`
}

const nameOf = (cell: Cell): string => (cell === null ? '(none)' : String(cell))

/** In a sentence: a name may end in a full stop of its own. */
const quoted = (cell: Cell): string => (cell === null ? '(none)' : `“${String(cell)}”`)

interface Drawn {
  readonly drawings?: readonly Drawing[]
  readonly more?: Html
  readonly legend?: readonly string[]
}

function drawn(result: Result, groups: number): Drawn {
  const { rows, bucket } = result
  if (groups === 0 || rows.length === 0 || rows.some((row) => typeof row[groups] === 'string')) return {}
  if (groups === 1 && bucket === null) return { more: byChoice(rows) }
  const places = placesOf(result)
  const names = groups === 1 ? [] : largest(rows)
  const series = (groups === 1 ? [null] : names).map((name) => ({
    name: name ?? '',
    values: places.map((place) => valueAt(result, { place, name, at: groups })),
  }))
  if (bucket === null) return { more: byTwo(result, series), legend: names }
  const drawings = trend({ labels: places.map(shortPoint), series })
  return groups === 1 ? { drawings } : { drawings, legend: names }
}

/** The second choice as bars under each of the first. */
function byTwo(result: Result, series: readonly Series[]): Html {
  const places = placesOf(result)
  const groups = places.map((label, at) => ({
    label,
    values: series.map(({ values }) => ({ value: values[at] ?? 0, note: shown(values[at] ?? null) })),
  }))
  const all = new Set(result.rows.map((row) => nameOf(row[0] ?? null))).size
  return html`${groupedBars(
    series.map(({ name }) => name),
    groups,
  )}${drawnOf(places.length, all)}`
}

function byChoice(rows: Result['rows']): Html {
  const first = rows.slice(0, BARS_MAX).map((row) => ({
    label: nameOf(row[0] ?? null),
    value: Number(row[1] ?? 0),
    note: shown(row[1] ?? null),
  }))
  return html`${bars(first, Math.max(...first.map(({ value }) => value)))}${drawnOf(first.length, rows.length)}`
}

/** Along the axis: every bucket from the first to the last, or the first choices. */
function placesOf({ rows, bucket }: Result): readonly string[] {
  const found = [...new Set(rows.map((row) => nameOf(row[0] ?? null)))]
  return bucket === null ? found.slice(0, COLUMNS_MAX) : withoutGaps(found.toSorted(), bucket)
}

function valueAt(
  { rows, isCount }: Result,
  { place, name, at }: { readonly place: string; readonly name: string | null; readonly at: number },
): number | null {
  const row = rows.find(
    (each) => nameOf(each[0] ?? null) === place && (name === null || nameOf(each[1] ?? null) === name),
  )
  const value = row?.[at]
  if (typeof value === 'number') return value
  return isCount ? 0 : null
}

/** As many of the second column as there are colours. */
function largest(rows: Result['rows']): readonly string[] {
  const sums = new Map<string, number>()
  for (const [, name = null, value = 0] of rows) sums.set(nameOf(name), (sums.get(nameOf(name)) ?? 0) + Number(value))
  return [...sums]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, COLOURS)
    .map(([name]) => name)
}

const DAY_MS = 86_400_000
const STEPS_MS: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: DAY_MS, week: 7 * DAY_MS }
const STEPS_MONTHS: Readonly<Record<string, number>> = { month: 1, quarter: 3, year: 12 }

/** Where nothing happened there is no row, but a place on the axis. */
function withoutGaps(found: readonly string[], bucket: string): readonly string[] {
  const known = found.filter((at) => /^\d{4}/.test(at))
  const [first, last] = [known[0], known.at(-1)]
  if (first === undefined || last === undefined) return known
  const all: string[] = []
  for (let at = first; at <= last && all.length < POINTS_MAX; at = next(at, bucket)) all.push(at)
  return all
}

/** The name of the bucket behind it, as long as its own. */
function next(at: string, bucket: string): string {
  const date = new Date(
    at.length === 4 ? `${at}-01-01` : at.length === 7 ? `${at}-01` : at.length === 10 ? at : `${at}Z`,
  )
  const months = STEPS_MONTHS[bucket]
  if (months === undefined) date.setTime(date.getTime() + (STEPS_MS[bucket] ?? DAY_MS))
  else date.setUTCMonth(date.getUTCMonth() + months)
  return date.toISOString().slice(0, at.length)
}

/** What is behind the limit is not there, and somebody has to say so. */
export const isCut = (rows: number, more: boolean): string | null =>
  more ? `There are more than these ${number(rows)} lines; narrow the question down.` : null
