/** What one can ask about: the fields of each data set and of each form, and what fits a field of its kind. */
import { calledOf } from '../../form-items.ts'
import type { Filter } from '../../parts/filters.ts'
import type { FieldItem, FormItem } from '../../wire.ts'

export type Choices = NonNullable<Filter['options']>

type Kind = 'text' | 'number' | 'time' | 'boolean' | 'choice' | 'list'

export interface AskedField {
  /** As questions call it. */
  readonly name: string
  readonly label: string
  readonly kind: Kind
  /** All that it can be. */
  readonly options?: Choices
}

const ORIGIN = 'referrer_host source medium campaign channel device browser os country'

/** Names by their kind; what is text is not said. */
interface DataSet {
  readonly label: string
  readonly text: string
  readonly number?: string
  readonly time: string
  readonly boolean?: string
  /** Whoever sends it may give it properties of their own. */
  readonly hasProperties?: true
}

export const DATA_SETS: Readonly<Record<string, DataSet>> = {
  events: {
    label: 'events of visitors',
    text: `type name path title form_id ${ORIGIN} currency subject action visitor`,
    number: 'value measure',
    time: 'occurred_at received_at',
    hasProperties: true,
  },
  sessions: {
    label: 'sessions',
    text: `entry_path exit_path ${ORIGIN} currency visitor`,
    number: 'duration_s events page_views conversions value',
    time: 'started_at ended_at',
    boolean: 'is_bounce',
  },
  conversions: {
    label: 'conversions',
    text: `name path form_id ${ORIGIN} currency visitor`,
    number: 'value',
    time: 'occurred_at',
    hasProperties: true,
  },
  users: {
    label: 'visitors',
    text: 'first_source first_referrer_host first_path device browser os country currency',
    number: 'events sessions conversions value',
    time: 'first_seen last_seen',
  },
  responses: {
    label: 'responses of all forms',
    text: 'form_id status',
    number: 'duration_s version',
    time: 'submitted_at started_at',
  },
}

const OF_RESPONSES: readonly AskedField[] = [
  { name: 'response.submitted_at', label: 'sent at', kind: 'time' },
  { name: 'response.started_at', label: 'begun at', kind: 'time' },
  { name: 'response.status', label: 'status', kind: 'choice' },
  { name: 'response.duration_s', label: 'seconds from begin to end', kind: 'number' },
  { name: 'form.version', label: 'version of the form', kind: 'number' },
]

const STATUSES: Choices = ['completed', 'partial'].map((value) => ({ value, label: value }))
const TRUTHS: Choices = [
  { value: 'true', label: 'yes' },
  { value: 'false', label: 'no' },
]
const LABEL_CHARS_MAX = 60

/** All that an address may name as what it is about, but for properties; empty: there is no such thing. */
export function fieldsAsked(forms: readonly FormItem[], about: string): readonly AskedField[] {
  const form = forms.find(({ id }) => about === `form:${id}`)
  if (form !== undefined || about.startsWith('form:'))
    return [...(form?.fields ?? []).map(ofForm), ...OF_RESPONSES.map(withOptions)]
  const set = DATA_SETS[about]
  if (set === undefined) return []
  const called: Choices = [...calledOf(forms)].map(([value, label]) => ({ value, label }))
  return (['time', 'text', 'number', 'boolean'] as const).flatMap((kind) =>
    (set[kind] ?? '').split(' ').flatMap((name): readonly AskedField[] => {
      if (name === '') return []
      const field = withOptions({ name, label: name.replaceAll('_', ' '), kind })
      return [name === 'form_id' && called.length > 0 ? { ...field, kind: 'choice', options: called } : field]
    }),
  )
}

const withOptions = (field: AskedField): AskedField =>
  /(?:^|\.)status$/.test(field.name)
    ? { ...field, kind: 'choice', options: STATUSES }
    : field.kind === 'boolean'
      ? { ...field, options: TRUTHS }
      : field

const KINDS: Readonly<Record<string, Kind>> = {
  number: 'number',
  rating: 'number',
  boolean: 'boolean',
  select: 'choice',
  radio: 'choice',
  multi_select: 'list',
}

function ofForm({ key, label = key, type, options = [] }: FieldItem): AskedField {
  const shown = label.length > LABEL_CHARS_MAX ? `${label.slice(0, LABEL_CHARS_MAX - 1)}…` : label
  const field = { name: key, label: shown === key ? key : `${shown} (${key})`, kind: KINDS[type] ?? 'text' }
  if (options.length === 0) return withOptions(field)
  const choices = options.map((option) => {
    const { value, label: name = value } = typeof option === 'string' ? { value: option } : option
    return { value, label: name }
  })
  return { ...field, options: choices }
}

const IS = { value: '$eq', label: 'is' }
const IS_NOT = { value: '$ne', label: 'is not' }
const BOUNDS: Choices = [
  { value: '$gte', label: 'at least' },
  { value: '$lte', label: 'at most' },
]
const MATCHES = { value: '$regex', label: 'matches' }

/** With these nothing is compared. */
export const WHETHER = ['$exists', '$missing'] as const
const EXISTENCE: Choices = [
  { value: WHETHER[0], label: 'is there' },
  { value: WHETHER[1], label: 'is missing' },
]

/** What one can ask of a field; of one that is not known, anything. */
export function operatorsOf(kind: Kind | undefined): Choices {
  switch (kind) {
    case 'number':
    case 'time':
      return [IS, IS_NOT, ...BOUNDS, ...EXISTENCE]
    case 'boolean':
      return [IS, ...EXISTENCE]
    case 'choice':
      return [IS, IS_NOT, ...EXISTENCE]
    case 'list':
      return [{ ...IS, label: 'includes' }, { ...IS_NOT, label: 'does not include' }, ...EXISTENCE]
    case 'text':
      return [IS, IS_NOT, MATCHES, ...EXISTENCE]
    case undefined:
      return [IS, IS_NOT, ...BOUNDS, MATCHES, ...EXISTENCE]
  }
}

const OF_NUMBERS = new Set(['avg', 'median', 'p95', 'sum'])
const OF_ORDERED = new Set(['min', 'max'])

/** Whether there is such a number of fields of this kind. */
export const isAggregated = (fn: string, kind: Kind): boolean =>
  OF_NUMBERS.has(fn) ? kind === 'number' : OF_ORDERED.has(fn) ? kind === 'number' || kind === 'time' : true
