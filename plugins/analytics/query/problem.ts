/** Problem details of a plugin's own routes (RFC 9457), in the words of the hub. */
import type { Json, RouteResponse } from 'manifold/plugin'

const RETRY_AFTER_S = '2'

/** Of a form that a question is about. */
export const NO_FORM = 'There is no form of this id.'

export function unavailable(detail: string): RouteResponse {
  const answer = problem(503, 'unavailable', { title: 'The hub cannot do this right now', detail })
  return { ...answer, headers: { ...answer.headers, 'retry-after': RETRY_AFTER_S } }
}

export const problem = (status: number, code: string, rest: { readonly [name: string]: Json }): RouteResponse => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  json: { type: `urn:manifold:problem:${code}`, status, code, ...rest },
})
