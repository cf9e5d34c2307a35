/** The HTTP door: one table of routes, one gate before them, one place where errors become answers. */
import { Hono } from 'hono'
import type { Context } from 'hono'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ERRORS, HubError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { newId } from '../ids.ts'
import { LIMITS } from '../limits.ts'
import { openAddressBook } from './address.ts'
import { deadLetterRoutes } from './dead-letters.ts'
import { deliveryRoutes } from './deliveries.ts'
import { discardRoutes } from './discard.ts'
import type { HttpDeps } from './deps.ts'
import { docsRoutes } from './docs.ts'
import { eventQuarantineRoutes } from './event-quarantine.ts'
import { eventRoutes } from './events.ts'
import { fleetDoorRoutes } from './fleet-door.ts'
import { formPreviewRoutes } from './form-preview.ts'
import { formRoutes } from './forms.ts'
import { openGate } from './gate.ts'
import type { Gate } from './gate.ts'
import { configRoutes } from './config.ts'
import { healthRoutes } from './health.ts'
import { hookRoutes } from './hooks.ts'
import { htmlFormRoutes } from './html-form.ts'
import { installationRoutes } from './installations.ts'
import { keyRoutes } from './keys.ts'
import { openApiText } from './openapi.ts'
import { pageRefusal, pageRoutes } from './pages.ts'
import { sessionRoutes } from './sessions.ts'
import { noteRoutes } from './notes.ts'
import { pluginApiRoutes, pluginDoorRoutes, shareRoutes } from './plugin-door.ts'
import { pluginRoutes } from './plugins.ts'
import { answerable, problemResponse } from './problem.ts'
import { processRoutes } from './processes.ts'
import { systemRoutes } from './system.ts'
import { quarantineRoutes } from './quarantine.ts'
import { memoryRoutes } from './memory.ts'
import { scheduleRoutes } from './schedules.ts'
import { replayRoutes } from './replay.ts'
import { runRoutes } from './runs.ts'
import { responseRoutes } from './responses.ts'
import type { Call, KeyedCall, Route } from './route.ts'
import { openSockets } from './sockets.ts'
import type { Upgrade } from './sockets.ts'
import { streamRoutes } from './stream.ts'
import { snippetRoutes } from './snippet.ts'
import { submitRoutes } from './submit.ts'
import { trafficRoutes } from './traffic.ts'
import { trackRoutes } from './track.ts'

/** What @hono/node-server puts beside the request. */
export interface HttpEnv {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse }
}

/** Every route of the hub, in the order they are described. */
export function allRoutes(deps: HttpDeps): readonly Route[] {
  const addresses = openAddressBook(deps.trustedProxies)
  const routes: Route[] = [
    ...submitRoutes(deps, addresses),
    ...responseRoutes(deps),
    ...noteRoutes(deps),
    ...quarantineRoutes(deps),
    ...htmlFormRoutes(deps, addresses),
    ...formRoutes(deps),
    ...formPreviewRoutes(deps),
    ...trackRoutes(deps, addresses),
    ...eventQuarantineRoutes(deps),
    ...snippetRoutes(),
    ...eventRoutes(deps),
    ...streamRoutes(deps),
    ...deliveryRoutes(deps),
    ...deadLetterRoutes(deps),
    ...replayRoutes(deps),
    ...discardRoutes(deps),
    ...memoryRoutes(deps),
    ...scheduleRoutes(deps),
    ...runRoutes(deps),
    ...installationRoutes(deps),
    ...pluginRoutes(deps),
    ...hookRoutes(deps),
    ...keyRoutes(deps),
    ...sessionRoutes(deps),
    ...processRoutes(deps),
    ...systemRoutes(deps),
    ...trafficRoutes(deps),
    ...healthRoutes(deps),
    ...configRoutes(deps),
    ...pluginDoorRoutes(deps),
    ...pluginApiRoutes(deps),
    ...shareRoutes(deps),
    ...fleetDoorRoutes(deps),
    ...docsRoutes(() => routes),
    ...pageRoutes(deps, addresses),
  ]
  return routes
}

/** The API's description as text, without a running hub: handlers are made but never called. */
export const describeApi = (): string =>
  openApiText(allRoutes({ limits: LIMITS, trustedProxies: [] } as unknown as HttpDeps))

/**
 * The app for @hono/node-server. No middleware chain: each route is one function, so that a request costs one match
 * and one call.
 */
export function createHttpApp(deps: HttpDeps): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>()
  const routes = allRoutes(deps)
  const gate = gateOf(deps)
  for (const route of routes) app.on(route.method, honoPath(route.path), (c) => serve({ deps, gate, route, c }))
  const paths = routes.map((route) => ({ route, shape: pathShape(route.path) }))
  app.notFound((c) => otherwise(c, paths))
  app.onError((error, c) => failed({ deps, error, requestId: newId('request'), path: c.req.path }))
  return app
}

const gateOf = (deps: HttpDeps): Gate =>
  openGate({
    credentials: deps.credentials,
    addresses: openAddressBook(deps.trustedProxies),
    clock: deps.clock,
    limits: deps.limits,
    rateLimit: deps.rateLimit,
  })

