/**
 * Typeform: https://www.typeform.com/developers/webhooks/example-payload/ (shape), /responses/JSON-response-explanation/
 * (types of answers), /webhooks/secure-your-webhooks/ (`Typeform-Signature: sha256=<base64 of HMAC-SHA256 over the body>`).
 */
import type { Json } from 'manifold/plugin'
import { keyOf, listAt, objectAt, textAt, timeAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival, Fields, Passed } from './arrival.ts'

const STATUS: { readonly [type: string]: Arrival['status'] } = {
  form_response: 'completed',
  form_response_partial: 'partial',
}

/** `token` is the same from the first partial answers to the last retry. */
export function readTypeform(body: Fields): Arrival | Passed {
  const type = textAt(body['event_type']) ?? ''
  const status = Object.hasOwn(STATUS, type) ? STATUS[type] : undefined
  if (status === undefined) return { passed: `an event of type "${type.slice(0, 50)}"` }
  const response = objectAt(body['form_response'])
  const definition = objectAt(response['definition'])
  const id = textAt(response['token']) ?? textAt(body['event_id'])
  if (id === null) throw new Unreadable('/form_response/token is missing')
  const formId = textAt(response['form_id'])
  if (formId === null) throw new Unreadable('/form_response/form_id is missing')
  const asked = new Map(listAt(definition['fields']).map((field) => [textAt(objectAt(field)['id']), objectAt(field)]))
  return {
    id,
    formId,
    formName: textAt(definition['title']) ?? formId,
    status,
    startedAt: timeAt(response['landed_at']),
    submittedAt: timeAt(response['submitted_at']),
    answers: [
      ...listAt(response['answers']).flatMap((answer) => answersOf(objectAt(answer), asked)),
      ...hiddenOf(objectAt(response['hidden'])),
      ...countedOf(response),
    ],
  }
}

function answersOf(answer: Fields, asked: ReadonlyMap<string | null, Fields>): readonly Answer[] {
  const field = objectAt(answer['field'])
  const id = textAt(field['id'])
  const name = textAt(field['ref']) ?? id
  if (name === null) throw new Unreadable('/form_response/answers has one without a field')
  const question = asked.get(id) ?? {}
  const label = textAt(question['title']) ?? name
  const base = { key: keyOf(name), names: [name, ...(id === null ? [] : [id]), label], label }
  const type = textAt(answer['type']) ?? ''
  const value = answer[type] ?? null
  switch (type) {
    case 'email':
      return [{ ...base, type: 'email', value, pii: true }]
    case 'phone_number':
      return [{ ...base, type: 'text', value, pii: true }]
    case 'number':
      return [{ ...base, type: 'number', value }]
    case 'boolean':
      return [{ ...base, type: 'boolean', value }]
    case 'date':
      return [{ ...base, type: typeof value === 'string' && value.length > 10 ? 'datetime' : 'date', value }]
    case 'file_url':
      return [{ ...base, type: 'file', value }]
    case 'choice':
    case 'choices':
      return chosen(base, { value: objectAt(value), question, isMany: type === 'choices' })
    case 'payment':
      return paid(base, objectAt(value))
    default:
      return [{ ...base, type: textAt(question['type']) === 'long_text' ? 'long_text' : 'text', value }]
  }
}

type Base = Pick<Answer, 'key' | 'names' | 'label'>

/** What somebody wrote under "other" is an answer of its own: it is no option of the form's. */
function chosen(
  base: Base,
  { value, question, isMany }: { readonly value: Fields; readonly question: Fields; readonly isMany: boolean },
): readonly Answer[] {
  const offered = listAt(question['choices']).flatMap((choice) => textAt(objectAt(choice)['label']) ?? [])
  const labels = (isMany ? listAt(value['labels']) : [value['label'] ?? null]).flatMap((label) => textAt(label) ?? [])
  const other = textAt(value['other'])
  const options = [...new Set([...offered, ...labels])]
  const answers: Answer[] = []
  if (isMany) answers.push({ ...base, type: 'multi_select', value: labels, options })
  else if (labels[0] !== undefined) answers.push({ ...base, type: 'select', value: labels[0], options })
  if (other !== null) answers.push(beside(base, 'other', { type: 'text', value: other }))
  return answers
}

/** The amount can be counted with; who paid is private. */
function paid(base: Base, { amount, name, last4 }: Fields): readonly Answer[] {
  const sum = Number(textAt(amount) ?? Number.NaN)
  const payer = [textAt(name), textAt(last4) === null ? null : `card ending ${textAt(last4)}`]
    .filter(Boolean)
    .join(', ')
  return [
    Number.isNaN(sum) ? { ...base, type: 'text', value: amount ?? null } : { ...base, type: 'number', value: sum },
    ...(payer === '' ? [] : [beside(base, 'payer', { type: 'text', value: payer, pii: true })]),
  ]
}

const beside = ({ key, names, label }: Base, part: string, more: Pick<Answer, 'type' | 'value' | 'pii'>): Answer => ({
  key: `${key}_${part}`,
  names: names.map((name) => `${name}_${part}`),
  label: `${label} (${part})`,
  ...more,
})

const hiddenOf = (hidden: Fields): readonly Answer[] =>
  Object.entries(hidden).map(([name, value]) => ({
    key: keyOf(name),
    names: [name],
    label: name,
    type: 'hidden',
    value,
  }))

/** `calculated.score` is the older name of the variable `score`. */
function countedOf(response: Fields): readonly Answer[] {
  const counted = new Map<string, Json>()
  const { score } = objectAt(response['calculated'])
  if (score !== undefined) counted.set('score', score)
  for (const each of listAt(response['variables'])) {
    const { key, type, ...values } = objectAt(each)
    const name = textAt(key)
    if (name !== null) counted.set(name, values[textAt(type) ?? ''] ?? null)
  }
  return [...counted].map(([name, value]) => ({
    key: keyOf(name),
    names: [name],
    label: name,
    type: typeof value === 'number' ? 'number' : 'text',
    value,
  }))
}
