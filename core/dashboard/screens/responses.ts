/** Responses: what came in, with the columns one wants; one of them with its answers, its notes and all that came of it. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import { segment, withQuery } from '../api.ts'
import type { Page } from '../api.ts'
import { formChoices } from '../choices.ts'
import { formOf } from '../form-items.ts'
import { chip } from '../parts/chip.ts'
import { confirm } from '../parts/confirm.ts'
import { code, facts, mono, section } from '../parts/facts.ts'
import { choices, TIME_FILTERS } from '../parts/filters.ts'
import type { Filter } from '../parts/filters.ts'
import { linked } from '../parts/link.ts'
import { LIST_REFRESH_MS, list } from '../parts/list.ts'
import { marked } from '../parts/marked.ts'
import type { Column } from '../parts/list.ts'
import { tabs } from '../parts/tabs.ts'
import { counted, number, time } from '../parts/time.ts'
import type { Answer, Screen, Visit } from '../visit.ts'
import type { DeliveryRow, FormItem, ResponseItem, RunItem } from '../wire.ts'
import { what } from './deliveries.ts'

export const responsePath = (id: string): string => `/responses/${segment(id)}`

export const responseScreens: readonly Screen[] = [
  { method: 'GET', path: '/responses', nav: 'responses', answer: all },
  { method: 'GET', path: '/responses/{id}', nav: 'responses', answer: one },
  { method: 'POST', path: '/responses/{id}/notes', nav: 'responses', answer: addNote },
  { method: 'GET', path: '/responses/{id}/delete', nav: 'responses', scope: 'responses:write', answer: askDelete },
  { method: 'POST', path: '/responses/{id}/delete', nav: 'responses', answer: remove },
]

interface ResponsePage extends Page<ResponseItem> {
  /** Where a search ended before all were looked through. */
  readonly searched_to: string | null
}

/** Where what comes in stands first; but what an index does not know is not looked for again and again. */
const followed = ({ query }: Visit): boolean =>
  query('order') !== 'oldest' &&
  ['cursor', 'until', 'text', 'filter', 'field', 'value'].every((name) => query(name) === undefined)

/** Columns that are shown before anybody chooses. */
const COLUMNS_SHOWN = 4
const VALUE_CHARS = 120

/** Stored ones, and what was put aside before it was stored. */
export async function responseTabs(visit: Visit, now: 'responses' | 'quarantine'): Promise<Html> {
  const { total } = await visit.api.get<{ total: number }>('/api/v2/quarantine', { limit: 1 })
  return tabs(now, [
    { id: 'responses', label: 'Stored', href: '/responses' },
    { id: 'quarantine', label: `Quarantine ${total === 0 ? '' : number(total)}`, href: '/quarantine' },
  ])
}

