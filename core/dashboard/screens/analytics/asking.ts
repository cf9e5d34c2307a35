/** What all pages about analytics do: ask, say what was wrong with a question beside it, and say so when nobody is there to ask. */
import { html } from '../../../html.ts'
import type { Html } from '../../../html.ts'
import { ApiProblem, segment } from '../../api.ts'
import { code, notice } from '../../parts/facts.ts'
import type { Filter } from '../../parts/filters.ts'
import { shortTime } from '../../parts/time.ts'
import type { Answer, Visit } from '../../visit.ts'

export const API = '/api/v2/analytics'

/** Said above an answer that is not of all that was asked about: single events are forgotten by age. */
export const incomplete = (from: string | null | undefined): Html | null =>
  from == null
    ? null
    : notice(
        'info',
        html`<p>Single events are kept from ${shortTime(from, Date.now())} UTC on: what visitors did before is not in these numbers.</p>`,
      )

/** Where days begin; unless said, where they do for the installation. */
export const ZONE_FILTER: Filter = { name: 'timezone', label: 'Time zone', placeholder: 'Europe/Berlin' }

/** Where a form's numbers are shown. */
export const metricsPath = (id: string): string => `/analytics/forms/${segment(id)}`

/** An answer, or why there is none in words for the page. */
export type Asked<Body> =
  | { readonly body: Body; readonly problem: null }
  | { readonly body: null; readonly problem: Html }

/** What is wrong with the question stands beside it; everything else is the page's failure. */
export async function asked<Body>(ask: () => Promise<Body>): Promise<Asked<Body>> {
  try {
    return { body: await ask(), problem: null }
  } catch (error) {
    if (!(error instanceof ApiProblem) || ![403, 422, 503].includes(error.status)) throw error
    return { body: null, problem: refusal(error) }
  }
}

const refusal = ({ message, problems }: ApiProblem): Html =>
  notice(
    'warn',
    problems.length === 0
      ? html`<p>${message}</p>`
      : html`<ul>${problems.map(({ pointer, detail }) => html`<li><code>${pointer || '/'}</code> ${detail}</li>`)}</ul>`,
  )

/** What the page sent, for those who want to send it themselves. */
export const sent = (path: string, body: unknown): Html =>
  html`<details class="sent"><summary>What was asked: POST ${path}</summary>${code(JSON.stringify(body))}</details>`

/** The page, or what to do where analytics is not installed. */
export const installed =
  (title: string, page: (visit: Visit) => Promise<Answer>) =>
  async (visit: Visit): Promise<Answer> => {
    try {
      return await page(visit)
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 404 || !error.message.includes('is not installed'))
        throw error
      return {
        view: {
          title,
          body: html`<div class="empty"><p>Analytics is not installed.</p><p class="soft">Add <code>- { id: analytics, use: analytics }</code> to the installations of <code>manifold.yaml</code>: it reads what was answered before, too.</p></div>`,
        },
      }
    }
  }
