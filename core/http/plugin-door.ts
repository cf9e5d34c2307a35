/** `/i/{installation}/…`: the routes plugins answer themselves. What comes back is checked before it may leave. */
import type { RouteResponse } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { leavingHeaders, seenHeaders } from '../registry/route-wire.ts'
import { readBytes } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import type { Call, Route } from './route.ts'

const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304])
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** One door for all installations; strangers are counted as for public forms, valid keys are not. */
export function pluginDoorRoutes(deps: Pick<HttpDeps, 'pluginRoute' | 'limits'>): Route[] {
  const call = deps.pluginRoute
  if (call === undefined) return []
  return METHODS.map((method) => ({
    method,
    path: '/i/{installation}/{rest+}',
    access: 'stranger' as const,
    handler: async (request: Call) => {
      const { incoming } = request
      const bytes =
        method === 'GET' ? '' : (await readBytes(incoming, deps.limits.pluginRouteBodyBytesMax)).toString('base64')
      const url = new URL(request.url, 'http://hub')
      const installation = request.param('installation')
      const answer = await call({
        installation,
        request: {
          method,
          path: `/${url.pathname.split('/').slice(3).join('/')}`,
          query: Object.fromEntries(url.searchParams),
          headers: headersOf(incoming.headers, request.principal !== null),
          bytes,
        },
      })
      return toResponse(answer, request.requestId)
    },
  }))
}

/** A key of the hub is for the hub: the plugin behind the door does not get to see it. */
function headersOf(headers: NodeJS.Dict<string | string[]>, hidesKey: boolean): Record<string, string> {
  const seen = seenHeaders(headers)
  if (hidesKey) delete seen['authorization']
  return seen
}

function toResponse(answer: RouteResponse, requestId: string): Response {
  const { status = 200, json, body } = answer
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new HubError('plugin_invalid_result', `The plugin answered the status ${String(status)}.`)
  const headers = {
    ...API_HEADERS,
    'x-request-id': requestId,
    'content-security-policy': "default-src 'none'; sandbox",
    'content-type': json === undefined ? 'text/plain; charset=utf-8' : 'application/json',
    ...leavingHeaders(answer.headers),
  }
  const text = BODILESS_STATUSES.has(status) ? null : json === undefined ? (body ?? '') : JSON.stringify(json)
  return new Response(text, { status, headers })
}
