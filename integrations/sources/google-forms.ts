/**
 * Google Forms: what the script in README.md sends. Items and responses are those of Apps Script:
 * https://developers.google.com/apps-script/reference/forms/form-response and .../item-type.
 */
import type { Json } from 'manifold/plugin'
import { guessed, keyOf, listAt, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival, Fields } from './arrival.ts'

const CHOICES: ReadonlySet<string> = new Set(['MULTIPLE_CHOICE', 'LIST', 'CHECKBOX'])
const NUMBERS: ReadonlySet<string> = new Set(['SCALE', 'RATING'])

/** `responseId` is Google's. */
export function readGoogleForms(body: Fields): Arrival {
  const id = textAt(body['responseId'])
  if (id === null) throw new Unreadable('/responseId is missing')
  const formId = textAt(body['formId'])
  if (formId === null) throw new Unreadable('/formId is missing')
  const respondent = textAt(body['respondentEmail'])
  return {
    id,
    formId,
    formName: textAt(body['formTitle']) ?? formId,
    status: 'completed',
    startedAt: null,
    submittedAt: timeAt(body['timestamp']),
    answers: [
      ...listAt(body['items']).flatMap((item) => answersOf(objectAt(item))),
      ...(respondent === null ? [] : [RESPONDENT(respondent)]),
    ],
  }
}

const RESPONDENT = (value: string): Answer => ({
  key: 'respondent_email',
  names: ['respondentEmail'],
  label: 'E-mail of the respondent',
  type: 'email',
  value,
  pii: true,
})

function answersOf(item: Fields): readonly Answer[] {
  const id = textAt(item['id'])
  if (id === null) throw new Unreadable('/items has one without an id')
  const label = textAt(item['title']) ?? id
  const base = { key: keyOf(`q_${id}`), names: [label, id], label }
  const type = textAt(item['type']) ?? ''
  const value = item['response'] ?? null
  const options = listAt(item['choices']).flatMap((choice) => textAt(choice) ?? [])
  if (NUMBERS.has(type)) return [{ ...base, type: 'number', value: numberOf(value) }]
  if (type === 'DATE') return [{ ...base, type: 'date', value }]
  if (CHOICES.has(type) && options.length > 0) return chosen(base, { value, options, isMany: type === 'CHECKBOX' })
  return [{ ...base, value, ...guessed(label, value) }]
}

/** An "other" answer is not among the choices, so it comes as text of its own, beside those that are. */
function chosen(
  base: Pick<Answer, 'key' | 'names' | 'label'>,
  { value, options, isMany }: { readonly value: Json; readonly options: readonly string[]; readonly isMany: boolean },
): readonly Answer[] {
  const given = (Array.isArray(value) ? listAt(value) : [value]).flatMap((one) => textAt(one) ?? [])
  const known = given.filter((one) => options.includes(one))
  const others = given.filter((one) => !options.includes(one))
  const other = others.join(', ')
  const beside = { key: `${base.key}_other`, label: `${base.label} (other)`, type: 'long_text', value: other } as const
  if (isMany)
    return [
      { ...base, type: 'multi_select', value: known, options, inWords: given.join(', ') },
      ...(others.length === 0 ? [] : [{ ...beside, names: base.names.map((name) => `${name}_other`) }]),
    ]
  if (others.length > 0) return [{ ...beside, names: base.names }]
  return [{ ...base, type: 'select', value: known[0] ?? null, options }]
}

const numberOf = (value: Json): Json => {
  const text = textAt(value)
  return text === null || Number.isNaN(Number(text)) ? value : Number(text)
}
