/** A form's fields as plain, accessible HTML: works without scripts, keeps what was typed, says what is wrong beside it. */
import type { FieldProblem } from '../errors.ts'
import { ONCE_INPUT } from '../ingest/receive.ts'
import type { Field, Form } from '../model.ts'
import { html } from '../html.ts'
import type { Html } from '../html.ts'

/** What was typed, by input name. */
export type Typed = ReadonlyMap<string, readonly string[]>

export interface FormPageInput {
  readonly form: Form
  readonly typed: Typed
  readonly problems: readonly FieldProblem[]
  /** Makes a second click the same response. */
  readonly once: string
}

const RATING_MAX_DEFAULT = 5
const RATING_CHOICES_MAX = 11

/** The page's content: heading, problems, the form. */
export function formPage({ form, typed, problems, once }: FormPageInput): Html {
  const rendered = form.fields.map((field) =>
    renderField(field, typed.get(field.key) ?? [], problemOf(field, problems)),
  )
  return html`<h1>${form.name}</h1>
${problems.length === 0 ? null : summary(form, problems)}
<form method="post" action="/f/${form.id}" accept-charset="utf-8">
${rendered}
<div class="away" aria-hidden="true"><label>Leave this empty <input name="${form.honeypotField}" tabindex="-1" autocomplete="off"></label></div>
<input type="hidden" name="${ONCE_INPUT}" value="${once}">
<button type="submit">Send</button>
</form>`
}

const problemOf = (field: Field, problems: readonly FieldProblem[]): string | null =>
  problems.find(({ pointer }) => pointer === `/data/${field.key}`)?.detail ?? null

function summary(form: Form, problems: readonly FieldProblem[]): Html {
  const items = problems.map(({ pointer, detail }) => {
    const field = form.fields.find(({ key }) => pointer === `/data/${key}`)
    return field === undefined
      ? html`<li>${pointer} ${detail}</li>`
      : html`<li><a href="#f-${field.key}">${field.label}</a> ${detail}</li>`
  })
  return html`<div class="box" role="alert"><p><strong>Not sent yet.</strong> Please look at these answers:</p><ul>${items}</ul></div>`
}

function renderField(field: Field, typed: readonly string[], problem: string | null): Html {
  const first = typed[0] ?? ''
  if (field.type === 'hidden') return html`<input type="hidden" name="${field.key}" value="${first}">`
  const choices = choicesOf(field)
  if (choices !== null) return choiceGroup({ field, typed, problem, choices })
  const id = `f-${field.key}`
  const notes = notesOf(field, problem)
  const common = html`id="${id}" name="${field.key}"${field.required ? html` required` : null}${notes === null ? null : html` aria-describedby="${id}-notes"`}${problem === null ? null : html` aria-invalid="true"`}`
  if (field.type === 'boolean') {
    return html`<div class="field"><label class="choice"><input type="checkbox" value="true" ${common}${first === 'true' ? html` checked` : null}> ${field.label}</label>${notes}</div>`
  }
  return html`<div class="field"><label for="${id}">${field.label}${mark(field)}</label>${notes}${control(field, first, common)}</div>`
}

function control(field: Field, value: string, common: Html): Html {
  const { min, max } = field
  switch (field.type) {
    case 'long_text':
      return html`<textarea rows="6" ${common}${max === undefined ? null : html` maxlength="${max}"`}>
${value}</textarea>`
    case 'select':
      return html`<select ${common}><option value=""></option>${field.options.map((option) => html`<option value="${option.value}"${option.value === value ? html` selected` : null}>${option.label}</option>`)}</select>`
    case 'number':
    case 'rating': {
      const step = field.type === 'number' ? 'any' : '1'
      return html`<input type="number" step="${step}" ${common} value="${value}"${min === undefined ? null : html` min="${min}"`}${max === undefined ? null : html` max="${max}"`}>`
    }
    case 'email':
      return html`<input type="email" autocomplete="email" ${common} value="${value}">`
    case 'date':
      return html`<input type="date" ${common} value="${value}">`
    case 'datetime':
      return html`<input type="datetime-local" step="any" ${common} value="${value.replace(/Z$/, '')}">`
    case 'file':
      return html`<input type="url" placeholder="https://" ${common} value="${value}">`
    default:
      return html`<input type="text" ${common} value="${value}"${max === undefined ? null : html` maxlength="${max}"`}>`
  }
}

interface Choices {
  readonly type: 'radio' | 'checkbox'
  readonly options: readonly { readonly value: string; readonly label: string }[]
  readonly inRow: boolean
}

/** The fields that are a group of buttons: radio, multi_select, short ratings, and yes-or-no that must be answered. */
function choicesOf(field: Field): Choices | null {
  if (field.type === 'radio') return { type: 'radio', options: field.options, inRow: false }
  if (field.type === 'multi_select') return { type: 'checkbox', options: field.options, inRow: false }
  if (field.type === 'boolean' && field.required) {
    return {
      type: 'radio',
      inRow: true,
      options: [
        { value: 'true', label: 'Yes' },
        { value: 'false', label: 'No' },
      ],
    }
  }
  const { min = 1, max = RATING_MAX_DEFAULT } = field
  if (field.type !== 'rating' || max - min >= RATING_CHOICES_MAX) return null
  const options = Array.from({ length: max - min + 1 }, (_, index) => ({
    value: String(min + index),
    label: String(min + index),
  }))
  return { type: 'radio', options, inRow: true }
}

function choiceGroup(input: {
  field: Field
  typed: readonly string[]
  problem: string | null
  choices: Choices
}): Html {
  const { field, typed, problem, choices } = input
  const id = `f-${field.key}`
  const notes = notesOf(field, problem)
  const required = field.required && choices.type === 'radio' ? html` required` : null
  const items = choices.options.map(
    ({ value, label }) =>
      html`<label class="choice"><input type="${choices.type}" name="${field.key}" value="${value}"${required}${typed.includes(value) ? html` checked` : null}> ${label}</label>`,
  )
  return html`<div class="field"><fieldset id="${id}" tabindex="-1"${notes === null ? null : html` aria-describedby="${id}-notes"`}><legend>${field.label}${mark(field)}</legend>${notes}<div${choices.inRow ? html` class="row"` : null}>${items}</div></fieldset></div>`
}

const mark = (field: Field): Html | null => (field.required ? html` <span class="soft">(required)</span>` : null)

function notesOf(field: Field, problem: string | null): Html | null {
  const hint = field.type === 'datetime' ? 'Time in UTC.' : field.type === 'file' ? 'A link to the file.' : null
  if (field.help === undefined && problem === null && hint === null) return null
  return html`<div id="f-${field.key}-notes">${field.help === undefined ? null : html`<p class="hint">${field.help}</p>`}${hint === null ? null : html`<p class="hint">${hint}</p>`}${problem === null ? null : html`<p class="error">This ${problem}.</p>`}</div>`
}
