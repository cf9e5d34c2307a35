/** The filters of a list: a plain GET form, so that what is shown is always a link. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { here } from '../visit.ts'
import { hidden } from './confirm.ts'
import type { Visit } from '../visit.ts'

export interface Choice {
  readonly value: string
  readonly label: string
}

export interface Filter {
  /** Of the query parameter, here and in the API. */
  readonly name: string
  readonly label: string
  /** A choice among these; absent: typed. */
  readonly options?: readonly Choice[]
  /** `area`: several lines. */
  readonly type?: 'search' | 'text' | 'date' | 'datetime' | 'area'
  /** Of a choice: what none of them means; null: one is always chosen, the first unless said otherwise. */
  readonly none?: string | null
  /** Offered where something is typed; with a label where the value alone says too little. */
  readonly suggestions?: readonly (string | Choice)[]
  /** Of a question: what it says is long, such as a name somebody gave. */
  readonly isLong?: boolean
  /** Of a question: what else can be chosen depends on it. */
  readonly renews?: boolean
  readonly placeholder?: string
  /** Of a question: shown in place of what the address says. */
  readonly value?: string
  /** Shown only while it is set: it comes from a link. */
  readonly isQuiet?: boolean
  /** What it says for people, where its value says nothing to them: it is not typed, but can be taken away. */
  readonly chip?: string
  /** Of a question: those next to each other with the same one are a clause of it, under this name. */
  readonly clause?: string
}

/** Words as choices. */
export const choices = (words: readonly string[]): readonly Choice[] =>
  words.map((value) => ({ value, label: value.replaceAll(/[-_]/g, ' ') }))

export function filterForm(visit: Visit, filters: readonly Filter[], more: Html | null = null): Html | null {
  const shown = filters.filter(({ name, isQuiet }) => isQuiet !== true || visit.query(name) !== undefined)
  if (shown.length === 0) return null
  const set = filters.filter(({ name }) => visit.query(name) !== undefined)
  const none = Object.fromEntries(filters.map(({ name }) => [name, undefined]))
  // Where there is little room the rows come first, and this says what is set.
  return html`<details class="fold"><summary>Filters${set.length === 0 ? null : `: ${set.map(({ label }) => label).join(', ')}`}</summary></details>
<form class="filters" role="search" action="${visit.url.pathname}">
${shown.map((filter) => {
  const value = visit.query(filter.name) ?? ''
  return filter.chip === undefined ? field(offered(filter, value), value) : removable(visit, filter.name, filter.chip)
})}${more}
<div class="buttons"><button class="quiet">Filter</button>${set.length === 0 ? null : html`<a href="${here(visit, none)}">Clear</a>`}</div>
</form>`
}

/** Of every list that is in the order of time. */
export const TIME_FILTERS: readonly Filter[] = [
  { name: 'since', label: 'Since (UTC)', type: 'date' },
  { name: 'until', label: 'Before (UTC)', type: 'date' },
]

/** More are not looked through in a list that opens. */
const CHOICES_MAX = 100

/** Typed, with what there is offered, where there is none or too much of it to choose from. */
function offered(filter: Filter, value: string): Filter {
  const { options, ...typed } = filter
  if (options === undefined || options.length === 0) return typed
  if (options.length > CHOICES_MAX) return { ...typed, suggestions: options }
  // What is asked for may be gone; it is asked for all the same.
  const isThere = value === '' || options.some((each) => each.value === value)
  return isThere ? filter : { ...typed, options: [...options, { value, label: value }] }
}

/** It stays while others are changed, until it is taken away. */
const removable = (visit: Visit, name: string, says: string): Html =>
  html`<div class="filter"><input type="hidden" name="${name}" value="${visit.query(name) ?? ''}"><a class="button quiet" href="${here(visit, { [name]: null })}" aria-label="${says}: take this filter away">${says} <span aria-hidden="true">×</span></a></div>`

/** A question that the page puts again with its answer: the same as a filter, with a button of its own. One that is saved stays so. */
export const questionForm = (visit: Visit, filters: readonly Filter[], button: string): Html =>
  html`<form class="filters builder" action="${visit.url.pathname}"${filters.some(({ renews }) => renews) ? html` data-choose` : null}>
${hidden({ saved: visit.query('saved') })}${clausesOf(filters).map(({ clause, members }) => {
    const fields = members.map((filter) => field(filter, filter.value ?? visit.query(filter.name) ?? ''))
    return clause === undefined
      ? html`${fields}`
      : html`<fieldset class="clause"><legend>${clause}</legend>${fields}</fieldset>`
  })}
<div class="buttons"><button>${button}</button>${visit.url.search === '' ? null : html`<a href="${visit.url.pathname}">Clear</a>`}</div>
</form>`

/** Where there is little room the answer comes first, and its question is one touch away. */
export const folded = (form: Html, says: string): Html =>
  html`<details class="fold"><summary>${says}</summary></details>
${form}`

interface Clause {
  readonly clause: string | undefined
  readonly members: readonly Filter[]
}

const clausesOf = (filters: readonly Filter[]): readonly Clause[] =>
  filters.reduce<Clause[]>((clauses, filter) => {
    const last = clauses.at(-1)
    return last !== undefined && last.clause === filter.clause
      ? [...clauses.slice(0, -1), { ...last, members: [...last.members, filter] }]
      : [...clauses, { clause: filter.clause, members: [filter] }]
  }, [])

function field(filter: Filter, value: string): Html {
  const { name, label, type = 'text', isLong } = filter
  const size = type === 'search' ? ' grow' : type === 'area' ? ' whole' : isLong === true ? ' long' : ''
  return html`<div class="filter${size}"><label for="filter-${name}">${label}</label>${control(filter, value)}</div>`
}

function control(
  { name, options, type, placeholder = '', none = 'any', suggestions, renews }: Filter,
  value: string,
): Html {
  const id = `filter-${name}`
  if (options !== undefined)
    return html`<select id="${id}" name="${name}"${renews === true ? html` data-renews` : null}>${none === null ? null : html`<option value="">${none}</option>`}${options.map((option) => html`<option value="${option.value}"${option.value === value ? html` selected` : null}>${option.label}</option>`)}</select>`
  if (type === 'area')
    return html`<textarea id="${id}" name="${name}" rows="4" placeholder="${placeholder}" spellcheck="false">${value}</textarea>`
  const list = suggestions === undefined ? null : html` list="${id}-list"`
  return html`<input id="${id}" name="${name}" type="${inputType(type, value)}" value="${value}" placeholder="${type === 'datetime' ? 'YYYY-MM-DD' : placeholder}" spellcheck="false" autocomplete="off"${list}>${suggestions === undefined ? null : html`<datalist id="${id}-list">${suggestions.map((each) => (typeof each === 'string' ? html`<option value="${each}">` : html`<option value="${each.value}" label="${each.label}">`))}</datalist>`}`
}

/** A day is chosen; a time that a link asks for stays as it is written. */
const inputType = (type: Filter['type'], value: string): string =>
  type === 'search' ? 'search' : type === 'date' && /^(?:\d{4}-\d\d-\d\d)?$/.test(value) ? 'date' : 'text'