async function all(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const [forms, bar] = await Promise.all([formChoices(visit), responseTabs(visit, 'responses')])
  const formId = visit.query('form')
  const form = formId === undefined || !visit.may('forms:read') ? null : await formOf(visit, formId)
  const chosen = visit.url.searchParams.getAll('column')
  const filters: readonly Filter[] = [
    { name: 'text', label: 'Search', type: 'search', placeholder: 'words of answers' },
    { name: 'form', label: 'Form', options: forms },
    { name: 'status', label: 'Status', options: choices(['completed', 'partial']) },
    ...TIME_FILTERS,
    { name: 'order', label: 'Order', options: [{ value: 'oldest', label: 'oldest first' }], none: 'newest first' },
    ...(form === null ? [] : answerFilters(form)),
    { name: 'filter', label: 'Condition', type: 'search', placeholder: '{"data.budget": {"$gte": 1000}}' },
  ]
  const isFile = visit.query('format') === 'csv'
  return list<ResponseItem, ResponsePage>(visit, {
    title: 'Responses',
    name: formId === undefined ? 'responses' : `responses-${formId}`,
    before: bar,
    isWide: form !== null,
    columns: [...head(nowMs, form === null), ...answers(form, { chosen, isFile, sought: visit.query('text') })],
    filters,
    moreFilters: form === null ? null : columnChoice(form, chosen),
    load: ({ form: of, ...query }) =>
      form === null
        ? visit.api.get<ResponsePage>('/api/v2/responses', { ...query, form: of })
        : visit.api.get<ResponsePage>(`/api/v2/forms/${segment(form.id)}/responses`, query),
    ...(followed(visit) ? { refreshMs: LIST_REFRESH_MS, follows: { type: 'response.*', form: formId } } : {}),
    above: ({ items, searched_to: to }) =>
      to === null
        ? null
        : html`<p class="soft" role="status">${items.length === 0 ? 'None so far' : counted(items.length, 'response', 'responses')}: the search has looked at what came ${visit.query('order') === 'oldest' ? 'until' : 'since'} ${time(to, nowMs)}. A form or a time makes it quicker.</p>`,
    empty: (isFiltered) =>
      isFiltered
        ? html`<p>No response is like that.</p>`
        : html`<p>Nothing came in yet.</p><p class="soft">Open a form and send it, or post to its address: ${linked(visit, { scope: 'forms:read', href: '/forms' }, 'Forms')} shows both.</p>`,
  })
}

/** Those with exactly this answer. */
const answerFilters = ({ fields }: FormItem): readonly Filter[] => [
  {
    name: 'field',
    label: 'With the field',
    options: fields.map(({ key, label }) => ({ value: key, label: label ?? key })),
  },
  { name: 'value', label: 'answered' },
]

const head = (nowMs: number, showsForm: boolean): readonly Column<ResponseItem>[] => [
  {
    label: 'Received',
    cell: (row) => html`<a href="${responsePath(row.id)}">${time(row.created_at, nowMs)}</a>`,
    csv: (row) => row.created_at,
  },
  { label: 'Status', cell: (row) => chip(row.status), csv: (row) => row.status },
  ...(showsForm
    ? [{ label: 'Form', cell: (row: ResponseItem) => row.form_id, csv: (row: ResponseItem) => row.form_id }]
    : []),
]

/** A column a field where the form is known, else the first answers in one. In a file all of them. */
function answers(
  form: FormItem | null,
  { chosen, isFile, sought }: { chosen: readonly string[]; isFile: boolean; sought: string | undefined },
): readonly Column<ResponseItem>[] {
  const id: Column<ResponseItem> = { label: 'id', cell: () => null, csv: (row) => row.id }
  if (form === null) {
    const shown: Column<ResponseItem> = {
      label: 'Answers',
      cell: (row) => named(row.data, sought),
      csv: (row) => JSON.stringify(row.data),
    }
    return isFile ? [id, shown] : [shown]
  }
  const keys = form.fields.map(({ key }) => key)
  const wanted =
    chosen.length > 0 ? keys.filter((key) => chosen.includes(key)) : isFile ? keys : keys.slice(0, COLUMNS_SHOWN)
  const columns = wanted.map((key): Column<ResponseItem> => {
    const label = form.fields.find((field) => field.key === key)?.label ?? key
    return {
      label: isFile ? key : label,
      cell: (row) => html`<span class="clip">${marked(shortened(answerText(row.data[key])), sought)}</span>`,
      csv: (row) => plain(row.data[key]),
    }
  })
  const others = othersOf(new Set(keys), sought)
  const hasOthers = chosen.includes(OTHERS) || (isFile && chosen.length === 0)
  return [...(isFile ? [id] : []), ...columns, ...(hasOthers ? [others] : [])]
}

/** No field is called so. */
const OTHERS = '*'

/** What was answered to no field that the form has now: to one that was taken out of it, or that it never had. */
function othersOf(keys: ReadonlySet<string>, sought: string | undefined): Column<ResponseItem> {
  const of = ({ data }: ResponseItem) => Object.entries(data).filter(([key]) => !keys.has(key))
  return {
    label: 'Other answers',
    cell: (row) => named(Object.fromEntries(of(row)), sought),
    csv: (row) => (of(row).length === 0 ? null : JSON.stringify(Object.fromEntries(of(row)))),
  }
}

