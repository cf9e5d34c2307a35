/** What a link for others shows in a browser: the numbers that the link answers with, as a page that needs no key. */
import { html } from '../html.ts'
import type { Html } from '../html.ts'
import { percent, withCharts } from './charts/chart.ts'
import { readCookies } from './cookies.ts'
import { pageAnswer } from './layout.ts'
import { figures } from './parts/facts.ts'
import { number, shortTime, span } from './parts/time.ts'
import { incomplete } from './screens/analytics/asking.ts'
import { dropOffChart, fieldCharts, fieldSections } from './screens/analytics/fields.ts'
import { rateNote } from './screens/analytics/headline.ts'
import type { Saved } from './screens/analytics/keeping.ts'
import { pictureOf } from './screens/analytics/picture.ts'
import { seriesChart } from './screens/analytics/series.ts'
import type { FormMetrics } from './screens/analytics/wire.ts'
import type { View } from './visit.ts'

/** As the link answers it: notes on the time line are for those who work with it. */
interface Shared extends Omit<FormMetrics, 'annotations'> {
  readonly form_name: string
  readonly expires_at: string | null
}

export interface SharedKnock {
  readonly url: string
  readonly requestId: string
  readonly cookie: string | undefined
}

/** The link's answer, for people. */
export async function sharedPage(answer: Response, { url, requestId, cookie }: SharedKnock): Promise<Response> {
  const { theme } = readCookies(cookie)
  const page = (view: View): Response => pageAnswer({ visit: null, theme, nav: '', view, requestId })
  if (answer.status !== 200) return page(notNow(answer.status))
  const told = (await answer.json()) as Shared | SharedQuestion
  if ('kind' in told) return ofQuestion(told, { url, requestId, page })
  const metrics = told
  const asked = new URL(url, 'http://hub')
  const asking = { url: asked, requestId, query: (name: string) => asked.searchParams.get(name) || undefined }
  const { fields, completion } = metrics
  const charts = [
    seriesChart({ ...metrics, annotations: [] }),
    ...fieldCharts(fields),
    ...dropOffChart(fields, completion),
  ]
  const made = await withCharts(asking, charts, (drawn) => ({ view: viewOf(metrics, drawn) }))
  return 'response' in made ? made.response : page('view' in made ? made.view : notNow(500))
}

interface SharedQuestion {
  readonly kind: Saved['kind']
  readonly name: string
  readonly note: string
  readonly view: Readonly<Record<string, string>>
  readonly expires_at: string | null
  readonly answer: unknown
  /** There are more rows than these. */
  readonly next_offset: number | null
  readonly complete_from: string | null
}

/** A saved question, with its answer as of now. */
async function ofQuestion(
  { kind, name, note, view, expires_at: until, answer, ...told }: SharedQuestion,
  { url, requestId, page }: { url: string; requestId: string; page: (view: View) => Response },
): Promise<Response> {
  const asked = new URL(url, 'http://hub')
  const query = (part: string): string | undefined => view[part] || undefined
  const asking = {
    url: asked,
    requestId,
    query: (part: string) => (part === 'csv' ? asked.searchParams.get(part) || undefined : query(part)),
  }
  const { charts, above = null } = pictureOf({ kind, name, view }, answer)
  const made = await withCharts(asking, charts, (drawn) => ({
    view: {
      title: name,
      isWide: true,
      body: html`${note === '' ? null : html`<p class="lines">${note}</p>`}${incomplete(told.complete_from)}<div class="below">${above}</div>
${[...drawn.values()].map((figure) => html`<div class="below">${figure}</div>`)}${told.next_offset === null ? null : html`<p class="soft below">These are the first ${number(told.next_offset)} lines; there are more.</p>`}
${foot(until)}`,
    },
  }))
  return 'response' in made ? made.response : page('view' in made ? made.view : notNow(500))
}

const foot = (until: string | null, timezone = 'UTC'): Html =>
  html`<footer><p>${until === null ? 'This link does not end by itself.' : `This link is good until ${shortTime(until, Date.now())} UTC.`} Times are ${timezone}.</p></footer>`

const notNow = (status: number): View => ({
  title: status === 404 ? 'This link shows nothing' : 'Not at the moment',
  status,
  body:
    status === 404
      ? html`<p>It is mistyped, was ended, or its time is over. Ask whoever sent it for a new one.</p>`
      : html`<p>The numbers cannot be told right now. Try again in a minute.</p>`,
})

function viewOf(metrics: Shared, drawn: ReadonlyMap<string, Html>): View {
  const { form_name: title, totals, completion, today, time_to_complete: took, expires_at: until } = metrics
  return {
    title,
    isWide: true,
    body: html`${figures([
      {
        label: 'Completed',
        value: number(totals.completed),
        note: `${number(totals.partial)} more begun and not completed`,
      },
      { label: 'Completion rate', value: percent(completion.rate), note: rateNote(completion) },
      { label: 'Median time', value: took.median_s === null ? '–' : span(took.median_s * 1_000) },
      {
        label: 'Today',
        value: number(today.completed),
        note: `${number(today.week_before)} by this time a week before`,
      },
    ])}
<div class="below">${drawn.get('series') ?? null}</div>
${fieldSections(metrics, drawn, 'at any time')}
${foot(until, metrics.timezone)}`,
  }
}
