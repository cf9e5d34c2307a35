/** `/i/{installation}/…`: the routes plugins answer themselves. What comes back is checked before it may leave. */
import type { RouteResponse } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { readBytes } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import type { Call, Route } from './route.ts'

/** Headers a plugin may set; everything else is the hub's business. */
const ALLOWED_HEADERS: ReadonlySet<string> = new Set([
  'content-type',
  'cache-control',
  'location',
  'retry-after',
  'etag',
  'last-modified',
  'vary',
  'www-authenticate',
])
/** Headers a plugin may see: never cookies of the hub's own pages or the callers' proxies. */
const HIDDEN_HEADERS: ReadonlySet<string> = new Set([
  'cookie',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'expect',
])
const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304])
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
/** What a header may be made of; Node refuses to send anything else. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

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
      const body =
        method === 'GET' ? '' : (await readBytes(incoming, deps.limits.pluginRouteBodyBytesMax)).toString('utf8')
      const url = new URL(request.url, 'http://hub')
      const installation = request.param('installation')
      const answer = await call({
        installation,
        request: {
          method,
          path: `/${url.pathname.split('/').slice(3).join('/')}`,
          query: Object.fromEntries(url.searchParams),
          headers: headersOf(incoming.headers, request.principal !== null),
          body,
        },
      })
      return toResponse(answer, request.requestId)
    },
  }))
}

/** A key of the hub is for the hub: the plugin behind the door does not get to see it. */
function headersOf(headers: NodeJS.Dict<string | string[]>, hidesKey: boolean): Record<string, string> {
  const shown: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HIDDEN_HEADERS.has(name) || (hidesKey && name === 'authorization')) continue
    shown[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return shown
}

function toResponse(answer: RouteResponse, requestId: string): Response {
  const { status = 200, json, body } = answer
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new HubError('plugin_invalid_result', `The plugin answered the status ${String(status)}.`)
  const headers: Record<string, string> = {
    ...API_HEADERS,
    'x-request-id': requestId,
    'content-security-policy': "default-src 'none'; sandbox",
  }
  headers['content-type'] = json === undefined ? 'text/plain; charset=utf-8' : 'application/json'
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    if (!ALLOWED_HEADERS.has(name.toLowerCase()) || /[\r\n\0]/.test(String(value))) continue
    if (!HEADER_TEXT.test(String(value)))
      throw new HubError(
        'plugin_invalid_result',
        `The plugin answered characters that the header ${name} cannot carry.`,
      )
    headers[name.toLowerCase()] = String(value)
  }
  const text = BODILESS_STATUSES.has(status) ? null : json === undefined ? (body ?? '') : JSON.stringify(json)
  return new Response(text, { status, headers })
}
