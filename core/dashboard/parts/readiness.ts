/** Whether the hub can take work: the same answer for every page that says it. */
import { html } from '../../html.ts'
import type { Html } from '../../html.ts'
import type { Api } from '../api.ts'
import type { Readiness } from '../wire.ts'
import { notice } from './facts.ts'

/** As `/readyz` says it. A hub that is not ready answers with 503, and only then do its checks matter. */
export async function readinessOf(api: Pick<Api, 'look'>): Promise<Readiness> {
  const answer = (await api.look('/readyz')) as Partial<Readiness> | null
  if (typeof answer?.ready === 'boolean' && Array.isArray(answer.checks)) return answer as Readiness
  throw new Error('/readyz did not say how the hub is.')
}

/** Nothing where the hub is ready, else what keeps it from being so. */
export function readinessNotice({ ready, checks }: Readiness): Html | null {
  const failing = checks.filter(({ ok }) => !ok)
  return ready
    ? null
    : notice(
        'bad',
        html`<p><strong>The hub is not ready.</strong></p><ul>${failing.map(({ name, detail }) => html`<li>${name}: ${detail ?? 'failed'}</li>`)}</ul>`,
      )
}
