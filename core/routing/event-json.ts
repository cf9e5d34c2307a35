/**
 * An event of the log as JSON text for a plugin, with exactly the parts its manifest names. The payload is spliced in
 * as it was stored; it is parsed only when a field has to be taken out.
 */
import type { FieldInfo, Json } from '../contract/index.ts'
import type { LogEvent, Field, Form } from '../model.ts'
import type { EventDataName } from '../registry/manifest.ts'

/** The form of an event as the hub knows it, made once per form version. */
export interface FormView {
  /** The version the event was made with, or the newest that is known. */
  readonly form: Form
  /** Keys that are or once were marked `pii`: a field stays private when a later version drops the mark or the field. */
  readonly piiKeys: readonly string[]
}

/** Which fields marked `pii` the installation may see. */
export type PiiGrant = boolean | readonly string[]

export interface EventJsonInput {
  readonly event: LogEvent
  readonly view: FormView | undefined
  readonly parts: readonly EventDataName[]
  readonly pii: PiiGrant
}

/** The text of a HubEvent. An erased event (`data: null`) has no text: callers skip it before. */
export const eventJson = (input: EventJsonInput): string => {
  const { id, type, at } = input.event
  return `{"id":${quote(id)},"type":${quote(type)},"v":1,"at":${quote(at)}${partsJson(input)}}`
}

/** The parts alone, each as `,"name":…`. */
export function partsJson({ event, view, parts, pii }: EventJsonInput): string {
  let text = ''
  for (const part of parts) {
    if (part === 'data') text += `,"data":${dataText(event, view, pii)}`
    else if (part === 'meta') text += `,"meta":${event.meta}`
    else if (part === 'response' && event.response !== null) text += `,"response":${responseText(event)}`
    else if (part === 'form' && view !== undefined) text += `,"form":${formJson(view, pii)}`
  }
  return text
}

/** Ids, types and times of the hub need no escaping; anything odd goes the careful way. */
const quote = (text: string): string => (/^[\w.:+-]*$/.test(text) ? `"${text}"` : JSON.stringify(text))

function responseText(event: LogEvent): string {
  return JSON.stringify({
    id: event.responseId,
    status: event.response?.status,
    startedAt: event.response?.startedAt,
    submittedAt: event.response?.submittedAt,
  })
}

const formTexts = new WeakMap<FormView, string>()

/** The part `form` alone. */
export function formJson(view: FormView, pii: PiiGrant): string {
  const hidden = hiddenKeys(view, pii)
  let text = formTexts.get(view)
  if (text === undefined) {
    const { id, name, version, timezone } = view.form
    const fields = view.form.fields.map((field) => ({ ...fieldInfo(field), pii: view.piiKeys.includes(field.key) }))
    text = JSON.stringify({ id, name, version, fields, timezone })
    formTexts.set(view, text)
  }
  return hidden.length === 0 ? text : `${text.slice(0, -1)},"hidden":${JSON.stringify(hidden)}}`
}

/** A field as plugins see it. */
export const fieldInfo = (field: Field): FieldInfo => ({
  key: field.key,
  label: field.label,
  type: field.type,
  required: field.required,
  pii: field.pii,
  ...(field.options.length === 0 ? {} : { options: field.options }),
})

/** The payload text without the private fields that the installation may not see. */
function dataText(event: LogEvent, view: FormView | undefined, pii: PiiGrant): string {
  const text = event.data ?? '{}'
  if (event.formId === null) return text
  if (event.type.startsWith('track.')) return trackedText(text, view, pii)
  if (!carriesAnswers(event.type)) return text
  // Without its form nobody can say which answers are private, so none leave without a grant for all of them.
  if (view === undefined) return pii === true ? text : '{}'
  const hidden = hiddenKeys(view, pii)
  if (hidden.length === 0) return text
  const data = JSON.parse(text) as Record<string, unknown>
  let removed = false
  for (const key of hidden) {
    if (!Object.hasOwn(data, key)) continue
    delete data[key]
    removed = true
  }
  return removed ? JSON.stringify(data) : text
}

/** Fields that the installation may not see. */
export const hiddenKeys = ({ piiKeys }: FormView, pii: PiiGrant): readonly string[] =>
  pii === true ? [] : piiKeys.filter((key) => !(Array.isArray(pii) && pii.includes(key)))

/** Keys of what the event carries and `eventJson` leaves out, since the installation may not see it. */
export function withheldKeys({ event, view, parts, pii }: EventJsonInput): readonly string[] {
  if (!parts.includes('data') || event.data === null || pii === true) return []
  const keysOf = (text: string): string[] => {
    const data = JSON.parse(text) as { readonly properties?: object }
    return Object.keys(event.type.startsWith('track.') ? (data.properties ?? {}) : data)
  }
  const left = new Set(keysOf(dataText(event, view, pii)))
  return keysOf(event.data).filter((key) => !left.has(key))
}

/** Payloads that hold answers under their fields' keys; the rest (`form.changed`, `delivery.dead`, ...) hold the hub's own words. */
const carriesAnswers = (type: string): boolean => type.startsWith('response.') || type.startsWith('plugin.')

/** A behaviour event may carry answers of its form among its properties; the rest of it are words of the hub. */
function trackedText(text: string, view: FormView | undefined, pii: PiiGrant): string {
  if (pii === true || !text.includes('"properties"')) return text
  const hidden = view === undefined ? null : hiddenKeys(view, pii)
  if (hidden?.length === 0) return text
  const { properties, ...data } = JSON.parse(text) as { readonly [part: string]: Json; readonly properties?: Parts }
  if (properties === undefined) return text
  const withheld = Object.keys(properties).filter((key) => hidden === null || hidden.includes(key))
  if (withheld.length === 0) return text
  const shown = Object.entries(properties).filter(([key]) => !withheld.includes(key))
  const rest = withoutCopies(
    data,
    withheld.map((key) => properties[key] as Json),
  )
  return JSON.stringify({ ...rest, ...(hidden === null ? {} : { properties: Object.fromEntries(shown) }) })
}

type Parts = { readonly [key: string]: Json }

/** What a family made columns of its own of, out of its properties. */
const EFFECTS = ['subject', 'action', 'measure'] as const

/** Which property each came from is not written down: whatever says the same as a withheld one goes with it. */
function withoutCopies(data: Parts, withheld: readonly Json[]): Parts {
  const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))
  const texts = new Set(withheld.map(textOf))
  const isCopy = (name: string): boolean => Object.hasOwn(data, name) && texts.has(textOf(data[name] ?? null))
  return Object.fromEntries(
    Object.entries(data).filter(([name]) => !EFFECTS.some((effect) => effect === name && isCopy(name))),
  )
}