/** The app, and what takes its WebSockets, through a gate of the same kind. */
export const openHttp = (deps: HttpDeps): { readonly app: Hono<HttpEnv>; readonly upgrade: Upgrade } => ({
  app: createHttpApp(deps),
  upgrade: openSockets(deps, gateOf(deps)),
})

async function serve(input: { deps: HttpDeps; gate: Gate; route: Route; c: Context<HttpEnv> }): Promise<Response> {
  const { deps, route, c } = input
  const { incoming, outgoing } = c.env
  const requestId = newId('request')
  let answer: Response
  try {
    const admitted = input.gate(incoming, route.access)
    const principal = admitted instanceof Promise ? await admitted : admitted
    const call: Call = {
      requestId,
      principal,
      request: c.req.raw,
      incoming,
      outgoing,
      url: incoming.url ?? '/',
      param: (name) => c.req.param(name) ?? '',
    }
    answer = await run(route, call)
  } catch (error) {
    if (route.access === 'submit' && error instanceof HubError) deps.meter.responseRejected(error.code)
    answer = failed({ deps, error, requestId, path: route.path, incoming, route })
  }
  // A browser's script on another site may send to public forms; it carries no cookie and no key of ours.
  if (route.access === 'submit' && incoming.headers.origin !== undefined)
    answer.headers.set('access-control-allow-origin', '*')
  return answer
}

function run(route: Route, call: Call): Promise<Response> | Response {
  switch (route.access) {
    case 'open':
    case 'submit':
    case 'local':
    case 'stranger':
      return route.handler(call)
    default:
      // The gate lets nobody through here without a principal; this is for the day it would.
      if (call.principal === null) throw new HubError('unauthorized', 'This needs an API key.')
      return route.handler(call as KeyedCall)
  }
}

interface Failure {
  readonly deps: HttpDeps
  readonly error: unknown
  readonly requestId: string
  readonly path: string
}

function failed(input: Failure & { incoming?: IncomingMessage; route?: Route }): Response {
  const error = answerable(input.error)
  if (error.status >= 500 && !TOLD_BY_RUN.has(error.code)) tellOf(error, input)
  const { incoming, route, requestId } = input
  if (incoming !== undefined && route?.refusal !== undefined) return route.refusal({ incoming, error, requestId })
  return problemResponse(error, requestId)
}

/** The run of the plugin was told, with its cause and this request. */
const TOLD_BY_RUN: ReadonlySet<ErrorCode> = new Set(['plugin_failed', 'plugin_wall', 'plugin_interrupted'])

function tellOf(error: HubError, { deps: { logger }, requestId, path }: Failure): void {
  const fields = { request: requestId, path }
  const plain = { code: error.code, why: error.message, ...fields }
  // A refusal of the hub's own, such as that of an installation that is paused, has nothing behind it to look for.
  if (error.code === 'unavailable' && error.cause === undefined) logger.warn(plain, 'A request was refused')
  // The way there in the hub's own files helps nobody.
  else if (ERRORS[error.code].act === 'plugin') logger.warn(plain, 'A plugin failed at a request')
  else logger.error({ err: error.code === 'internal' ? (error.cause ?? error) : error, ...fields }, 'A request failed')
}

interface KnownPath {
  readonly route: Route
  readonly shape: RegExp
}

/** No route matched: another method of a known path (405, or a browser's preflight), or nothing at all (404). */
function otherwise(c: Context<HttpEnv>, paths: readonly KnownPath[]): Response {
  const requestId = newId('request')
  const matching = paths.filter(({ shape }) => shape.test(c.req.path)).map(({ route }) => route)
  if (matching.length === 0) {
    const error = new HubError(
      'not_found',
      `Nothing is served at ${c.req.path.slice(0, 200)}. The API is described at /docs.`,
    )
    return pageRefusal({ incoming: c.env.incoming, error, requestId })
  }
  const allow = [...new Set(matching.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(
    ', ',
  )
  if (c.req.method === 'OPTIONS') {
    const submit = matching.some(({ access, method }) => access === 'submit' && method === 'POST')
    return new Response(null, {
      status: 204,
      headers: { allow, 'x-request-id': requestId, ...(submit ? PREFLIGHT_HEADERS : {}) },
    })
  }
  return problemResponse(
    new HubError(
      'method_not_allowed',
      `${c.req.method.slice(0, 20)} is not offered here; ${allow} ${matching.length === 1 ? 'is' : 'are'}.`,
    ),
    requestId,
    { allow },
  )
}

const PREFLIGHT_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST',
  'access-control-allow-headers': 'content-type, idempotency-key',
  'access-control-max-age': '600',
} as const

/** `{name}` → `:name`, `{name+}` → the rest of the path. */
const honoPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1').replaceAll(/\{(\w+)\+\}/g, ':$1{.*}')

function pathShape(path: string): RegExp {
  const escaped = path.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll(/\{\w+\\\+\}/g, '.*')}$`)
}
