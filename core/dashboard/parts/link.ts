/** Links that lead only where whoever looks may go. */
import { html } from '../../html.ts'
import type { Html, Part } from '../../html.ts'
import type { Visit } from '../visit.ts'

export interface Link {
  /** What a key must have to go there. */
  readonly scope: string
  readonly href: string
}

/** A link, or its words alone for a key that may not go there. */
export const linked = ({ may }: Pick<Visit, 'may'>, { scope, href }: Link, words: Part): Html =>
  may(scope) ? html`<a href="${href}">${words}</a>` : html`${words}`
