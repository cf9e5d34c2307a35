/** Completed responses over time, with what somebody wrote on the time line. */
import { html } from '../../../html.ts'
import type { Chart } from '../../charts/chart.ts'
import { trend } from '../../charts/draw.ts'
import type { Mark } from '../../charts/draw.ts'
import { wallClock } from '../../parts/period.ts'
import { counted, number } from '../../parts/time.ts'
import type { Annotation, FormMetrics } from './wire.ts'

type Told = Pick<FormMetrics, 'series' | 'annotations' | 'timezone'>

export function seriesChart({ series: { bucket, points }, annotations, timezone }: Told): Chart {
  const wall = wallClock(timezone)
  // Days and longer are of the zone's calendar as they are.
  const show = (at: string): string => shortPoint(at.length <= DAY_CHARS ? at : wall(at))
  const notes = annotations
    .map((note) => ({ at: placeOf(note, points, wall), text: note.text }))
    .toSorted((a, b) => a.at - b.at)
  return {
    id: 'series',
    isSection: true,
    title: `Completed, by ${bucket}`,
    sentence: sentence(bucket, points, show),
    columns: [{ label: bucket, show: (at) => show(String(at)) }, { label: 'completed' }],
    rows: points.map(({ at, count }) => [at, count]),
    drawings: trend({
      labels: points.map(({ at }) => show(at)),
      series: [{ name: 'completed', values: points.map(({ count }) => count) }],
      marks: marksOf(notes),
    }),
    ...(notes.length === 0
      ? {}
      : {
          more: html`<ol class="marks">${notes.map(({ at, text }) => html`<li><span class="soft">${show(points[at]?.at ?? '')}</span> ${text}</li>`)}</ol>`,
        }),
  }
}

/** Numbers as the list below has them; notes of one place share one, such as `2–4`. */
function marksOf(notes: readonly { readonly at: number }[]): readonly Mark[] {
  const places = Map.groupBy([...notes.keys()], (n) => notes[n]?.at ?? 0)
  return [...places].map(([at, of]) => {
    const [first = 0, last = first] = [of[0], of.at(-1)]
    return { at, number: first === last ? `${first + 1}` : `${first + 1}–${last + 1}` }
  })
}

type Points = FormMetrics['series']['points']

function sentence(bucket: string, points: Points, show: (at: string) => string): string {
  const total = points.reduce((sum, { count }) => sum + count, 0)
  if (total === 0) return 'Nothing was completed in this period.'
  const most = points.reduce((best, point) => (point.count > best.count ? point : best))
  const average = Math.round((total / points.length) * 10) / 10
  return `${counted(total, 'response', 'responses')} completed, ${number(average)} a ${bucket} on average, the most (${number(most.count)}) on ${show(most.at)}.`
}

/** The last point that begins no later. Days and longer are of the zone's calendar, shorter ones are moments. */
function placeOf({ at }: Annotation, points: Points, wall: (at: string) => string): number {
  const [ms, shown] = [Date.parse(at), wall(at)]
  const isBegun = (point: string): boolean =>
    point.length <= DAY_CHARS ? point <= shown.slice(0, point.length) : Date.parse(point) <= ms
  return Math.max(
    0,
    points.findLastIndex((point) => isBegun(point.at)),
  )
}

/** `2026-05-31` */
const DAY_CHARS = 10

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `2026-05-31` as `31 May`, `2026-05` as `May 2026`, a moment with its clock. */
export function shortPoint(at: string): string {
  const [, year = '', month = '', day, clock] = /^(\d{4})-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d))?)?/.exec(at) ?? []
  const name = MONTHS[Number(month) - 1]
  if (name === undefined) return at
  if (day === undefined) return `${name} ${year}`
  return clock === undefined ? `${Number(day)} ${name}` : `${Number(day)} ${name} ${clock}`
}
