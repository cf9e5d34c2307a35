/** The question that an address asks: its parameters as the body of `POST /api/v2/analytics/query`. */
import { choices } from '../../parts/filters.ts'
import type { Filter } from '../../parts/filters.ts'
import { withQuery } from '../../api.ts'
import { calledOf } from '../../form-items.ts'
import { timeOf } from '../../parts/period.ts'
import type { Visit } from '../../visit.ts'
import type { FormItem } from '../../wire.ts'

/** Data sets with what is asked about most; everything else can be typed, and the API knows all of it. */
const DATA_SETS: Readonly<Record<string, { readonly label: string; readonly fields: readonly string[] }>> = {
  events: {
    label: 'events of visitors',
    fields: ['type', 'name', 'path', 'device', 'country', 'source', 'campaign', 'visitor', 'value', 'occurred_at'],
  },
  sessions: {
    label: 'sessions',
    fields: ['entry_path', 'exit_path', 'duration_s', 'page_views', 'is_bounce', 'started_at'],
  },
  conversions: { label: 'conversions', fields: ['name', 'value', 'currency', 'visitor', 'occurred_at'] },
  users: { label: 'visitors', fields: ['sessions', 'conversions', 'value', 'first_seen', 'last_seen'] },
  responses: { label: 'responses of all forms', fields: ['form_id', 'status', 'duration_s', 'submitted_at'] },
}

const OF_RESPONSES = [
  'response.submitted_at',
  'response.started_at',
  'response.status',
  'response.duration_s',
  'form.version',
]

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

const OPERATORS = [
  { value: '$eq', label: 'is' },
  { value: '$ne', label: 'is not' },
  { value: '$gte', label: 'at least' },
  { value: '$lte', label: 'at most' },
  { value: '$regex', label: 'matches' },
]

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

/** What the form offers; `form`: the one that is asked about. */
export function questionFilters(forms: readonly FormItem[], about: string): readonly Filter[] {
  const form = forms.find(({ id }) => about === `form:${id}`)
  const fields =
    form === undefined
      ? (DATA_SETS[about]?.fields ?? OF_RESPONSES)
      : [...form.fields.map(({ key }) => key), ...OF_RESPONSES]
  const field = { suggestions: fields }
  return [
    {
      name: 'about',
      label: 'Of',
      clause: 'Count',
      none: null,
      options: [
        ...Object.entries(DATA_SETS).map(([value, { label }]) => ({ value, label })),
        ...[...calledOf(forms)].map(([id, label]) => ({ value: `form:${id}`, label })),
      ],
    },
    { name: 'fn', label: 'What', clause: 'Count', options: FUNCTIONS, none: null },
    { name: 'field', label: 'Field', clause: 'Count', placeholder: 'if any', ...field },
    { name: 'by', label: 'Field', clause: 'By', ...field },
    { name: 'bucket', label: 'A time: each', clause: 'By', options: choices(BUCKETS), none: '–' },
    { name: 'split', label: 'And by', clause: 'By', ...field },
    ...CONDITIONS.flatMap((n): readonly Filter[] => {
      const clause = n === 1 ? 'Only where' : 'And where'
      return [
        { name: `where${n}`, label: 'Field', clause, ...field },
        { name: `is${n}`, label: 'Is', clause, options: OPERATORS, none: null },
        { name: `value${n}`, label: 'Value', clause },
      ]
    }),
    { name: 'from', label: 'From', clause: 'When', type: 'datetime' },
    { name: 'to', label: 'To', clause: 'When', type: 'datetime' },
    { name: 'timezone', label: 'Time zone', clause: 'When', placeholder: 'Europe/Berlin' },
    { name: 'compare', label: 'Compared with', clause: 'When', options: COMPARISONS, none: 'nothing' },
  ]
}

/** Names of the answer's columns. */
export const COLUMN = { value: 'value', by: 'by', split: 'split' } as const

/** The responses that a question is about, as a list; null: it is about something else. */
export function responsesAsked({ query }: Visit, forms: readonly FormItem[]): string | null {
  const about = query('about') ?? ABOUT_DEFAULT
  const form = forms.find(({ id }) => about === `form:${id}`)
  if (form === undefined) return null
  const keys = new Set(form.fields.map(({ key }) => key))
  const types = new Map(form.fields.map(({ key, type }) => [key, type]))
  const whole = CONDITIONS.flatMap((n) => conditionOf({ query }, n, types)).map((condition) =>
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
  const types = new Map(forms.find(({ id }) => id === form)?.fields.map(({ key, type }) => [key, type]))
  const fn = query('fn') ?? 'count'
  const [by, split, field, bucket] = [query('by'), query('split'), query('field'), query('bucket')]
  const conditions = CONDITIONS.flatMap((n) => conditionOf({ query }, n, types))
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

function conditionOf(
  { query }: Pick<Visit, 'query'>,
  n: number,
  types: ReadonlyMap<string, string>,
): readonly object[] {
  const field = query(`where${n}`)
  if (field === undefined) return []
  const text = query(`value${n}`)
  const operator = query(`is${n}`) ?? '$eq'
  // Without a value it is asked whether there is one.
  if (text === undefined) return [{ [field]: { $exists: operator !== '$eq' } }]
  return [
    { [field]: { [operator]: operator === '$regex' ? text : typed(text, types.get(field.replace(/^data\./, ''))) } },
  ]
}

const NUMERIC = new Set(['number', 'rating', 'scale', 'nps'])

/** Values match columns of their own type only; where the type is not known, what looks like a number is one. */
function typed(text: string, type: string | undefined): string | number | boolean {
  const isNumber = /^-?\d+(?:\.\d+)?$/.test(text)
  if (type === 'boolean' || (type === undefined && /^(?:true|false)$/.test(text)))
    return text === 'true' || text === 'yes'
  return isNumber && (type === undefined || NUMERIC.has(type)) ? Number(text) : text
}
