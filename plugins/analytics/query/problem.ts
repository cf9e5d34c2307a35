/** Problem details of a plugin's own routes (RFC 9457), in the words of the hub. */
import type { Json, RouteResponse } from 'manifold/plugin'

export const problem = (status: number, code: string, rest: { readonly [name: string]: Json }): RouteResponse => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  json: { type: `urn:manifold:problem:${code}`, status, code, ...rest },
})
