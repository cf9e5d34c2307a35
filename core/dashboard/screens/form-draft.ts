/** A form as its editor has it: made of a definition, read from what was typed, and back to a definition. */
import { jsonOr } from '../api.ts'
import type { FieldItem, FormItem } from '../wire.ts'

/** A field as it was typed. */
export interface FieldDraft {
  readonly key: string
  readonly label: string
  readonly type: string
  /** A line each, as `optionLine` writes them. */
  readonly options: string
  readonly help: string
  readonly min: string
  readonly max: string
  readonly required: boolean
  readonly pii: boolean
}

/** A form as it was typed. */
export interface Draft {
  readonly id: string
  /** The one that is changed; empty for a new form. */
  readonly version: string
  readonly name: string
  readonly access: string
  readonly unknown: string
  readonly redirect: string
  readonly timezone: string
  readonly honeypot: string
  readonly fields: readonly FieldDraft[]
}

/** What "Add a field" adds. */
export const NEW_FIELD: FieldDraft = {
  key: '',
  label: '',
  type: 'text',
  options: '',
  help: '',
  min: '',
  max: '',
  required: false,
  pii: false,
}
/** Where a new form begins. */
export const EMPTY: Draft = {
  id: '',
  version: '',
  name: '',
  access: 'public',
  unknown: 'keep',
  redirect: '',
  timezone: '',
  honeypot: '',
  fields: [{ ...NEW_FIELD, key: 'email', label: 'E-mail', type: 'email', required: true, pii: true }],
}

/** A stored form, to be changed. */
export const draftOf = (form: FormItem): Draft => ({
  id: form.id,
  version: String(form.version),
  name: form.name,
  access: form.access,
  unknown: form.unknown_fields,
  redirect: form.redirect_url ?? '',
  timezone: form.timezone ?? '',
  honeypot: form.honeypot_field,
  fields: form.fields.map(fieldDraft),
})

const fieldDraft = ({ key, label, type, options = [], help = '', min, max, required, pii }: FieldItem): FieldDraft => ({
  key,
  label: label ?? '',
  type,
  options: options.map(optionLine).join('\n'),
  help,
  min: min === undefined ? '' : String(min),
  max: max === undefined ? '' : String(max),
  required,
  pii,
})

type Option = NonNullable<FieldItem['options']>[number]

/** `value` or `value = label`; what would not be read back as it is stands in quotes, as JSON does it. */
function optionLine(option: Option): string {
  const { value, label = value } = typeof option === 'string' ? { value: option } : option
  return label === value ? shown(value, SPLITS) : `${shown(value, SPLITS)} = ${shown(label)}`
}

/** What parts a value from its label, if only together with the sign that follows it. */
const SPLITS = / =(?: |$)/
/** A line of its own, or something that is sent as another character. */
const CONTROLS = /\p{Cc}/u

const shown = (text: string, apart?: RegExp): string =>
  text === text.trim() &&
  !text.startsWith('"') &&
  !CONTROLS.test(text) &&
  text.isWellFormed() &&
  apart?.test(text) !== true
    ? text
    : JSON.stringify(text)

/** The other way round of `optionLine`. */
function optionOf(line: string): Option {
  const [, quoted, rest] = /^("(?:[^"\\]|\\.)*")(?:$| = (.+)$)/s.exec(line) ?? []
  const value = quoted === undefined ? null : unquoted(quoted)
  if (value !== null) return rest === undefined ? value : { value, label: unquoted(rest.trim()) ?? rest.trim() }
  const at = line.indexOf(' = ')
  if (at < 0) return line
  const label = line.slice(at + 3).trim()
  return { value: line.slice(0, at).trim(), label: unquoted(label) ?? label }
}

/** Null: it is no text in quotes. */
function unquoted(text: string): string | null {
  const value = text.startsWith('"') ? jsonOr(text) : null
  return typeof value === 'string' && value !== text ? value : null
}

/** What the editor's form was sent with. */
export function typedIn(form: URLSearchParams): Draft {
  const text = (name: string): string => (form.get(name) ?? '').trim()
  // As it is, since a space at an end may be meant; a browser sends the ends of lines its own way.
  const prose = (name: string): string => (text(name) === '' ? '' : (form.get(name) ?? '').replaceAll('\r\n', '\n'))
  const count = Math.min(Number(text('count')) || 0, ROWS_MAX)
  return {
    id: text('id'),
    version: text('version'),
    name: text('name'),
    access: text('access'),
    unknown: text('unknown'),
    redirect: text('redirect'),
    timezone: text('timezone'),
    honeypot: text('honeypot'),
    fields: Array.from({ length: count }, (_row, at) => ({
      key: text(`key-${at}`),
      label: prose(`label-${at}`),
      type: text(`type-${at}`),
      options: form.get(`options-${at}`) ?? '',
      help: prose(`help-${at}`),
      min: text(`min-${at}`),
      max: text(`max-${at}`),
      required: form.has(`required-${at}`),
      pii: form.has(`pii-${at}`),
    })),
  }
}

/** As many fields as a form may have. */
const ROWS_MAX = 500

/** The definition, as the API takes it. */
export function bodyOf(draft: Draft): object {
  return {
    name: draft.name,
    access: draft.access,
    unknown_fields: draft.unknown,
    redirect_url: draft.redirect === '' ? null : draft.redirect,
    ...(draft.timezone === '' ? {} : { timezone: draft.timezone }),
    ...(draft.honeypot === '' ? {} : { honeypot_field: draft.honeypot }),
    fields: draft.fields.map(({ key, label, type, options, help, min, max, required, pii }) => {
      const lines = options
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '')
      return {
        key,
        type,
        required,
        pii,
        ...(label === '' ? {} : { label }),
        ...(help === '' ? {} : { help }),
        ...(lines.length === 0 ? {} : { options: lines.map(optionOf) }),
        ...bound('min', min),
        ...bound('max', max),
      }
    }),
  }
}

/** What is no number is left for the API to refuse. */
const bound = (name: string, text: string): object =>
  text === '' ? {} : { [name]: Number.isNaN(Number(text)) ? text : Number(text) }
