/** `/i/{installation}/…`: the routes plugins answer themselves. What comes back is checked before it may leave. */
import { z } from '@hono/zod-openapi'
import type { RouteResponse } from '../contract/index.ts'
import { sharedPage } from '../dashboard/share-page.ts'
import { HubError } from '../errors.ts'
import { DEFAULT_WORKSPACE, SCOPES } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import type { Area, DescribedRoute } from '../registry/areas.ts'
import { leavingHeaders, seenHeaders } from '../registry/route-wire.ts'
import { readBytes } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import { openRateLimit } from './rate-limit.ts'
import { goneOf } from './route.ts'
import type { Call, KeyedCall, ResponseDoc, Route, RouteDoc } from './route.ts'

const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304])
/** Of keys, sessions and links of the hub's making. */
const OWN_KEY = /^bearer +mf[ksl]_/i
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** One door for all installations; strangers are counted as for public forms, valid keys are not. */
export function pluginDoorRoutes(deps: Pick<HttpDeps, 'pluginRoute' | 'limits'>): Route[] {
  if (deps.pluginRoute === undefined) return []
  return METHODS.map((method) => ({
    method,
    path: '/i/{installation}/{rest+}',
    access: 'stranger' as const,
    handler: (request: Call) => {
      const path = `/${pathOf(request).split('/').slice(3).join('/')}`
      return answerBy(deps, request, {
        workspace: DEFAULT_WORKSPACE,
        area: null,
        installation: request.param('installation'),
        method,
        path,
      })
    },
  }))
}

/** What plugins of the hub itself add to the API: what they describe, and whatever else they answer. */
export const pluginApiRoutes = (deps: Pick<HttpDeps, 'pluginRoute' | 'pluginAreas' | 'limits'>): Route[] =>
  (deps.pluginAreas ?? []).flatMap((area) => [
    ...area.described.map((route) => ({
      ...areaRoute(deps, area, METHODS.find((method) => method === route.method) ?? 'GET'),
      path: `/api/v2/${area.area}${route.path}`,
      doc: docOf(area, route),
    })),
    ...METHODS.map((method) => areaRoute(deps, area, method)),
  ])

function areaRoute(
  deps: Pick<HttpDeps, 'pluginRoute' | 'limits'>,
  { area, scope, plugin, installationIn }: Area,
  method: (typeof METHODS)[number],
) {
  const handler = (request: KeyedCall): Promise<Response> => {
    const { workspace } = request.principal
    const installation = installationIn(workspace)
    if (installation === undefined) {
      const why = `"${plugin}" is not installed here; add "- { id: ${plugin}, use: ${plugin} }" to the installations of manifold.yaml.`
      throw new HubError('not_found', `Nothing answers at /api/v2/${area}: ${why}`)
    }
    const path = `/${pathOf(request).split('/').slice(4).join('/')}`
    const lacking = installation.scopesFor({ method, path }).find((each) => !allows(request.principal, each))
    if (lacking !== undefined)
      throw new HubError('forbidden', `This needs a key with the scopes "${scope}" and "${lacking}".`)
    return answerBy(deps, request, { workspace, area, installation: installation.id, method, path })
  }
  return { method, path: `/api/v2/${area}/{rest+}`, access: scope, handler }
}

