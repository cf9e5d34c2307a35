/** The fields of a form as rows of its editor, and what the buttons of a row do. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import { FIELD_TYPES } from '../../model.ts'
import { NEW_FIELD } from './form-draft.ts'
import type { FieldDraft } from './form-draft.ts'

/** The fields once a button was pressed, and the one that it was about; null: nothing is left. */
export interface Moved {
  readonly fields: readonly FieldDraft[]
  readonly at: number | null
}

/** What a button of the row at this place does: `add`, `remove`, `up` or `down`. After `remove` it is about the next one. */
export function moved(fields: readonly FieldDraft[], verb: string, at: number): Moved {
  if (verb === 'add') return { fields: [...fields, NEW_FIELD], at: fields.length }
  if (verb === 'remove') {
    const left = fields.filter((_field, index) => index !== at)
    return { fields: left, at: left.length === 0 ? null : Math.min(at, left.length - 1) }
  }
  const to = verb === 'up' ? at - 1 : at + 1
  const [one, other] = [fields[at], fields[to]]
  if (one === undefined || other === undefined) return { fields, at }
  return { fields: fields.with(at, other).with(to, one), at: to }
}

interface Input {
  readonly name: string
  readonly label: string
  readonly value: string
  readonly problem?: string | null
  readonly hint?: Part
  /** It has the focus as the page opens. */
  readonly isFirst?: boolean
  /** Several lines may be typed: so many are seen at first. */
  readonly rows?: number
}

/** A labelled input with what is wrong with it. */
export function input({ name, label, value, problem = null, hint, isFirst = false, rows }: Input): Html {
  const said = [...(problem === null ? [] : [`${name}-error`]), ...(hint === undefined ? [] : [`${name}-hint`])]
  const described = said.length === 0 ? null : html` aria-describedby="${said.join(' ')}"`
  const about = html`${problem === null ? null : html` aria-invalid="true"`}${described}${isFirst ? html` autofocus` : null}`
  const control =
    rows === undefined
      ? html`<input id="${name}" name="${name}" value="${value}" autocomplete="off"${about}>`
      : html`<textarea id="${name}" name="${name}" rows="${rows}"${about}>
${value}</textarea>`
  return html`<div class="field"><label for="${name}">${label}</label>${control}${problem === null ? null : html`<p class="error" id="${name}-error">${problem}</p>`}${hint === undefined ? null : html`<p class="hint" id="${name}-hint">${hint}</p>`}</div>`
}

/** A labelled choice among words. */
export const choice = ({
  name,
  label,
  value,
  options,
}: Input & { readonly options: readonly (readonly [string, string])[] }): Html =>
  html`<div class="field"><label for="${name}">${label}</label><select id="${name}" name="${name}">${options.map(([option, shown]) => html`<option value="${option}"${option === value ? html` selected` : null}>${shown}</option>`)}</select></div>`

const CHOICE_TYPES: ReadonlySet<string> = new Set(['select', 'multi_select', 'radio'])

interface RowPlace {
  readonly at: number
  readonly last: number
  /** Its label has the focus as the page opens. */
  readonly isFirst: boolean
  /** What is wrong with a part of it, as `/key`; of anything in it with an empty one. */
  readonly said: (part: string) => string | null
}

/** A field, to be changed. */
export function row(field: FieldDraft, { at, last, isFirst, said }: RowPlace): Html {
  const isBare =
    said('') === null &&
    !CHOICE_TYPES.has(field.type) &&
    field.options === '' &&
    field.help === '' &&
    field.min === '' &&
    field.max === ''
  return html`<fieldset class="field-row${said('') === null ? '' : ' wrong'}"><legend>Field ${at + 1}</legend>
<div class="grid">
${input({ name: `label-${at}`, label: 'Label', value: field.label, problem: said('/label'), isFirst, rows: 1 })}
${input({ name: `key-${at}`, label: 'Key', value: field.key, problem: said('/key'), hint: 'In data and code. Empty: made of the label.' })}
${choice({ name: `type-${at}`, label: 'Type', value: field.type, options: FIELD_TYPES.map((type) => [type, type.replaceAll('_', ' ')]) })}
<div class="checks"><label><input type="checkbox" name="required-${at}"${field.required ? html` checked` : null}> required</label><label><input type="checkbox" name="pii-${at}"${field.pii ? html` checked` : null}> personal</label></div>
</div>
<details data-opens="${[...CHOICE_TYPES].join(' ')}"${isBare ? null : html` open`}><summary>Choices, help, bounds</summary><div class="grid">
${input({
  name: `options-${at}`,
  label: 'Choices',
  value: field.options,
  problem: said('/options'),
  rows: 3,
  hint: html`One a line; <code>value = label</code> where they differ. What begins or ends with a space, or has <code> = </code> in it, stands in quotes.`,
})}
${input({ name: `help-${at}`, label: 'Help', value: field.help, problem: said('/help'), rows: 2 })}
${input({ name: `min-${at}`, label: 'At least', value: field.min, problem: said('/min') })}
${input({ name: `max-${at}`, label: 'At most', value: field.max, problem: said('/max') })}
</div></details>
<div class="buttons">${at === 0 ? null : html`<button name="do" value="up:${at}" class="plain">Up</button>`}${at === last ? null : html`<button name="do" value="down:${at}" class="plain">Down</button>`}<button name="do" value="remove:${at}" class="plain">Remove</button></div>
</fieldset>`
}
