/** Lists that belong together, side by side. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'

export const tabs = (
  now: string,
  all: readonly { readonly id: string; readonly label: string; readonly href: string }[],
): Html =>
  html`<nav class="tabs" aria-label="Related">${all.map(({ id, label, href }) => html`<a href="${href}"${id === now ? html` aria-current="page"` : null}>${label}</a>`)}</nav>`
