/** One check per field type: turns an answer into its normal form, or says in a sentence what is wrong with it. */
import type { Json } from '../contract/index.ts'
import { LIMITS } from '../limits.ts'
import type { Field, FieldType } from '../model.ts'
import { isWebUrl } from './form-definition.ts'
import { isDate, utcTime } from './times.ts'

/** A refusal: the sentence continues "the answer ...". */
export class Refusal {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

/** Reads one answer. Answers are never `undefined` or `null` here. */
export type FieldCheck = (answer: Json) => Json | Refusal

/** Reads a JSON answer: strict types, nothing converted but times. */
export const jsonCheck = (field: Field, stringCharsMax: number): FieldCheck =>
  JSON_CHECKS[field.type](field, stringCharsMax)

/** Reads what an HTML form sent: one text, or several for a multi_select. Texts are converted, then checked as JSON is. */
export function htmlCheck(field: Field, stringCharsMax: number): FieldCheck {
  const check = jsonCheck(field, stringCharsMax)
  const convert = HTML_CONVERSIONS[field.type]
  return convert === undefined ? check : (answer) => check(convert(answer))
}

const EMAIL =
  /^[^\s@<>()[\],;:\\"\p{Cc}]{1,64}@(?=.{1,253}$)(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,61}[\p{L}\p{M}\p{N}])?$/u
const EMAIL_CHARS_MAX = 254
const URL_CHARS_MAX = 2_048
const FILE_NAME_CHARS_MAX = 255
const RATING_MAX_DEFAULT = 5
const OPTIONS_SHOWN_MAX = 8
const MS_TEXT = 'such as 2026-05-31T09:30:00Z'

/** What is larger is no count of anything, and of many of them there is no sum. */
const BEYOND = new Refusal(`must be within ±${LIMITS.answerNumberMax}`)

const JSON_CHECKS: Record<FieldType, (field: Field, stringCharsMax: number) => FieldCheck> = {
  text: textCheck,
  long_text: textCheck,
  email: () => (answer) => {
    if (typeof answer !== 'string') return new Refusal('must be a text')
    const address = answer.trim()
    return address.length <= EMAIL_CHARS_MAX && EMAIL.test(address)
      ? address
      : new Refusal('must be an e-mail address such as ada@example.com')
  },
  number:
    ({ min = -Infinity, max = Infinity }) =>
    (answer) => {
      if (typeof answer !== 'number' || !Number.isFinite(answer)) return new Refusal('must be a number, without quotes')
      if (Math.abs(answer) > LIMITS.answerNumberMax) return BEYOND
      if (answer < min) return new Refusal(`must be at least ${min}`)
      if (answer > max) return new Refusal(`must be at most ${max}`)
      return answer
    },
  boolean: () => (answer) => (typeof answer === 'boolean' ? answer : new Refusal('must be true or false')),
  date: () => (answer) =>
    typeof answer === 'string' && isDate(answer)
      ? answer
      : new Refusal('must be a date of the calendar, written YYYY-MM-DD'),
  datetime: () => (answer) =>
    (typeof answer === 'string' ? utcTime(answer) : null) ??
    new Refusal(`must be a time with its offset (RFC 3339), ${MS_TEXT}`),
  select: choiceCheck,
  radio: choiceCheck,
  multi_select: manyCheck,
  rating:
    ({ min = 1, max = RATING_MAX_DEFAULT }) =>
    (answer) =>
      typeof answer === 'number' && Number.isInteger(answer) && answer >= min && answer <= max
        ? answer
        : new Refusal(`must be a whole number from ${min} to ${max}`),
  file: () => fileCheck,
  hidden: (field, stringCharsMax) => {
    const text = textCheck(field, stringCharsMax)
    return (answer) => {
      if (typeof answer === 'number') return Math.abs(answer) > LIMITS.answerNumberMax ? BEYOND : answer
      return typeof answer === 'boolean' ? answer : text(answer)
    }
  },
}

function textCheck({ min = 0, max }: Field, stringCharsMax: number): FieldCheck {
  const charsMax = Math.min(max ?? stringCharsMax, stringCharsMax)
  return (answer) => {
    if (typeof answer !== 'string') return new Refusal('must be a text')
    if (answer.length > charsMax) return new Refusal(`must have at most ${charsMax} characters, not ${answer.length}`)
    if (answer.length < min) return new Refusal(`must have at least ${min} characters`)
    return answer
  }
}

function choiceCheck(field: Field): FieldCheck {
  const values = new Set(field.options.map((option) => option.value))
  const refusal = new Refusal(`must be one of ${shown(values)}`)
  return (answer) => (typeof answer === 'string' && values.has(answer) ? answer : refusal)
}

function manyCheck(field: Field): FieldCheck {
  const values = new Set(field.options.map((option) => option.value))
  const refusal = new Refusal(`must be a list of any of ${shown(values)}`)
  return (answer) => {
    if (!Array.isArray(answer)) return refusal
    for (const item of answer as readonly Json[]) {
      if (typeof item !== 'string' || !values.has(item)) return refusal
    }
    return [...new Set(answer as readonly string[])]
  }
}

/** A link, or what is known of a file that lives elsewhere. The hub keeps no file. */
function fileCheck(answer: Json): Json | Refusal {
  if (typeof answer === 'string') return isLink(answer) ? answer : new Refusal('must be an http(s) link to the file')
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer)) {
    return new Refusal('must be an http(s) link to the file, or { url, name, type, size }')
  }
  const file = answer as { readonly [key: string]: Json }
  const { url, name, type, size } = file
  const extra = Object.keys(file).find((key) => !FILE_KEYS.has(key))
  if (extra !== undefined) return new Refusal('may only have url, name, type and size')
  if (url === undefined ? name === undefined : typeof url !== 'string' || !isLink(url))
    return new Refusal('needs "url", an http(s) link to the file')
  if (name !== undefined && (typeof name !== 'string' || name.length > FILE_NAME_CHARS_MAX))
    return new Refusal(`"name" must be a text of at most ${FILE_NAME_CHARS_MAX} characters`)
  if (type !== undefined && (typeof type !== 'string' || type.length > FILE_NAME_CHARS_MAX))
    return new Refusal('"type" must be a media type')
  if (size !== undefined && (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0))
    return new Refusal('"size" must be a number of bytes')
  return answer
}

