/** Which answer goes into which field, as a value that a field of its type takes. Pure. */
import type { FieldWish, FormInfo, Json } from 'manifold/plugin'
import { listAt, textAt } from './arrival.ts'
import type { Answer, Arrival } from './arrival.ts'

type Mode = 'create' | 'map' | 'strict'
type FieldMap = { readonly [field: string]: string }

const FORM_ID_CHARS_MAX = 100
const NAME_CHARS_MAX = 200
const LABEL_CHARS_MAX = 2_000
const OPTION_CHARS_MAX = 500
const OPTIONS_MAX = 1_000

/** The form that the settings name, or one of its own for each form of the sender. */
export const formOf = (from: string, { formId }: Arrival, form: string | undefined): string =>
  form ?? `${from}-${formId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`.slice(0, FORM_ID_CHARS_MAX)

/** The answers under the keys that the settings give them. The first of several with one key is the one. */
export function named(answers: readonly Answer[], fields: FieldMap): readonly Answer[] {
  const wanted = new Map(Object.entries(fields).map(([field, name]) => [name, field]))
  const byKey = new Map<string, Answer>()
  for (const answer of answers) {
    const own = [...answer.names, answer.key].find((name) => wanted.has(name))
    const key = own === undefined ? answer.key : (wanted.get(own) as string)
    if (!byKey.has(key)) byKey.set(key, { ...answer, key })
  }
  return [...byKey.values()]
}

/** What the form has to have for these answers; null: it has it. */
export function missing(
  answers: readonly Answer[],
  form: FormInfo | undefined,
  { formName }: Arrival,
): { readonly name: string; readonly fields: readonly FieldWish[] } | null {
  const known = new Map(form?.fields.map((field) => [field.key, field]))
  const isThere = ({ key, value }: Answer): boolean => {
    const field = known.get(key)
    if (field === undefined) return false
    const there = new Set(field.options?.map((option) => option.value))
    return field.options === undefined || textsOf(value).every((text) => there.has(text))
  }
  if (form !== undefined && answers.every(isThere)) return null
  return { name: formName.slice(0, NAME_CHARS_MAX).trim() || 'Untitled', fields: answers.map(wishOf) }
}

/** Choices that are too many or too long for options are asked for as text. */
function wishOf({ key, label, type, options, pii }: Answer): FieldWish {
  const base = { key, label: label.slice(0, LABEL_CHARS_MAX), pii: pii === true || type === 'email' }
  if (type !== 'select' && type !== 'multi_select') return { ...base, type }
  const all = options ?? []
  const isFit = all.length > 0 && all.length <= OPTIONS_MAX && all.every((text) => text.length <= OPTION_CHARS_MAX)
  return isFit ? { ...base, type, options: all } : { ...base, type: 'long_text' }
}

export interface Fitted {
  readonly data: { readonly [key: string]: Json }
  /** Keys of answers that have no field and were left out. */
  readonly left: readonly string[]
}

/** The answers as the form's fields take them. What cannot be turned stays as it is: the form says what is wrong with it. */
export function fitted(answers: readonly Answer[], form: FormInfo | undefined, mode: Mode): Fitted {
  const types = new Map(form?.fields.map((field) => [field.key, field]))
  const data: Record<string, Json> = {}
  const left: string[] = []
  for (const { key, value, type, inWords } of answers) {
    const field = types.get(key)
    if (value === null || value === '') continue
    if (field === undefined && form !== undefined && mode === 'map') left.push(key)
    else data[key] = fit(TEXTS.has(field?.type ?? type) ? (inWords ?? value) : value, field ?? { type })
  }
  return { data, left }
}

const TEXTS: ReadonlySet<string> = new Set(['text', 'long_text', 'hidden'])

function fit(value: Json, field: Pick<FormInfo['fields'][number], 'type' | 'options'>): Json {
  switch (field.type) {
    case 'text':
    case 'long_text':
    case 'hidden':
    case 'email':
      return words(value)
    case 'number':
    case 'rating':
      return typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)) ? Number(value) : value
    case 'boolean':
      return TRUTHS.get(typeof value === 'string' ? value.trim().toLowerCase() : '') ?? value
    case 'date':
      return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}[T ]/.test(value) ? value.slice(0, 10) : value
    case 'datetime':
      return typeof value === 'string' ? timed(value) : value
    case 'select':
    case 'radio':
      return optionOf(Array.isArray(value) && value.length === 1 ? (value[0] as Json) : value, field)
    case 'multi_select':
      return (Array.isArray(value) ? listAt(value) : [value]).map((one) => optionOf(one, field))
    default:
      return value
  }
}

/** What has no zone is UTC, as in every form of the hub. */
function timed(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return `${text}T00:00:00Z`
  return /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$/.test(text) ? `${text.replace(' ', 'T')}:00Z` : text
}

const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['yes', true],
  ['1', true],
  ['false', false],
  ['no', false],
  ['0', false],
])

/** Senders name choices by what is shown; the form's own value may be another. */
function optionOf(value: Json, { options }: Pick<FormInfo['fields'][number], 'options'>): Json {
  const text = textAt(value)
  const option = options?.find((each) => each.value === text) ?? options?.find(({ label }) => label === text)
  return option?.value ?? text ?? value
}

function words(value: Json): Json {
  if (typeof value === 'string') return value
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object'))
    return value.filter((item) => item !== '').join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

const textsOf = (value: Json): readonly string[] =>
  (Array.isArray(value) ? listAt(value) : [value]).flatMap((item) => textAt(item) ?? [])
