/** `/i/{installation}/…`: the routes plugins answer themselves. What comes back is checked before it may leave. */
import type { RouteResponse } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import { leavingHeaders, seenHeaders } from '../registry/route-wire.ts'
import { readBytes } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import type { Call, KeyedCall, Route } from './route.ts'

const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 205, 304])
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

/** What plugins of the hub itself add to the API. */
export const pluginApiRoutes = (deps: Pick<HttpDeps, 'pluginRoute' | 'pluginAreas' | 'limits'>): Route[] =>
  (deps.pluginAreas ?? []).flatMap(({ area, scope, plugin, installationIn }) =>
    METHODS.map((method) => ({
      method,
      path: `/api/v2/${area}/{rest+}`,
      access: scope,
      handler: (request: KeyedCall) => {
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
      },
    })),
  )

/** `/share/<workspace>.<token>`: what a link shows to whoever has it, and no search engine. */
export function shareRoutes(deps: Pick<HttpDeps, 'pluginRoute' | 'pluginAreas' | 'limits'>): Route[] {
  const shared = deps.pluginAreas?.find(({ isShared }) => isShared)
  if (shared === undefined) return []
  const { area, installationIn } = shared
  return [
    {
      method: 'GET',
      path: '/share/{token}',
      access: 'stranger',
      handler: async (request) => {
        const [, workspace = '', token = ''] = /^([\w-]+)\.([\w-]+)$/.exec(request.param('token')) ?? []
        const installation = installationIn(workspace)?.id
        if (installation === undefined) throw new HubError('not_found', 'This link is not valid.')
        const path = `/share/${token}`
        const answer = await answerBy(deps, request, { workspace, area, installation, method: 'GET', path })
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
  const answer = await pluginRoute({
    workspace,
    area,
    installation,
    requestId,
    request: { method, path, query, headers, bytes },
  })
  return toResponse(answer, requestId)
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
