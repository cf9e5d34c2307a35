/** The question that an address asks: its parameters as the body of `POST /api/v2/analytics/query`. */
import { choices } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { withQuery } from '../../api.ts'
import { calledOf } from '../../form-items.ts'
import { timeOf } from '../../parts/period.ts'
import type { Visit } from '../../visit.ts'
import type { FormItem } from '../../wire.ts'
import { DATA_SETS, fieldsAsked, isAggregated, operatorsOf, WHETHER } from './question-fields.ts'
import type { AskedField, Choices } from './question-fields.ts'

export const FUNCTIONS = [
  { value: 'count', label: 'how many' },
  { value: 'count_distinct', label: 'how many different' },
  { value: 'avg', label: 'average of' },
  { value: 'median', label: 'median of' },
  { value: 'p95', label: '95th percentile of' },
  { value: 'sum', label: 'sum of' },
  { value: 'min', label: 'least of' },
  { value: 'max', label: 'most of' },
]

export const BUCKETS = ['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const

const COMPARISONS = [
  { value: 'previous', label: 'the period before' },
  { value: '1mo', label: 'a month before' },
  { value: '1y', label: 'a year before' },
  { value: '52w', label: '52 weeks before' },
]

/** Conditions that the form has room for. */
const CONDITIONS = [1, 2] as const
const ROWS_DEFAULT = 1_000
const MINUTE_MS = 60_000

export const ABOUT_DEFAULT = 'events'

/** In place of a field that is listed: it is typed then. */
const OTHER = 'other'

export interface Asking {
  readonly query: Visit['query']
  readonly forms: readonly FormItem[]
  /** What fields have been seen with, by their name. */
  readonly values?: ReadonlyMap<string, readonly string[]>
}

/** What the form offers: choices that fit what else was chosen. */
export function questionFilters(asking: Asking): readonly Filter[] {
  const { query, forms } = asking
  const fields = fieldsAsked(forms, query('about') ?? ABOUT_DEFAULT)
  const fn = query('fn') ?? 'count'
  const by = fields.find(({ name }) => name === query('by'))
  const field = (name: string, rest: Omit<Filter, 'name'>, among = fields): Filter =>
    fieldChoice(asking, { name, ...rest }, among)
  return [
    {
      name: 'about',
      label: 'Of',
      clause: 'Count',
      none: null,
      renews: true,
      isLong: true,
      options: [
        ...Object.entries(DATA_SETS).map(([value, { label }]) => ({ value, label })),
        ...[...calledOf(forms)].map(([id, label]) => ({ value: `form:${id}`, label })),
      ],
    },
    { name: 'fn', label: 'What', clause: 'Count', options: FUNCTIONS, none: null, renews: true },
    field(
      'field',
      { label: 'Field', clause: 'Count', none: 'if any' },
      fields.filter(({ kind }) => isAggregated(fn, kind)),
    ),
    field('by', { label: 'Field', clause: 'By', none: 'nothing', renews: true }),
    ...(by !== undefined && by.kind !== 'time' ? [] : [bucketChoice(by !== undefined)]),
    field('split', { label: 'And by', clause: 'By', none: 'nothing' }),
    ...CONDITIONS.flatMap((n) => conditionFilters(asking, n, fields)),
    { name: 'from', label: 'From', clause: 'When', type: 'datetime' },
    { name: 'to', label: 'To', clause: 'When', type: 'datetime' },
    { name: 'timezone', label: 'Time zone', clause: 'When', placeholder: 'Europe/Berlin' },
    { name: 'compare', label: 'Compared with', clause: 'When', options: COMPARISONS, none: 'nothing' },
  ]
}

/** Days first, since they are meant most often. */
const bucketChoice = (isNeeded: boolean): Filter => ({
  name: 'bucket',
  label: isNeeded ? 'Each' : 'A time: each',
  clause: 'By',
  options: choices(isNeeded ? ['day', ...BUCKETS.filter((bucket) => bucket !== 'day')] : BUCKETS),
  none: isNeeded ? null : '–',
})

/** A listed field; one that is not stays chosen, and where there are others it can be typed. */
function fieldChoice({ query, forms }: Asking, filter: Filter, among: readonly AskedField[]): Filter {
  const about = query('about') ?? ABOUT_DEFAULT
  const asked = query(filter.name)
  const { none: _none, ...typed } = filter
  // Of a form that the key may not see nobody can say what it asks.
  const isUnseen = DATA_SETS[about] === undefined && !forms.some(({ id }) => about === `form:${id}`)
  const isOpen = isUnseen || DATA_SETS[about]?.hasProperties === true
  if (among.length === 0 || (isOpen && asked === OTHER))
    return { ...typed, placeholder: isUnseen ? 'a key' : 'properties.plan', ...(asked === OTHER ? { value: '' } : {}) }
  const listed = among.map(({ name, label }) => ({ value: name, label }))
  const isKnown = asked === undefined || fieldsAsked(forms, about).some(({ name }) => name === asked)
  return {
    ...filter,
    isLong: true,
    options: [
      ...(isKnown ? listed : withAsked(query, filter.name, listed)),
      ...(isOpen ? [{ value: OTHER, label: 'another one…' }] : []),
    ],
  }
}

/** What an address asks for stays chosen, though it is not offered. */
function withAsked(query: Visit['query'], name: string, offered: Choices): Choices {
  const asked = query(name)
  return asked === undefined || query(CHOOSING) !== undefined || offered.some(({ value }) => value === asked)
    ? offered
    : [...offered, { value: asked, label: asked }]
}

/** In the address while somebody still chooses: what no longer fits is dropped, and nothing is asked yet. */
export const CHOOSING = 'choose'

function conditionFilters(asking: Asking, n: number, fields: readonly AskedField[]): readonly Filter[] {
  const { query, values } = asking
  const clause = n === 1 ? 'Only where' : 'And where'
  const [where, is, value] = [`where${n}`, `is${n}`, `value${n}`]
  const name = query(where)
  const known = fields.find((field) => field.name === name)
  const operators = operatorsOf(known?.kind)
  const operator = query(is)
  const of: Filter = { name: value, label: 'Value', clause }
  const suggestions = name === undefined ? undefined : values?.get(name)
  const valueFilter: Filter =
    known?.options !== undefined
      ? { ...of, options: withAsked(query, value, known.options), none: '–' }
      : known?.kind === 'time'
        ? { ...of, type: 'datetime' }
        : { ...of, ...(suggestions === undefined ? {} : { suggestions }) }
  return [
    fieldChoice(asking, { name: where, label: 'Field', clause, none: 'anything', renews: true }, fields),
    { name: is, label: 'Is', clause, options: withAsked(query, is, operators), none: null, renews: true },
    ...(isWhether(operator) ? [] : [valueFilter]),
  ]
}

const isWhether = (operator: string | undefined): boolean => WHETHER.some((each) => each === operator)

/** Fields of text of a data set whose values are worth a look, as somebody asks for some of them. */
export function fieldsToSuggest({ query, forms }: Asking): readonly string[] {
  const about = query('about') ?? ABOUT_DEFAULT
  if (DATA_SETS[about] === undefined) return []
  const asked = new Set(CONDITIONS.map((n) => query(`where${n}`)))
  return fieldsAsked(forms, about).flatMap(({ name, kind }) =>
    kind === 'text' && name !== 'visitor' && asked.has(name) ? [name] : [],
  )
}

/** Names of the answer's columns. */
export const COLUMN = { value: 'value', by: 'by', split: 'split' } as const

/** The responses that a question is about, as a list; null: it is about something else. */
export function responsesAsked({ query }: Visit, forms: readonly FormItem[]): string | null {
  const about = query('about') ?? ABOUT_DEFAULT
  const form = forms.find(({ id }) => about === `form:${id}`)
  if (form === undefined) return null
  const keys = new Set(form.fields.map(({ key }) => key))
  const whole = CONDITIONS.flatMap((n) => conditionOf({ query }, n, fieldsAsked(forms, about))).map((condition) =>
    Object.fromEntries(Object.entries(condition).map(([path, test]) => [keys.has(path) ? `data.${path}` : path, test])),
  )
  const { from, to }: Readonly<Record<string, string>> = {
    ...moment('from', query('from'), query('timezone')),
    ...moment('to', query('to'), query('timezone')),
  }
  const conditions = [
    ...whole,
    ...(from === undefined ? [] : [{ 'response.submitted_at': { $gte: from } }]),
    ...(to === undefined ? [] : [{ 'response.submitted_at': { $lt: to } }]),
  ]
  return withQuery('/responses', {
    form: form.id,
    status: 'completed',
    filter: conditions.length === 0 ? undefined : JSON.stringify({ $and: conditions }),
  })
}

/** The body that is sent. */
export function questionOf({ query }: Visit, forms: readonly FormItem[]): Readonly<Record<string, unknown>> {
  const about = query('about') ?? ABOUT_DEFAULT
  const form = about.startsWith('form:') ? about.slice('form:'.length) : null
  const fields = fieldsAsked(forms, about)
  const fn = query('fn') ?? 'count'
  const [by, split, field] = ['by', 'split', 'field'].map((name) => namedIn(query, name))
  const bucket = query('bucket')
  const conditions = CONDITIONS.flatMap((n) => conditionOf({ query }, n, fields))
  const timezone = query('timezone')
  const groups = [
    ...(by === undefined ? [] : [{ field: by, ...(bucket === undefined ? {} : { bucket }), as: COLUMN.by }]),
    ...(split === undefined ? [] : [{ field: split, as: COLUMN.split }]),
  ]
  return {
    ...(form === null ? { data_set: about } : { form_id: form }),
    aggregate: {
      ...(fn === 'p95' ? { fn: 'percentile', q: 0.95 } : { fn }),
      ...(field === undefined ? {} : { field }),
    },
    ...(groups.length === 0 ? {} : { group_by: groups }),
    ...(conditions.length === 0 ? {} : { filter: { $and: conditions } }),
    ...moment('from', query('from'), timezone),
    ...moment('to', query('to') ?? endOf(query), timezone),
    ...(timezone === undefined ? {} : { timezone }),
    ...(query('compare') === undefined ? {} : { compare: query('compare') }),
    ...(bucket === undefined ? {} : { order_by: [{ by: COLUMN.by }] }),
    limit: ROWS_DEFAULT,
    explain: true,
  }
}

/** What is compared has to end: with the minute under way. */
const endOf = (query: Visit['query']): string | undefined =>
  query('compare') === undefined || query('from') === undefined
    ? undefined
    : `${new Date(Date.now() + MINUTE_MS).toISOString().slice(0, 16)}:00Z`

/** What nobody can read goes as it is: the API says what is wrong with it. */
function moment(
  name: 'from' | 'to',
  text: string | undefined,
  timezone: string | undefined,
): Readonly<Record<string, string>> {
  if (text === undefined) return {}
  const ms = timeOf(text, timezone ?? 'UTC', name)
  return { [name]: ms === null ? text : new Date(ms).toISOString() }
}

/** Undefined: none, or one that is to be typed first. */
const namedIn = (query: Visit['query'], name: string): string | undefined =>
  query(name) === OTHER ? undefined : query(name)

function conditionOf({ query }: Pick<Visit, 'query'>, n: number, fields: readonly AskedField[]): readonly object[] {
  const field = namedIn(query, `where${n}`)
  if (field === undefined) return []
  const text = query(`value${n}`)
  const operator = query(`is${n}`) ?? '$eq'
  if (isWhether(operator)) return [{ [field]: { $exists: operator === '$exists' } }]
  // Nobody has said yet what it is to be.
  if (text === undefined) return []
  const kind = fields.find(({ name }) => name === field.replace(/^data\./, ''))?.kind
  return [{ [field]: { [operator]: operator === '$regex' ? text : typed(text, kind) } }]
}

const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['false', false],
  ['no', false],
])

/** Values match columns of their own type only; where the kind is not known, what looks like a number is one. */
function typed(text: string, kind: AskedField['kind'] | undefined): string | number | boolean {
  // What is neither stays a word, which is like none of them: it must not become the other.
  if (kind === 'boolean') return TRUTHS.get(text) ?? text
  if (kind === undefined && /^(?:true|false)$/.test(text)) return text === 'true'
  const isNumber = /^-?\d+(?:\.\d+)?$/.test(text)
  return isNumber && (kind === undefined || kind === 'number') ? Number(text) : text
}
