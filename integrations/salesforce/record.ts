/** One response as a record of Salesforce: the field map, rendered and converted to what each field takes. */
import type { ActionItem, Json } from 'manifold/plugin'
import { textOf, valueOf, viewOf, type View } from './template.ts'
import type { Config } from './types.d.ts'

export type FieldType = 'text' | 'number' | 'boolean' | 'date' | 'datetime' | 'picklist' | 'multipicklist'

export interface MappedField {
  readonly name: string
  readonly value: string
  readonly type: FieldType
  readonly maxLength: number | undefined
  /** No answer empties the field. */
  readonly clear: boolean
}

export interface RecordRow {
  /** Value of the external id. */
  readonly key: string
  readonly json: { readonly [field: string]: Json }
}

/** An answer that its field cannot take. */
export class FieldError extends Error {
  override readonly name = 'FieldError'
}

/** The map as it is used: the short form means text. */
export const mappedFields = ({ fields }: Pick<Config, 'fields'>): readonly MappedField[] =>
  Object.entries(fields).map(([name, field]) =>
    typeof field === 'string'
      ? { name, value: field, type: 'text', maxLength: undefined, clear: false }
      : {
          name,
          value: field.value,
          type: field.type ?? 'text',
          maxLength: field.maxLength,
          clear: field.clear ?? false,
        },
  )

/** Throws FieldError, which names the field and the value. */
export function recordOf(item: ActionItem, config: Config): RecordRow {
  const view = viewOf(item)
  const { field, value } = config.externalId
  const key = textOf(valueOf(value, view)).trim()
  if (key === '') throw new FieldError(`${field}: the external id "${value}" is empty for this response.`)
  const json: { [field: string]: Json } = { attributes: { type: config.object }, [field]: key }
  for (const mapped of mappedFields(config)) {
    const converted = convert(mapped, view)
    if (converted !== null || mapped.clear) setAt(json, mapped.name.split('.'), converted)
  }
  return { key, json }
}

/** `Account.Code__c` is a relationship by an external id of the other object: `{"Account": {"Code__c": …}}`. */
function setAt(json: { [field: string]: Json }, path: readonly string[], value: Json): void {
  const [name = '', rest] = path
  json[name] = rest === undefined ? value : { [rest]: value }
}

function convert(field: MappedField, view: View): Json {
  const raw = valueOf(field.value, view)
  if (raw === undefined || raw === null || raw === '' || (Array.isArray(raw) && raw.length === 0)) return null
  return CONVERSIONS[field.type](raw, field)
}

type Convert = (value: Json, field: MappedField) => Json

const CONVERSIONS: Readonly<Record<FieldType, Convert>> = {
  text: (value, { maxLength }) => cut(textOf(value), maxLength),
  picklist: (value, { maxLength }) => cut(textOf(value).trim(), maxLength),
  multipicklist: (value) => (Array.isArray(value) ? value.map(textOf) : textOf(value).split(/\s*[;,]\s*/)).join(';'),
  number: (value, field) => {
    const number = typeof value === 'number' ? value : Number(textOf(value).trim())
    return Number.isFinite(number) ? number : wrong(field, value, 'a number')
  },
  boolean: (value, field) => {
    if (typeof value === 'boolean') return value
    const word = textOf(value).trim().toLowerCase()
    if (TRUE.has(word)) return true
    return FALSE.has(word) ? false : wrong(field, value, 'yes or no')
  },
  date: (value, field) => {
    const text = textOf(value).trim()
    if (!ISO.test(text)) return wrong(field, value, 'a date such as 2026-03-01')
    return timeOf(text, field).slice(0, 'YYYY-MM-DD'.length)
  },
  datetime: (value, field) => {
    const text = textOf(value).trim()
    if (!ISO.test(text)) return wrong(field, value, 'a time such as 2026-03-01T12:00:00Z')
    return timeOf(text, field)
  },
}

const TRUE: ReadonlySet<string> = new Set(['true', 'yes', 'on', '1'])
const FALSE: ReadonlySet<string> = new Set(['false', 'no', 'off', '0'])
/** RFC 3339; a time without a zone is UTC. */
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/
const HAS_ZONE = /(?:Z|[+-]\d{2}:?\d{2})$/

function timeOf(text: string, field: MappedField): string {
  const day = text.slice(0, 'YYYY-MM-DD'.length)
  // Date takes 30 February for 2 March.
  const isDay = new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) === true
  const at = new Date(text.includes('T') && !HAS_ZONE.test(text) ? `${text}Z` : text)
  return isDay && !Number.isNaN(at.getTime()) ? at.toISOString() : wrong(field, text, 'a day of the calendar')
}

function cut(text: string, maxLength = Infinity): string {
  const whole = text.toWellFormed()
  if (whole.length <= maxLength) return whole
  const first = whole.slice(0, maxLength)
  return first.isWellFormed() ? first : first.slice(0, -1)
}

const SHOWN_CHARS_MAX = 80

function wrong(field: MappedField, value: Json, wanted: string): never {
  const text = textOf(value)
  const shown = text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text
  throw new FieldError(`${field.name}: "${shown}" is not ${wanted}.`)
}
