/** One response as a record of Salesforce: the field map, rendered and converted to what each field takes. */
import type { ActionItem, Json } from 'manifold/plugin'
import { textOf, valueOf, viewOf, type View } from './template.ts'
import type { Config } from './types.d.ts'
import { numberOf, timeOf, type Written } from './values.ts'

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
  // Blanks are text, and nothing else.
  if (field.type !== 'text' && typeof raw === 'string' && raw.trim() === '') return null
  return CONVERSIONS[field.type](raw, field)
}

type Convert = (value: Json, field: MappedField) => Json

const CONVERSIONS: Readonly<Record<FieldType, Convert>> = {
  text: (value, { maxLength }) => cut(textOf(value), maxLength),
  picklist: (value, { maxLength }) => cut(textOf(value).trim(), maxLength),
  multipicklist: (value, field) => {
    if (!Array.isArray(value)) return valuesIn(textOf(value)).join(';')
    const values = (value as readonly Json[]).map((one) => textOf(one).trim())
    // Salesforce would take it for two, the second of which nobody chose.
    return values.some((one) => one.includes(';'))
      ? wrong(field, value, 'a list of values without ";"')
      : values.join(';')
  },
  number: (value, field) =>
    typeof value === 'number' ? value : (numberOf(textOf(value).trim()) ?? wrong(field, value, 'a number')),
  boolean: (value, field) => {
    if (typeof value === 'boolean') return value
    const word = textOf(value).trim().toLowerCase()
    if (TRUE.has(word)) return true
    return FALSE.has(word) ? false : wrong(field, value, 'yes or no')
  },
  date: (value, field) => written(field, value, 'a date such as 2026-03-01').day,
  datetime: (value, field) => written(field, value, 'a time such as 2026-03-01T12:00:00Z').at,
}

/** Several values in one text, as Salesforce writes them; a comma may be part of one. */
export const valuesIn = (text: string): readonly string[] =>
  text
    .split(';')
    .map((value) => value.trim())
    .filter((value) => value !== '')

const TRUE: ReadonlySet<string> = new Set(['true', 'yes', 'on', '1'])
const FALSE: ReadonlySet<string> = new Set(['false', 'no', 'off', '0'])

function written(field: MappedField, value: Json, wanted: string): Written {
  const time = timeOf(textOf(value).trim())
  if (time === null) return wrong(field, value, wanted)
  return time === 'no-day' ? wrong(field, value, 'a day of the calendar') : time
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