const named = (data: ResponseItem['data'], sought: string | undefined): Html =>
  html`<span class="clip">${Object.entries(data).map(([key, value]) => html`<span class="soft">${key}</span> ${marked(answerText(value), sought)} `)}</span>`

const columnChoice = (form: FormItem, chosen: readonly string[]): Html => html`<details class="choose">
<summary>Columns</summary><div>${form.fields.map(({ key, label }, at) => {
  const isOn = chosen.length === 0 ? at < COLUMNS_SHOWN : chosen.includes(key)
  return html`<label><input type="checkbox" name="column" value="${key}"${isOn ? html` checked` : null}> ${label ?? key}</label>`
})}<label><input type="checkbox" name="column" value="${OTHERS}"${chosen.includes(OTHERS) ? html` checked` : null}> Other answers</label></div></details>`

/** An answer as a person reads it. */
export function answerText(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.map(answerText).join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const shortened = (text: string): string => (text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS)}…` : text)

function plain(value: unknown): string | number | boolean | null {
  if (value === undefined || value === null) return null
  return typeof value === 'number' || typeof value === 'boolean'
    ? value
    : Array.isArray(value)
      ? value.join('; ')
      : answerText(value)
}

interface NoteItem {
  readonly author: string
  readonly at: string
  readonly text: string
}

/** A thing that happened to the response, when. */
interface Moment {
  readonly at: string
  readonly tone: string
  readonly what: Part
}

async function one(visit: Visit): Promise<Answer> {
  const nowMs = Date.now()
  const id = visit.param('id')
  const response = await visit.api.get<ResponseItem>(`/api/v2/responses/${segment(id)}`)
  const seesDeliveries = visit.may('deliveries:write')
  const [form, notes, deliveries, runs] = await Promise.all([
    visit.may('forms:read') ? formOf(visit, response.form_id) : null,
    visit.api.get<Page<NoteItem>>(`/api/v2/responses/${segment(id)}/notes`),
    seesDeliveries ? visit.api.get<Page<DeliveryRow>>('/api/v2/deliveries', { response: id, limit: 200 }) : null,
    seesDeliveries ? visit.api.get<Page<RunItem>>('/api/v2/runs', { response: id, limit: 200 }) : null,
  ])
  const moments = [
    ...arrivals(response),
    ...(deliveries?.items ?? []).map((row) => deliveryMoment(row, nowMs)),
    ...(runs?.items ?? []).filter(({ kind }) => kind === 'handler' || kind === 'transform').map(runMoment),
    ...notes.items.map(({ at, author, text }): Moment => ({
      at,
      tone: 'calm',
      what: html`<strong>${author}</strong> noted: <span class="lines">${text}</span>`,
    })),
  ].toSorted((a, b) => a.at.localeCompare(b.at))
  return {
    view: {
      title: form?.name ?? response.form_id,
      trail: [
        { label: 'Responses', href: '/responses' },
        { label: response.form_id, href: withQuery('/responses', { form: response.form_id }) },
      ],
      actions: visit.may('responses:write')
        ? html`<a class="button quiet" href="${responsePath(id)}/delete">Delete…</a>`
        : null,
      body: html`${facts([
        ['Status', chip(response.status)],
        ['Id', mono(response.id)],
        ['Received', time(response.created_at, nowMs)],
        ['Form version', number(response.form_version)],
        ["Client's id", response.client_id === null ? null : mono(response.client_id)],
      ])}
