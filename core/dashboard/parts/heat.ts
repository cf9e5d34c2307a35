/** A table whose cells are shaded by what is in them. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

export interface HeatCell {
  /** From 0 to 1; null: there is nothing to shade yet. */
  readonly share: number | null
  readonly text: string
}

export interface Heat {
  /** Of the first column. */
  readonly corner: string
  readonly columns: readonly string[]
  readonly rows: readonly { readonly label: string; readonly cells: readonly HeatCell[] }[]
  /** What the lightest and the darkest shade stand for. */
  readonly ends: readonly [least: string, most: string]
  /** Too many columns for text: it is a title, and the page has the same numbers as a table. */
  readonly isSmall?: boolean
}

const SHADES = 9

export const heat = ({
  corner,
  columns,
  rows,
  ends: [least, most],
  isSmall = false,
}: Heat): Html => html`<div class="heat-scroll"${isSmall ? html` aria-hidden="true"` : html` tabindex="0" role="group" aria-label="${corner}"`}><table class="heat${isSmall ? ' small' : ''}">
<thead><tr><th scope="col">${isSmall ? '' : corner}</th>${columns.map((label) => html`<th scope="col">${label}</th>`)}</tr></thead>
<tbody>${rows.map(
  ({ label, cells }) =>
    html`<tr><th scope="row">${label}</th>${cells.map((each) => cell(each, isSmall))}</tr>
`,
)}</tbody>
</table></div>
<p class="heat-key${isSmall ? ' small' : ''}" aria-hidden="true"><span>${least}</span>${Array.from({ length: SHADES + 1 }, (_, n) => html`<i class="h${n}"></i>`)}<span>${most}</span></p>`

function cell({ share, text }: HeatCell, isSmall: boolean): Html {
  if (share === null) return html`<td class="to-come">${text}</td>`
  const shade = share > 0 ? Math.max(1, Math.ceil(Math.min(share, 1) * SHADES)) : 0
  return isSmall ? html`<td class="h${shade}" title="${text}"></td>` : html`<td class="h${shade}">${text}</td>`
}
