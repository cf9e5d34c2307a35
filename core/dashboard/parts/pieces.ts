/** A page made of many answers, some of which may fail: it shows the others, and says what it lacks. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import { ApiProblem } from '../api.ts'
import { notice } from './facts.ts'

/** Answers of one page. */
export interface Pieces {
  /** What was asked for; null where that failed. `name`: what the page lacks then, in its own words. */
  take<T>(name: string, ask: Promise<T>): Promise<T | null>
  /** Says what failed and why; null where nothing did. */
  missing(): Html | null
}

/** Begins a page. A session that has ended is no missing piece: it rejects, and leads to the sign-in. */
export function openPieces(): Pieces {
  const failed: { readonly name: string; readonly why: string }[] = []
  return {
    take: async (name, ask) => {
      try {
        return await ask
      } catch (error) {
        if (error instanceof ApiProblem && error.status === 401) throw error
        failed.push({ name, why: (error as Error).message })
        return null
      }
    },
    missing: () =>
      failed.length === 0
        ? null
        : notice(
            'warn',
            html`<p><strong>Not all of this page could be read.</strong></p><ul>${failed.map(({ name, why }) => html`<li>${name}: ${why}</li>`)}</ul>`,
          ),
  }
}