function docOf({ area }: Area, { scopes, doc }: DescribedRoute): RouteDoc {
  const { summary, description = '', query = {}, status, body, answer } = doc
  const needs = scopes.length === 0 ? '' : ` Needs ${scopes.map((each) => `\`${each}\``).join(' and ')}, too.`
  const names = Object.entries(query)
  return {
    tag: area,
    summary,
    description: `${description}${needs}`.trim(),
    ...(names.length === 0
      ? {}
      : { query: z.object(Object.fromEntries(names.map(([name, of]) => [name, z.string().optional().describe(of)]))) }),
    ...(body === undefined ? {} : { body: { schema: z.record(z.string(), z.unknown()), example: body } }),
    responses: { [status]: answerDoc(status, answer) },
  }
}

const answerDoc = (status: number, example: unknown): ResponseDoc => {
  if (BODILESS_STATUSES.has(status)) return { description: 'Done.' }
  return { description: 'The answer.', schema: z.unknown(), ...(example === undefined ? {} : { example }) }
}

/** `/share/<workspace>.<token>`: what a link shows to whoever has it, and no search engine; a page where a browser asks. */
export function shareRoutes(deps: Pick<HttpDeps, 'pluginRoute' | 'pluginAreas' | 'limits' | 'clock'>): Route[] {
  const shared = deps.pluginAreas?.find(({ isShared }) => isShared)
  if (shared === undefined) return []
  const { area, installationIn } = shared
  const { shareRatePerSecond, shareRateBurst } = deps.limits
  // Whoever has a link may hand it on to any number of addresses: each link asks so much of its plugin and no more.
  const rate = openRateLimit({ ratePerSecond: shareRatePerSecond, burst: shareRateBurst })
  return [
    {
      method: 'GET',
      path: '/share/{token}',
      access: 'stranger',
      handler: async (request) => {
        const [, workspace = '', token = ''] = /^([\w-]+)\.([\w-]+)$/.exec(request.param('token')) ?? []
        const installation = installationIn(workspace)?.id
        if (installation === undefined) throw new HubError('not_found', 'This link is not valid.')
        const retryAfterMs = rate(`${workspace}.${token}`, deps.clock.monotonicMs())
        if (retryAfterMs > 0) {
          const message = `A link may be opened ${shareRatePerSecond} times a second. Wait a moment.`
          throw new HubError('rate_limited', message, { retryAfterMs })
        }
        const path = `/share/${token}`
        const data = await answerBy(deps, request, { workspace, area, installation, method: 'GET', path })
        const { headers } = request.incoming
        const isPage = headers.accept?.includes('text/html') === true
        const answer = isPage ? await sharedPage(data, { ...request, cookie: headers.cookie }) : data
        answer.headers.set('vary', 'accept')
        answer.headers.set('x-robots-tag', 'noindex, nofollow')
        return answer
      },
    },
  ]
}

const pathOf = (request: Call): string => new URL(request.url, 'http://hub').pathname

interface Addressed {
  readonly workspace: WorkspaceId
  readonly area: string | null
  readonly method: (typeof METHODS)[number]
  /** As the plugin's manifest has it. */
  readonly path: string
  readonly installation: string
}

async function answerBy(
  { pluginRoute, limits }: Pick<HttpDeps, 'pluginRoute' | 'limits'>,
  request: Call,
  { workspace, area, installation, method, path }: Addressed,
): Promise<Response> {
  if (pluginRoute === undefined) throw new HubError('not_found', 'Nothing is served here.')
  const { incoming, requestId } = request
  const bytes = method === 'GET' ? '' : (await readBytes(incoming, limits.pluginRouteBodyBytesMax)).toString('base64')
  const query = Object.fromEntries(new URL(request.url, 'http://hub').searchParams)
  const headers = headersOf(incoming.headers, request.principal !== null)
  const scopes = area === null ? [] : scopesOf(request)
  // What strangers come by shows them nothing, whoever they say they are.
  const seesErrors = area !== null && request.principal !== null && allows(request.principal, 'admin')
  const asked = { method, path, query, headers, bytes, scopes }
  const answer = await pluginRoute(
    { workspace, area, installation, requestId, seesErrors, request: asked },
    { gone: goneOf(request) },
  )
  return toResponse(answer, requestId)
}

const scopesOf = ({ principal }: Call): readonly string[] =>
  principal === null ? [] : SCOPES.filter((scope) => allows(principal, scope))

/** A key of the hub is for the hub, valid or not any more: the plugin behind the door does not get to see it. */
function headersOf(headers: NodeJS.Dict<string | string[]>, hidesKey: boolean): Record<string, string> {
  const seen = seenHeaders(headers)
  if (hidesKey || OWN_KEY.test(seen['authorization'] ?? '')) delete seen['authorization']
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
