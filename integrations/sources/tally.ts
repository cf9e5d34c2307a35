/**
 * Tally: https://tally.so/help/webhooks (shape; retries 5 min, 30 min, 1 h, 6 h and 1 day after a failure; `Tally-Signature`:
 * base64 of HMAC-SHA256 over the body). Choices come as ids with their texts beside them.
 */
import type { Json } from 'manifold/plugin'
import { isObject, keyOf, listAt, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, AnswerType, Arrival, Fields, Passed } from './arrival.ts'

const TYPES: { readonly [type: string]: AnswerType } = {
  INPUT_TEXT: 'text',
  TEXTAREA: 'long_text',
  INPUT_EMAIL: 'email',
  INPUT_PHONE_NUMBER: 'text',
  INPUT_NUMBER: 'number',
  INPUT_LINK: 'text',
  INPUT_DATE: 'date',
  INPUT_TIME: 'text',
  LINEAR_SCALE: 'number',
  RATING: 'number',
  HIDDEN_FIELDS: 'hidden',
}
const CHOICES: ReadonlySet<string> = new Set(['MULTIPLE_CHOICE', 'DROPDOWN', 'CHECKBOXES', 'MULTI_SELECT', 'RANKING'])
const FILES: ReadonlySet<string> = new Set(['FILE_UPLOAD', 'SIGNATURE'])
const PRIVATE: ReadonlySet<string> = new Set(['INPUT_EMAIL', 'INPUT_PHONE_NUMBER', 'SIGNATURE'])

/** `responseId` stays when a webhook is sent again; `eventId` stands in where there is none. */
export function readTally(body: Fields): Arrival | Passed {
  const type = textAt(body['eventType']) ?? ''
  if (type !== 'FORM_RESPONSE') return { passed: `an event of type "${type.slice(0, 50)}"` }
  const data = objectAt(body['data'])
  const id = textAt(data['responseId']) ?? textAt(data['submissionId']) ?? textAt(body['eventId'])
  if (id === null) throw new Unreadable('/data/responseId is missing')
  const formId = textAt(data['formId'])
  if (formId === null) throw new Unreadable('/data/formId is missing')
  const fields = listAt(data['fields']).map(objectAt)
  const asked = new Set(fields.filter((field) => Array.isArray(field['options'])).map((field) => textAt(field['key'])))
  return {
    id,
    formId,
    formName: textAt(data['formName']) ?? formId,
    status: 'completed',
    startedAt: null,
    submittedAt: timeAt(data['createdAt']) ?? timeAt(body['createdAt']),
    answers: fields.filter((field) => !isBoxOf(field, asked)).flatMap(answersOf),
  }
}

/** Each box of a list of check boxes comes once more by itself, as true or false. */
const isBoxOf = (field: Fields, asked: ReadonlySet<string | null>): boolean =>
  typeof field['value'] === 'boolean' &&
  [...asked].some((key) => key !== null && textAt(field['key'])?.startsWith(`${key}_`) === true)

function answersOf(field: Fields): readonly Answer[] {
  const name = textAt(field['key'])
  if (name === null) throw new Unreadable('/data/fields has one without a key')
  const type = textAt(field['type']) ?? ''
  const label = textAt(field['label']) ?? name
  const pii = PRIVATE.has(type) ? { pii: true } : {}
  const base = { key: keyOf(name), names: [name, label], label, ...pii }
  const value = field['value'] ?? null
  if (CHOICES.has(type))
    return chosen(base, { value, options: listAt(field['options']), isSingle: isSingle(type, value) })
  if (FILES.has(type)) return files(base, listAt(value))
  if (type === 'MATRIX') return [{ ...base, type: 'long_text', value: matrix(value, field) }]
  if (type === 'CALCULATED_FIELDS') return [{ ...base, type: typeof value === 'number' ? 'number' : 'text', value }]
  return [{ ...base, type: Object.hasOwn(TYPES, type) ? (TYPES[type] as AnswerType) : 'long_text', value }]
}

/**
 * A dropdown takes one. A multiple choice may be set to take several, which nothing tells but that a list comes, or nothing
 * yet: a form that was made for one answer would never take two.
 */
const isSingle = (type: string, value: Json): boolean =>
  type === 'DROPDOWN' || (type === 'MULTIPLE_CHOICE' && typeof value === 'string')

type Base = Omit<Answer, 'type' | 'value'>

function chosen(
  base: Base,
  given: { readonly value: Json; readonly options: readonly Json[]; readonly isSingle: boolean },
): readonly Answer[] {
  const texts = textsById(given.options)
  const ids = Array.isArray(given.value) ? listAt(given.value) : [given.value]
  const labels = ids.flatMap((each) => {
    const id = textAt(each)
    return id === null ? [] : (texts.get(id) ?? id)
  })
  const options = [...new Set([...texts.values(), ...labels])]
  if (given.isSingle && labels.length <= 1) return [{ ...base, type: 'select', value: labels[0] ?? null, options }]
  return [{ ...base, type: 'multi_select', value: labels.length === 0 ? null : labels, options }]
}

const textsById = (options: readonly Json[]): ReadonlyMap<string, string> =>
  new Map(
    options.map(objectAt).flatMap((option) => {
      const [id, text] = [textAt(option['id']), textAt(option['text']) ?? textAt(option['name'])]
      return id === null || text === null ? [] : [[id, text] as const]
    }),
  )

/** A field holds one file; more are fields of their own. */
const files = (base: Base, list: readonly Json[]): readonly Answer[] =>
  list.filter(isObject).map(({ url, name, mimeType, size }, index) => ({
    ...base,
    ...(index === 0 ? {} : { key: `${base.key}_${index + 1}`, names: [`${base.names[0]}_${index + 1}`] }),
    type: 'file',
    value: {
      ...(url === undefined ? {} : { url }),
      ...(name === undefined ? {} : { name }),
      ...(mimeType === undefined ? {} : { type: mimeType }),
      ...(size === undefined ? {} : { size }),
    },
  }))

/** A line for each row, in words. */
function matrix(value: Json, field: Fields): Json {
  if (!isObject(value)) return value
  const rows = textsById(listAt(field['rows']))
  const columns = textsById(listAt(field['columns']))
  return Object.entries(value)
    .map(([row, cells]) => {
      const words = listAt(cells).flatMap((cell) => {
        const id = textAt(cell)
        return id === null ? [] : (columns.get(id) ?? id)
      })
      return `${rows.get(row) ?? row}: ${words.join(', ')}`
    })
    .join('\n')
}
