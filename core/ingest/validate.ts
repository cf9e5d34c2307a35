/** Compiles a form into quick checks and holds answers against them. Pure: the same answers always come to the same. */
import type { Json } from '../contract/index.ts'
import type { FieldProblem } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Field, Form } from '../model.ts'
import { htmlCheck, jsonCheck, Refusal } from './field-checks.ts'
import type { FieldCheck } from './field-checks.ts'
import { toPointer } from './form-definition.ts'

/** Answers by key; made without a prototype, so that no name a sender chooses means anything. */
export type Answers = { readonly [key: string]: Json }

export type Checked =
  | { readonly ok: true; readonly data: Answers }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

/** How answers came: `json` keeps types strict, `html` converts the texts a browser sends. */
export type AnswerSource = 'json' | 'html'

/** A form ready to check answers. */
export interface CompiledForm {
  readonly form: Form
  check(answers: Answers, options: { source: AnswerSource; partial: boolean }): Checked
}

interface CompiledField {
  readonly field: Field
  readonly json: FieldCheck
  readonly html: FieldCheck
}

const PROBLEMS_MAX = 100
const UNKNOWN_KEY_CHARS_MAX = 200

/** Null and absent mean unanswered, and so does the empty text except where text is asked. */
export function compileForm(form: Form, stringCharsMax: number = LIMITS.stringCharsMax): CompiledForm {
  const fields: CompiledField[] = form.fields.map((field) => ({
    field,
    json: jsonCheck(field, stringCharsMax),
    html: htmlCheck(field, stringCharsMax),
  }))
  const known = new Set(form.fields.map((field) => field.key))
  return {
    form,
    check: (answers, { source, partial }) => {
      const data = Object.create(null) as Record<string, Json>
      const problems: FieldProblem[] = []
      let seen = 0
      for (const { field, [source]: check } of fields) {
        const answer = Object.hasOwn(answers, field.key) ? answers[field.key] : undefined
        if (answer !== undefined) seen++
        const open = unanswered(field, answer)
        if (open) {
          if (field.required && !partial) problems.push({ pointer: `/data/${field.key}`, detail: 'is required' })
          else if (source === 'html' && field.type === 'boolean' && !partial) data[field.key] = false
          else if (answer === '' && keepsEmpty(field)) data[field.key] = ''
          continue
        }
        const result = check(answer as Json)
        if (result instanceof Refusal) problems.push({ pointer: `/data/${field.key}`, detail: result.detail })
        else data[field.key] = result
      }
      if (seen < Object.keys(answers).length) takeUnknown({ form, known, answers, data, problems })
      return problems.length === 0 ? { ok: true, data } : { ok: false, problems: problems.slice(0, PROBLEMS_MAX) }
    },
  }
}

const unanswered = (field: Field, answer: Json | undefined): boolean =>
  answer === undefined ||
  answer === null ||
  answer === '' ||
  (field.type === 'multi_select' && Array.isArray(answer) && answer.length === 0 && field.required)

const keepsEmpty = (field: Field): boolean =>
  field.type === 'text' || field.type === 'long_text' || field.type === 'hidden'

/** Answers that are no field: kept as they came, or refused, as the form says. */
function takeUnknown(input: {
  form: Form
  known: ReadonlySet<string>
  answers: Answers
  data: Record<string, Json>
  problems: FieldProblem[]
}): void {
  for (const [key, answer] of Object.entries(input.answers)) {
    if (input.known.has(key)) continue
    const pointer = `/data${toPointer([key.slice(0, UNKNOWN_KEY_CHARS_MAX)])}`
    if (input.form.unknownFields === 'refuse') input.problems.push({ pointer, detail: 'is not a field of this form' })
    else if (key.length > UNKNOWN_KEY_CHARS_MAX)
      input.problems.push({ pointer, detail: `a name may have at most ${UNKNOWN_KEY_CHARS_MAX} characters` })
    else input.data[key] = answer
  }
}
