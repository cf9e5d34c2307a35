/** Bars below one another, each under its label: text of the page, so that no name is cut at any width, with a drawn line. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { COLOURS } from './draw.ts'

export interface Bar {
  readonly label: string
  readonly value: number
  /** At the end of its line. */
  readonly note: string
}

/** `max`: where a bar is full. */
export const bars = (all: readonly Bar[], max: number): Html =>
  html`<ol class="bars">${all.map(({ label, value, note }) => html`<li><span class="of">${label}</span> <span class="note">${note}</span>${line(value, max)}</li>`)}</ol>`

export interface Group {
  readonly label: string
  /** One for each name, in order. */
  readonly values: readonly { readonly value: number; readonly note: string }[]
}

/** Several bars under each label, one for each name, in the colours of the legend. */
export const groupedBars = (names: readonly string[], groups: readonly Group[]): Html => {
  const max = Math.max(...groups.flatMap(({ values }) => values.map(({ value }) => value)))
  return html`<ol class="bars">${groups.map(
    ({ label, values }) =>
      html`<li><span class="of">${label}</span><ul>${values.map(({ value, note }, n) => html`<li class="c${(n % COLOURS) + 1}"><span class="away">${names[n] ?? ''}: </span>${line(value, max)}<span class="note">${note}</span></li>`)}</ul></li>`,
  )}</ol>`
}

const PERCENT = 100

const line = (value: number, max: number): Html =>
  html`<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="${max > 0 ? Math.round((Math.max(0, value) / max) * PERCENT * 10) / 10 : 0}" height="1"/></svg>`

/** Said below what is drawn where there is more; null: there is not. */
export const drawnOf = (drawn: number, all: number): Html | null =>
  drawn < all ? html`<p class="soft fine">The first ${drawn} of ${all} are drawn; all are among the numbers.</p>` : null