${section('Answers', answerList(response, form))}
${section('What came of it', html`<ol class="timeline">${moments.map(({ at, tone, what: text }) => html`<li class="${tone}"><p class="attempt">${text}</p><p class="soft">${time(at, nowMs)}</p></li>`)}</ol>`)}
${visit.may('responses:write') ? section('Write a note', noteForm(id)) : null}
${Object.keys(response.meta).length === 0 ? null : section('Beside the answers', code(JSON.stringify(response.meta, null, 2)))}`,
    },
  }
}

const arrivals = ({
  started_at: startedAt,
  created_at: createdAt,
  updated_at: updatedAt,
  submitted_at: submittedAt,
  status,
}: ResponseItem): readonly Moment[] => [
  ...(startedAt === null ? [] : [{ at: startedAt, tone: 'calm', what: 'Somebody began to fill it in' }]),
  {
    at: createdAt,
    tone: 'good',
    what:
      submittedAt === createdAt || (status === 'completed' && updatedAt === createdAt)
        ? 'Received and stored'
        : 'Received in part',
  },
  ...(updatedAt === createdAt
    ? []
    : [{ at: updatedAt, tone: 'good', what: status === 'completed' ? 'Completed' : 'More of it came' }]),
]

const deliveryMoment = (row: DeliveryRow, nowMs: number): Moment => ({
  at: row.finished_at ?? row.created_at,
  tone: row.state === 'delivered' ? 'good' : row.state === 'dead' ? 'bad' : 'warn',
  what: html`<a href="/deliveries/${segment(row.id)}"><strong>${row.installation}</strong> ${row.name}</a> ${chip(row.state)} ${what(row, nowMs)}`,
})

const runMoment = ({ id, started_at: at, outcome, installation, kind, name, error }: RunItem): Moment => ({
  at,
  tone: outcome === 'ok' ? 'calm' : 'bad',
  what: html`<a href="/runs/${segment(id)}"><strong>${installation}</strong> ${kind === 'transform' ? 'looked at it' : `handled ${name}`}</a>${error === null ? null : html` <span class="error">${error}</span>`}`,
})

/** By the form's fields, in their order; what the form does not know follows. */
export function answerList({ data }: Pick<ResponseItem, 'data'>, form: FormItem | null): Html {
  const known = (form?.fields ?? []).map(({ key, label, pii }) => ({ key, label: label ?? key, pii }))
  const more = Object.keys(data)
    .filter((key) => !known.some((field) => field.key === key))
    .map((key) => ({ key, label: key, pii: false }))
  return html`<dl class="answers">${[...known, ...more].map(
    ({ key, label, pii }) =>
      html`<div><dt>${label}${pii ? html` <span class="chip">personal</span>` : null}</dt><dd class="lines">${answerText(data[key])}</dd></div>`,
  )}</dl>`
}

const noteForm = (id: string): Html => html`<form method="post" action="${responsePath(id)}/notes" class="stack narrow">
<div class="field"><label for="note">Note</label><textarea id="note" name="text" rows="3" required maxlength="10000"></textarea></div>
<button class="quiet">Write</button></form>`

async function addNote(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  await visit.api.send('POST', `/api/v2/responses/${segment(id)}/notes`, { text: visit.form.get('text') ?? '' })
  return { redirect: responsePath(id), flash: 'The note is written.' }
}

async function askDelete(visit: Visit): Promise<Answer> {
  const id = visit.param('id')
  const response = await visit.api.get<ResponseItem>(`/api/v2/responses/${segment(id)}`)
  return {
    view: confirm({
      title: 'Delete a response',
      trail: [{ label: 'Responses', href: '/responses' }],
      says: html`<p class="lead"><strong>1 response</strong> of ${response.form_id} will be deleted for good: its answers, its notes, and its copies in the log, in deliveries and in runs.</p>`,
      action: `${responsePath(id)}/delete`,
      fields: {},
      button: 'Delete for good',
      isDanger: true,
      back: responsePath(id),
    }),
  }
}

async function remove(visit: Visit): Promise<Answer> {
  await visit.api.send('DELETE', `/api/v2/responses/${segment(visit.param('id'))}`)
  return { redirect: '/responses', flash: 'The response is deleted.' }
}