const FILE_KEYS: ReadonlySet<string> = new Set(['url', 'name', 'type', 'size'])

const isLink = (text: string): boolean => text.length <= URL_CHARS_MAX && isWebUrl(text)

function shown(values: ReadonlySet<string>): string {
  const first = [...values].slice(0, OPTIONS_SHOWN_MAX).map((value) => JSON.stringify(value))
  return values.size > first.length ? `${first.join(', ')} and ${values.size - first.length} more` : first.join(', ')
}

const NUMERIC = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/
const LOCAL_TIME = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?$/
const TRUE_TEXTS: ReadonlySet<string> = new Set(['true', 'on', '1', 'yes'])
const FALSE_TEXTS: ReadonlySet<string> = new Set(['false', 'off', '0', 'no'])

const toNumber = (answer: Json): Json => {
  const text = typeof answer === 'string' ? answer.trim() : ''
  return NUMERIC.test(text) ? Number(text) : answer
}

const HTML_CONVERSIONS: Partial<Record<FieldType, (answer: Json) => Json>> = {
  number: toNumber,
  rating: toNumber,
  boolean: (answer) => {
    const text = typeof answer === 'string' ? answer.trim().toLowerCase() : ''
    return TRUE_TEXTS.has(text) ? true : FALSE_TEXTS.has(text) ? false : answer
  },
  // A datetime-local input has no offset; it is read as UTC.
  datetime: (answer) => {
    if (typeof answer !== 'string' || !LOCAL_TIME.test(answer)) return answer
    return `${answer.replace(' ', 'T')}${answer.length === 16 ? ':00' : ''}Z`
  },
  multi_select: (answer) => (typeof answer === 'string' ? [answer] : answer),
}
