/** A page that says what is about to happen, with the count first, before it does. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import type { View } from '../visit.ts'

export interface Confirm {
  readonly title: string
  readonly trail: View['trail'] & {}
  /** What will happen. */
  readonly says: Part
  /** Where yes goes. */
  readonly action: string
  /** Fields that go with it. */
  readonly fields: Readonly<Record<string, string | null | undefined>>
  readonly button: string
  readonly isDanger?: boolean
  /** Where no goes. */
  readonly back: string
}

export const confirm = (of: Confirm): View => ({
  title: of.title,
  trail: of.trail,
  body: html`<div class="confirm">${of.says}
<form method="post" action="${of.action}">${hidden(of.fields)}
<div class="buttons"><button${of.isDanger === true ? html` class="danger"` : null}>${of.button}</button><a class="button quiet" href="${of.back}">Cancel</a></div>
</form></div>`,
})

/** Hidden inputs for what has a value. */
export const hidden = (fields: Confirm['fields']): Html =>
  html`${Object.entries(fields).map(([name, value]) => (value == null ? null : html`<input type="hidden" name="${name}" value="${value}">`))}`

/** A form that is a button. */
export const act = (
  action: string,
  label: string,
  { fields = {}, tone = 'quiet' }: { fields?: Confirm['fields']; tone?: 'quiet' | 'danger' | 'main' } = {},
): Html =>
  html`<form method="post" action="${action}" class="act">${hidden(fields)}<button class="${tone}">${label}</button></form>`
