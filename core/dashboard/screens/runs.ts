/** Runs: what plugins did, what they asked for, what they said, and why they failed. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { RUN_KINDS } from '../../model.ts'
import { segment } from '../api.ts'
import type { Page } from '../api.ts'
import { installationChoices } from '../choices.ts'
import { logLines } from '../parts/attempts.ts'
import { chip } from '../parts/chip.ts'
import { code, facts, mono, notice, section } from '../parts/facts.ts'
import { choices, TIME_FILTERS } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { linked } from '../parts/link.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, number, span, time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { RunItem } from '../wire.ts'
import { deliveryPath } from './deliveries.ts'
import { responsePath } from './responses.ts'

export const runPath = (id: string): string => `/runs/${segment(id)}`

export const runScreens: readonly Screen[] = [
  { method: 'GET', path: '/runs', nav: 'runs', answer: all },
  { method: 'GET', path: '/runs/{id}', nav: 'runs', answer: one },
]

async function filtersOf(visit: Visit): Promise<readonly Filter[]> {
  const installations = await installationChoices(visit)
  return [
    { name: 'installation', label: 'Installation', options: installations },
    { name: 'kind', label: 'Kind', options: choices(RUN_KINDS) },
    { name: 'outcome', label: 'Outcome', options: choices(['ok', 'failed']) },
    ...TIME_FILTERS,
    { name: 'event', label: 'Event', isQuiet: true },
    { name: 'delivery', label: 'Delivery', isQuiet: true },
    { name: 'response', label: 'Response', isQuiet: true },
  ]
}

export const runColumns = (nowMs: number): readonly Column<RunItem>[] => [
  { label: 'Outcome', cell: (row) => chip(row.outcome), csv: (row) => row.outcome },
  {
    label: 'Run',
    cell: (row) => html`<a href="${runPath(row.id)}"><strong>${row.installation}</strong> ${row.name}</a>`,
    csv: (row) => row.id,
  },
  { label: 'Kind', cell: (row) => row.kind, csv: (row) => row.kind },
  { label: 'Started', cell: (row) => time(row.started_at, nowMs), csv: (row) => row.started_at },
  { label: 'Took', align: 'end', cell: (row) => span(row.duration_ms), csv: (row) => row.duration_ms },
  { label: 'CPU', align: 'end', cell: (row) => span(row.cpu_ms), csv: (row) => row.cpu_ms },
  {
    label: 'What happened',
    cell: (row) =>
      html`<span class="clip">${row.error ?? said(row)}</span>${row.more === 0 ? null : html` <span class="soft">and ${counted(row.more, 'run', 'runs')} like it</span>`}`,
    csv: (row) => row.error,
  },
]

const said = ({ logs, effects, requests }: RunItem): string =>
  logs.at(-1)?.message ??
  ([
    effects.length > 0 ? counted(effects.length, 'effect', 'effects') : '',
    requests.length > 0 ? counted(requests.length, 'request', 'requests') : '',
  ]
    .filter((text) => text !== '')
    .join(', ') ||
    'nothing to tell')

const CSV_ONLY: readonly Column<RunItem>[] = (
  ['installation', 'plugin', 'version', 'name', 'attempt', 'error_code'] as const
).map((name) => ({ label: name, cell: () => null, csv: (row) => row[name] }))

async function all(visit: Visit): Promise<Answer> {
  const shown = runColumns(Date.now())
  const filters = await filtersOf(visit)
  return list<RunItem>(visit, {
    title: 'Runs',
    name: 'runs',
    columns: visit.query('format') === 'csv' ? [...shown, ...CSV_ONLY] : shown,
    filters,
    follows: { type: 'response.*,delivery.*' },
    refreshMs: LIST_REFRESH_MS,
    load: (query) => visit.api.get<Page<RunItem>>('/api/v2/runs', query),
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No run is like that.</p><p class="soft">Under load a few runs a second are kept, more of those that failed; old ones go after a week.</p>`
        : html`<p>No plugin has run yet.</p><p class="soft">One runs when something happens that an <a href="/installations">installation</a> handles.</p>`,
  })
}

interface RunDetail extends RunItem {
  readonly bundle: string
  readonly input: unknown
  readonly input_missing: string | null
  readonly withheld: readonly string[]
}

async function one(visit: Visit): Promise<Answer> {
  const run = await visit.api.get<RunDetail>(`/api/v2/runs/${segment(visit.param('id'))}`)
  return {
    view: {
      title: `${run.installation} ${run.name}`,
      trail: [{ label: 'Runs', href: '/runs' }],
      body: html`${run.error === null ? null : notice('bad', html`<p><strong>${run.error}</strong></p>${run.error_code === null ? null : html`<p class="soft">${mono(run.error_code)}</p>`}`)}
${facts([
  ['Outcome', chip(run.outcome)],
  ['Kind', run.kind],
  ['Attempt', number(run.attempt)],
  ['Started', time(run.started_at, Date.now())],
  ['Took', html`${span(run.duration_ms)} <span class="soft">${span(run.cpu_ms)} of CPU</span>`],
  ['Code', html`${run.plugin} ${run.version} <span class="soft">${mono(run.bundle)}</span>`],
  ['Id', mono(run.id)],
])}
${run.stack === null ? null : section('Where', code(run.stack))}
${run.items.length === 0 ? null : section('About', html`<ul>${run.items.map((each) => item(visit, each))}</ul>`)}
${run.logs.length === 0 ? null : section('Said', logLines(run.logs))}
${run.requests.length === 0 ? null : section('Requests', html`<ul class="calls">${run.requests.map(({ method, url, status, duration_ms: ms, error }) => html`<li><code>${method} ${url}</code> ${status === null ? null : chip(String(status), status < 400 ? 'good' : 'bad')} <span class="soft">${span(ms)}</span> ${error}</li>`)}</ul>`)}
${run.effects.length === 0 ? null : section('Asked for', code(run.effects.map((effect) => JSON.stringify(effect)).join('\n')))}
${run.left_out === 0 ? null : html`<p class="soft">${counted(run.left_out, 'line or effect was', 'lines or effects were')} too many to be kept.</p>`}
${section('Input', run.input_missing === null ? html`${run.withheld.length === 0 ? null : html`<p class="soft">Withheld from it: ${run.withheld.join(', ')}.</p>`}${code(JSON.stringify(run.input, null, 2))}` : html`<p class="soft">${run.input_missing}</p>`)}`,
    },
  }
}

const item = (
  visit: Visit,
  { event_id: event, delivery_id: delivery, response_id: response, outcome }: RunItem['items'][number],
): Html =>
  html`<li>${delivery === null ? null : html`<a href="${deliveryPath(delivery)}">${mono(delivery)}</a> `}${response === null ? null : html`${linked(visit, { scope: 'responses:read', href: responsePath(response) }, mono(response))} `}${delivery === null && response === null && event !== null ? mono(event) : null} ${outcome === null ? null : chip(outcome)}</li>`
