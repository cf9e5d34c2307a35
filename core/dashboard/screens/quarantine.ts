/** The quarantine: responses that were put aside before they were stored, to be released or deleted. */
import { html } from '../../html.ts'
import { segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { formChoices, installationChoices } from '../choices.ts'
import { chip } from '../parts/chip.ts'
import { act, confirm } from '../parts/confirm.ts'
import { code, facts, mono, notice, section } from '../parts/facts.ts'
import { choices, TIME_FILTERS } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import type { Column } from '../parts/list.ts'
import { counted, time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import { bulkScreens } from './bulk.ts'
import type { Bulk, Stepped } from './bulk.ts'
import { answerList, answerText, responsePath, responseTabs } from './responses.ts'

export const quarantineScreens: readonly Screen[] = [
  { method: 'GET', path: '/quarantine', nav: 'responses', answer: all },
  ...bulkScreens({ path: '/quarantine/release', nav: 'responses' }, () => RELEASE),
  { method: 'GET', path: '/quarantine/{id}', nav: 'responses', answer: one },
  { method: 'POST', path: '/quarantine/{id}/release', nav: 'responses', answer: releaseOne },
  { method: 'GET', path: '/quarantine/{id}/discard', nav: 'responses', scope: 'responses:write', answer: askDiscard },
  { method: 'POST', path: '/quarantine/{id}/discard', nav: 'responses', answer: discard },
]

interface Aside {
  readonly id: string
  readonly form_id: string
  readonly status: string
  readonly verdict: 'flagged' | 'rejected' | 'failed'
  readonly reason: string
  readonly message: string | null
  readonly installation: string
  readonly plugin: string
  readonly data: Readonly<Record<string, unknown>>
  readonly received: Readonly<Record<string, unknown>>
  readonly received_at: string
}

const TOLD = {
  flagged: 'The sender was not told.',
  rejected: 'The sender was refused.',
  failed: 'A transform failed, and its failures are closed.',
} as const

async function filtersOf(visit: Visit): Promise<readonly Filter[]> {
  const [forms, installations] = await Promise.all([formChoices(visit), installationChoices(visit)])
  return [
    { name: 'form', label: 'Form', options: forms },
    { name: 'verdict', label: 'Verdict', options: choices(['flagged', 'rejected', 'failed']) },
    { name: 'installation', label: 'Installation', options: installations },
    { name: 'reason', label: 'Reason' },
    ...TIME_FILTERS,
  ]
}

const asidePath = (id: string): string => `/quarantine/${segment(id)}`

const columns = (nowMs: number): readonly Column<Aside>[] => [
  {
    label: 'Received',
    cell: (row) => html`<a href="${asidePath(row.id)}">${time(row.received_at, nowMs)}</a>`,
    csv: (row) => row.received_at,
  },
  {
    label: 'Verdict',
    cell: (row) => chip(row.verdict, row.verdict === 'flagged' ? 'warn' : 'bad'),
    csv: (row) => row.verdict,
  },
  { label: 'Form', cell: (row) => row.form_id, csv: (row) => row.form_id },
  { label: 'By', cell: (row) => row.installation, csv: (row) => row.installation },
  {
    label: 'Why',
    cell: (row) =>
      html`<span class="clip">${row.message ?? row.reason}</span> <span class="soft">${mono(row.reason)}</span>`,
    csv: (row) => row.message ?? row.reason,
  },
  {
    label: 'Answers',
    cell: (row) =>
      html`<span class="clip">${Object.entries(row.data).map(([key, value]) => html`<span class="soft">${key}</span> ${answerText(value)} `)}</span>`,
    csv: (row) => JSON.stringify(row.data),
  },
]

async function all(visit: Visit): Promise<Answer> {
  const filters = await filtersOf(visit)
  const asked = Object.fromEntries(filters.map(({ name }) => [name, visit.query(name)]))
  return list<Aside>(visit, {
    title: 'Responses',
    name: 'quarantine',
    before: await responseTabs(visit, 'quarantine'),
    columns: columns(Date.now()),
    filters,
    follows: { type: 'response.*' },
    refreshMs: LIST_REFRESH_MS,
    load: (query) => visit.api.get<Page<Aside>>('/api/v2/quarantine', query),
    bulk: visit.may('responses:write')
      ? html`<a class="button quiet" href="${withQuery('/quarantine/release', asked)}">Release all of these…</a>`
      : null,
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>Nothing in quarantine is like that.</p>`
        : html`<p>Nothing is in quarantine.</p><p class="soft">What a transform flags, refuses or fails at waits here: no plugin gets it until somebody releases it.</p>`,
  })
}

async function one(visit: Visit): Promise<Answer> {
  const item = await visit.api.get<Aside>(asideApi(visit.param('id')))
  return {
    view: {
      title: `${item.form_id}, in quarantine`,
      trail: [{ label: 'Quarantine', href: '/quarantine' }],
      actions: visit.may('responses:write')
        ? html`${act(`${asidePath(item.id)}/release`, 'Release', { tone: 'main' })}<a class="button quiet" href="${asidePath(item.id)}/discard">Delete…</a>`
        : null,
      body: html`${notice('warn', html`<p><strong>${item.message ?? item.reason}</strong></p><p class="soft">${item.installation} said so. ${TOLD[item.verdict]} Released, it is stored and goes to every plugin, like one that just came.</p>`)}
${facts([
  ['Verdict', chip(item.verdict, 'warn')],
  ['Reason', mono(item.reason)],
  ['Received', time(item.received_at, Date.now())],
  ['Id', mono(item.id)],
])}
${section('Answers', answerList(item, null))}
${section('As they came', code(JSON.stringify(item.received, null, 2)))}`,
    },
  }
}

const asideApi = (id: string): string => `/api/v2/quarantine/${segment(id)}`

async function releaseOne(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `${asideApi(id)}/release`)
  return { redirect: responsePath(id), flash: 'Released: it is stored, and plugins get it.' }
}

interface Released extends Stepped {
  readonly released: number
}

const RELEASE: Bulk<Released> = {
  path: '/quarantine/release',
  api: '/api/v2/quarantine/release',
  title: 'Release from quarantine',
  button: 'Release',
  back: { label: 'Quarantine', href: '/quarantine' },
  names: ['form', 'verdict', 'installation', 'reason', 'since', 'until'],
  stepRows: 100,
  things: (count) => counted(count, 'response', 'responses'),
  bodyOf: (asked) => asked,
  // What comes after somebody has seen the count is not among them.
  settled: (asked) => ({ ...asked, until: asked['until'] ?? new Date().toISOString() }),
  says: (count) =>
    html`<p class="lead"><strong>${count}</strong> will be stored and go to every plugin, like ones that just came.</p>`,
  done: (count) => `${count} released.`,
  left: html`What was not released yet is in <a href="/quarantine">quarantine</a>.`,
  countOf: ({ released }) => released,
}

async function askDiscard(visit: Visit): Promise<Answer> {
  const item = await visit.api.get<Aside>(asideApi(visit.param('id')))
  return {
    view: confirm({
      title: 'Delete from quarantine',
      trail: [{ label: 'Quarantine', href: '/quarantine' }],
      says: html`<p class="lead"><strong>1 response</strong> of ${item.form_id} will be deleted for good. It was never stored, and never will be.</p>`,
      action: `${asidePath(item.id)}/discard`,
      fields: {},
      button: 'Delete for good',
      isDanger: true,
      back: asidePath(item.id),
    }),
  }
}

async function discard(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', asideApi(visit.param('id')))
  return { redirect: '/quarantine', flash: 'It is deleted.' }
}
