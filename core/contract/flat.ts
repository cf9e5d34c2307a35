/**
 * One flat shape of a response and of the hub's other news, for programs whose users pick fields from a list: the body of
 * hooks, `?shape=flat` of lists, and samples are all made here, so what a test shows is what comes later. Every field of the
 * form is there, answered or not, under its key; questions stand apart, so that rewording one moves nothing.
 */
import type { HookEvent } from './hooks.ts'
import type { HubEvent } from './index.ts'
import type { Json } from './json.ts'
import type { FieldInfo } from './route.ts'

/** An object of the flat shape. */
export interface Flat {
  readonly [key: string]: Json
}

/** A response with its form, as events and stored responses have them. */
export interface FlatSource {
  /** Absent: it was deleted; then no answer has a field. */
  readonly form:
    | { readonly id: string; readonly name: string; readonly version: number; readonly fields: readonly FieldInfo[] }
    | undefined
  readonly response: NonNullable<HubEvent['response']>
  readonly data: { readonly [key: string]: Json }
}

/** An event: with a response, or without one. */
interface MaybeResponse {
  readonly form?: FlatSource['form']
  readonly response?: FlatSource['response'] | undefined
  readonly data?: FlatSource['data'] | undefined
}

/** What templates show people of a response, under the names of the flat shape; nothing of what is no response. */
export function flatWords({ form, response, data = {} }: MaybeResponse): Flat {
  if (response === undefined) return {}
  const flat = flatResponse({ form, response, data }, { hubUrl: null })
  const { texts = {}, labels = {}, choices = {}, other_answers = '' } = flat
  return { texts, labels, choices, other_answers }
}

/** The hub's address as the reader knows it, to begin links with; null: links are paths. People follow them: they lead to the dashboard. */
export interface FlatOptions {
  readonly hubUrl: string | null
  /** The version that the response was given to, where `form` may be a newer one. */
  readonly formVersion?: number | undefined
}

/**
 * `answers` by field key, null where there is none (a list for multi_select, text for hidden); `texts`, the same for people; `choices`, for
 * multi_select one entry an option, its label or null; `files`, for file the link or null; `labels`, the questions. `other_answers`: JSON text of answers to no
 * field, or empty. Times are RFC 3339 with a twin for people beside them.
 */
export function flatResponse({ form, response, data }: FlatSource, { hubUrl, formVersion }: FlatOptions): Flat {
  const fields = form?.fields ?? []
  const answers: { [key: string]: Json } = {}
  const texts: { [key: string]: Json } = {}
  const choices: { [key: string]: Json } = {}
  const files: { [key: string]: Json } = {}
  const labels: { [key: string]: Json } = {}
  for (const field of fields) {
    const { key } = field
    const answer = Object.hasOwn(data, key) ? (data[key] as Json) : null
    answers[key] = answerOf(field, answer)
    texts[key] = textOf(field, answer)
    labels[key] = field.label
    if (field.type === 'multi_select') choices[key] = chosen(field, answer)
    if (field.type === 'file') files[key] = linkIn(answers[key])
  }
  const other = Object.entries(data).filter(([key]) => !Object.hasOwn(answers, key))
  return {
    id: response.id,
    form_id: form?.id ?? '',
    form_name: form?.name ?? '',
    form_version: formVersion ?? form?.version ?? 0,
    status: response.status,
    ...times('started_at', response.startedAt),
    ...times('submitted_at', response.submittedAt),
    url: link(hubUrl, `/responses/${response.id}`),
    answers,
    texts,
    choices,
    files,
    labels,
    other_answers: other.length === 0 ? '' : JSON.stringify(Object.fromEntries(other)),
  }
}

/** The link of an answer that is one. */
const linkIn = (answer: Json | undefined): string | null =>
  typeof answer === 'string' && /^https?:\/\//i.test(answer) ? answer : null

/**
 * The body of a hook for an event with its parts `data`, `form` and `response`. Null: this event is not what the hook is
 * about (a `form.changed` that made no form, an answer that was erased).
 */
