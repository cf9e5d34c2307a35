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
      ...listAt(body['items']).map((item) => answerOf(objectAt(item))),
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

/** An "other" answer is not among the choices, so it comes as text of its own. */
function answerOf(item: Fields): Answer {
  const id = textAt(item['id'])
  if (id === null) throw new Unreadable('/items has one without an id')
  const label = textAt(item['title']) ?? id
  const base = { key: keyOf(`q_${id}`), names: [label, id], label }
  const type = textAt(item['type']) ?? ''
  const value = item['response'] ?? null
  const options = listAt(item['choices']).flatMap((choice) => textAt(choice) ?? [])
  if (NUMBERS.has(type)) return { ...base, type: 'number', value: numberOf(value) }
  if (type === 'DATE') return { ...base, type: 'date', value }
  if (CHOICES.has(type) && options.length > 0) {
    const given = (Array.isArray(value) ? listAt(value) : [value]).flatMap((one) => textAt(one) ?? [])
    if (given.every((one) => options.includes(one)))
      return type === 'CHECKBOX'
        ? { ...base, type: 'multi_select', value: given, options }
        : { ...base, type: 'select', value: given[0] ?? null, options }
    return { ...base, key: `${base.key}_other`, label: `${label} (other)`, type: 'long_text', value }
  }
  return { ...base, value, ...guessed(label, value) }
}

const numberOf = (value: Json): Json => {
  const text = textAt(value)
  return text === null || Number.isNaN(Number(text)) ? value : Number(text)
}
