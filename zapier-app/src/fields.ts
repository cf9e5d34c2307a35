/** Fields of a form as Zapier's: what a trigger brings, labelled with the questions, and what an action asks for. */
import type { Bundle, ZObject } from 'zapier-platform-core'
import { formOf } from './hub.ts'
import type { HubField } from './hub.ts'

type FieldType = 'string' | 'text' | 'number' | 'boolean' | 'datetime' | 'file'

interface OutputField {
  readonly key: string
  readonly label: string
  readonly type: FieldType
}

const FIELD_TYPES: Readonly<Record<string, FieldType>> = {
  number: 'number',
  rating: 'number',
  boolean: 'boolean',
  date: 'datetime',
  datetime: 'datetime',
}

/** In every response, whatever its form. */
export const RESPONSE_FIELDS: readonly OutputField[] = [
  { key: 'id', label: 'Response', type: 'string' },
  { key: 'form_id', label: 'Form Key', type: 'string' },
  { key: 'form_name', label: 'Form Name', type: 'string' },
  { key: 'form_version', label: 'Form Version', type: 'number' },
  { key: 'status', label: 'Status', type: 'string' },
  { key: 'started_at', label: 'Started At', type: 'datetime' },
  { key: 'started_at_text', label: 'Started At (Text)', type: 'string' },
  { key: 'submitted_at', label: 'Submitted At', type: 'datetime' },
  { key: 'submitted_at_text', label: 'Submitted At (Text)', type: 'string' },
  { key: 'url', label: 'Link', type: 'string' },
  { key: 'other_answers', label: 'Other Answers', type: 'string' },
]

/** What the answers of this form bring: values, the same for people, and each option of a choice of several. */
export const answerFields = (fields: readonly HubField[]): readonly OutputField[] =>
  fields.flatMap(({ key, label, type, options = [] }): OutputField[] => {
    const value: OutputField = { key: `answers__${key}`, label, type: FIELD_TYPES[type] ?? 'string' }
    const text: OutputField = { key: `texts__${key}`, label: `${label} (Text)`, type: 'string' }
    if (type === 'file') return [value, text, { key: `files__${key}`, label: `${label} (File)`, type: 'file' }]
    if (type !== 'multi_select') return [value, text]
    const each = options.map((option): OutputField => ({
      key: `choices__${key}__${option.value}`,
      label: `${label}: ${option.label}`,
      type: 'string',
    }))
    return [value, text, ...each]
  })

const chosenForm = ({ inputData }: Bundle): string => String(inputData['form_id'] ?? '')

/** Of the form that is chosen; none before one is. */
export async function answersOfForm(z: ZObject, bundle: Bundle): Promise<OutputField[]> {
  const id = chosenForm(bundle)
  return id === '' ? [] : [...answerFields((await formOf(z, bundle, id)).fields)]
}

/** Stands before a field's key in what an action asks for, apart from the action's own inputs. */
export const ANSWER = 'answer_'

/** One input for each field of the form that is chosen. */
export async function inputsOfForm(z: ZObject, bundle: Bundle) {
  const id = chosenForm(bundle)
  if (id === '') return []
  return (await formOf(z, bundle, id)).fields.map(({ key, label, type, required, options = [], help }) => ({
    key: `${ANSWER}${key}`,
    label,
    type: type === 'long_text' ? ('text' as const) : (FIELD_TYPES[type] ?? 'string'),
    required,
    ...(type === 'multi_select' ? { list: true } : {}),
    ...(options.length === 0
      ? {}
      : { choices: options.map(({ value, label: text }) => ({ value, sample: value, label: text })) }),
    ...(help === undefined ? {} : { helpText: help }),
  }))
}

/** The answers among an action's inputs, with the questions; blanks are left out, since the hub takes them for unanswered. */
export async function answersIn(z: ZObject, bundle: Bundle) {
  const { fields: questions } = await formOf(z, bundle, chosenForm(bundle))
  const answers = questions.flatMap((question): [string, unknown][] => {
    const given: unknown = bundle.inputData[`${ANSWER}${question.key}`]
    if (given === undefined || given === null || given === '') return []
    return [[question.key, typed(given, question)]]
  })
  return { questions, data: Object.fromEntries(answers) }
}

/** Text that is no such value goes as it is: the hub says of which question, and what it wants. */
function typed(given: unknown, question: HubField): unknown {
  const { type, options = [] } = question
  if (type === 'multi_select') return [given].flat().flatMap((each) => valuesOf(each, question))
  if (typeof given !== 'string') return given
  const text = given.trim()
  if (options.length > 0) return valueOf(text, question) ?? given
  if (type === 'date') return /^\d{4}-\d\d-\d\dT/.test(text) ? text.slice(0, 10) : text
  if (type === 'number' || type === 'rating') return text !== '' && Number.isFinite(Number(text)) ? Number(text) : given
  if (type !== 'boolean') return given
  if (/^(true|yes|1|on)$/i.test(text)) return true
  return /^(false|no|0|off)$/i.test(text) ? false : given
}

/** An option, by its value or by its label, as a step before may have either. */
const valueOf = (text: string, { options = [] }: HubField): string | undefined =>
  options.find(({ value }) => value === text)?.value ??
  options.find(({ label }) => label.toLowerCase() === text.toLowerCase())?.value

/** Of several in one text (`Apples, Pears`), where each is an option. */
function valuesOf(given: unknown, question: HubField): readonly unknown[] {
  if (typeof given !== 'string') return [given]
  const values = [valueOf(given.trim(), question)]
  const parts = values[0] === undefined ? given.split(',').map((part) => valueOf(part.trim(), question)) : values
  return parts.includes(undefined) ? [given] : parts
}

/** The questions of the form that is chosen, of which one is to be looked at. */
export async function questionInput(z: ZObject, bundle: Bundle) {
  const id = chosenForm(bundle)
  if (id === '') return []
  const { fields } = await formOf(z, bundle, id)
  const choices = fields.map(({ key, label }) => ({ value: key, sample: key, label }))
  return [{ key: 'field', label: 'Question', type: 'string' as const, choices }]
}

/** The dropdown of forms. */
export const FORM_INPUT = {
  key: 'form_id',
  label: 'Form',
  type: 'string',
  required: true,
  dynamic: 'form.id.name',
  altersDynamicFields: true,
} as const