export function flatEvent(event: HubEvent, wanted: HookEvent, options: FlatOptions): Flat | null {
  const { data = {}, form, response } = event
  switch (wanted) {
    case 'response.submitted':
    case 'response.partial':
      return response === undefined ? null : flatResponse({ form, response, data }, options)
    case 'form.created':
      return data['created'] === true ? flatForm(event, textIn(data, 'form_id'), options) : null
    case 'form.changed':
      return flatForm(event, event.id, options)
    case 'delivery.dead':
      return {
        id: event.id,
        delivery_id: textIn(data, 'delivery_id'),
        installation: textIn(data, 'installation'),
        plugin: textIn(data, 'plugin'),
        form_id: form?.id ?? '',
        form_name: form?.name ?? '',
        reason: textIn(data, 'reason'),
        code: textIn(data, 'code'),
        message: textIn(data, 'message'),
        ...times('failed_at', event.at),
        url: link(options.hubUrl, `/deliveries/${textIn(data, 'delivery_id')}`),
      }
    case 'alert.raised':
      return {
        id: event.id,
        kind: textIn(data, 'kind'),
        installation: textIn(data, 'installation'),
        plugin: textIn(data, 'plugin'),
        reason: textIn(data, 'reason'),
        todo: textIn(data, 'todo'),
        details: JSON.stringify(data),
        ...times('raised_at', event.at),
      }
    default:
      return unknown(wanted)
  }
}

function unknown(wanted: never): never {
  throw new Error(`There are no hooks for ${String(wanted)}.`)
}

function flatForm({ data = {}, form, at }: HubEvent, id: string, { hubUrl }: FlatOptions): Flat {
  const formId = form?.id ?? textIn(data, 'form_id')
  return {
    id,
    form_id: formId,
    form_name: form?.name ?? '',
    form_version: typeof data['version'] === 'number' ? data['version'] : 0,
    field_count: form?.fields.length ?? 0,
    ...times('changed_at', at),
    url: link(hubUrl, `/forms/${formId}`),
  }
}

const link = (hubUrl: string | null, path: string): string => `${hubUrl ?? ''}${path}`

const textIn = (data: { readonly [key: string]: Json }, name: string): string => {
  const value = data[name]
  return typeof value === 'string' ? value : ''
}

function answerOf({ type }: FieldInfo, answer: Json): Json {
  if (type === 'multi_select') return listOf(answer)
  if (type === 'file') return urlOf(answer)
  // What a page puts into it may be anything, and whoever reads it was told one type.
  if (type === 'hidden') return answer === null ? null : plain(answer)
  return answer
}

const listOf = (answer: Json): readonly Json[] => (Array.isArray(answer) ? answer : answer === null ? [] : [answer])

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A file lives elsewhere: its link, or the `url` of what is known of it. */
const urlOf = (answer: Json): Json => (isObject(answer) ? (answer['url'] ?? null) : answer)

function textOf(field: FieldInfo, answer: Json): string {
  if (answer === null) return ''
  switch (field.type) {
    case 'boolean':
      return answer === true ? 'Yes' : 'No'
    case 'date':
    case 'datetime':
      return readable(plain(answer))
    case 'multi_select':
      return listOf(answer)
        .map((value) => labelOf(field, value))
        .join(', ')
    case 'select':
    case 'radio':
      return labelOf(field, answer)
    case 'file': {
      const name = isObject(answer) ? answer['name'] : undefined
      return typeof name === 'string' ? name : plain(urlOf(answer))
    }
    default:
      return plain(answer)
  }
}

const plain = (value: Json): string =>
  value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)

const labelOf = ({ options = [] }: FieldInfo, value: Json): string =>
  options.find((option) => option.value === value)?.label ?? plain(value)

function chosen({ options = [] }: FieldInfo, answer: Json): Json {
  const values = new Set(listOf(answer))
  return Object.fromEntries(options.map(({ value, label }) => [value, values.has(value) ? label : null]))
}

const times = (name: string, at: string | null): Flat => ({
  [name]: at,
  [`${name}_text`]: at === null ? '' : readable(at),
})

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `27 Nov 2026`, `27 Nov 2026, 12:35 UTC`; what is no date stays as it is. */
function readable(at: string): string {
  const atMs = Date.parse(at)
  if (Number.isNaN(atMs)) return at
  const iso = new Date(atMs).toISOString()
  const day = `${Number(iso.slice(8, 10))} ${MONTHS[Number(iso.slice(5, 7)) - 1]} ${iso.slice(0, 4)}`
  return /^\d{4}-\d\d-\d\d$/.test(at) ? day : `${day}, ${iso.slice(11, 16)} UTC`
}
