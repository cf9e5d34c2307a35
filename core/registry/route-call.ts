/** Runs a plugin's own HTTP route in its sandbox and commits what it asked for before the answer leaves. */
import type { Clock } from '../clock.ts'
import type { RouteResponse } from '../contract/index.ts'
import { commitEffects } from '../delivery/commit-effects.ts'
import { NO_EFFECTS, toEffects } from '../delivery/effects.ts'
import type { MemoryQuota } from '../delivery/memory-quota.ts'
import type { OpenCapabilities, OpenedRun } from '../delivery/ports.ts'
import { asHubError, ERRORS, HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { PluginInlet } from '../ingest/by-plugin.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, LogEvent, WorkspaceId } from '../model.ts'
import type { Meter } from '../observe/observe.ts'
import type { RunHealth } from '../runs/health.ts'
import type { RunRecorder } from '../runs/history.ts'
import type { RunEnd } from '../runs/record.ts'
import type { Run, RunResult, Sandbox } from '../sandbox/sandbox.ts'
import type { Effects, Store } from '../storage/store.ts'
import type { Installation } from './installation.ts'
import type { OpenRoutes } from './open-routes.ts'
import type { Roster } from './roster.ts'
import { matchRoute } from './route-match.ts'
import type { RouteMatch } from './route-match.ts'
import { seenRequest } from './route-wire.ts'
import type { ArrivedRequest } from './route-wire.ts'
import { isRunning } from './states.ts'

export interface RouteCallDeps {
  readonly roster: Pick<Roster, 'find' | 'isUp' | 'loaded'>
  /** Runs what comes by an area of the API, and what is native. */
  readonly sandbox: Pick<Sandbox, 'runEach'>
  /** Runs what comes by the open door. */
  readonly openRoutes: Pick<OpenRoutes, 'ready' | 'isUp' | 'run'>
  readonly capabilities: OpenCapabilities
  readonly store: Pick<Store, 'commitHandled'>
  readonly memoryQuota: MemoryQuota
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly published: (events: readonly LogEvent[]) => void
  readonly runs: RunRecorder
  readonly health: Pick<RunHealth, 'note'>
  readonly inlet: PluginInlet
  readonly clock: Clock
  readonly limits: Limits
  readonly meter: Pick<Meter, 'handlerFailed' | 'pluginMetric'>
}

const LOADED_SOON_MS = 1_000

/** A request and whose it is. */
interface AddressedRequest {
  readonly workspace: WorkspaceId
  readonly installation: string
  /** The area of the API that it came by, with a key of that area's scope; null: the open door of all plugins. */
  readonly area: string | null
  /** As the caller is told it; null: the hub itself asks, or a plugin's test. */
  readonly requestId: string | null
  /** Whoever asks may read what a plugin threw: an admin, or the plugin's test. Everybody else learns that it failed. */
  readonly seesErrors: boolean
  readonly request: ArrivedRequest
}

/** Waits for the answer; `gone` when it does no longer. */
export interface Waiting {
  readonly gone?: AbortSignal | undefined
}

const INTERRUPTED_TRIES_MAX = 3

/**
 * Rejects with `not_found` for what the manifest does not declare. What a run fails with is its author's to read; others
 * learn `plugin_failed`, or in plain words what the hub itself refused, by whatever door they came. A run that ended
 * through no fault of its own is made again, while there is time: nothing of it was written down.
 */
export function openRouteCall(deps: RouteCallDeps) {
  return async (input: AddressedRequest, waiting: Waiting = {}): Promise<RouteResponse> => {
    let untilMs = Infinity
    for (let tries = 1; ; tries++) {
      const ran = await runOnce(deps, input, { ...waiting, untilMs })
      untilMs = ran.ready.deadlineMs
      const mayTryAgain = tries < INTERRUPTED_TRIES_MAX && waiting.gone?.aborted !== true
      if (!isHarmlesslyInterrupted(ran) || !mayTryAgain || deps.clock.nowMs() >= untilMs)
        return settle(deps, input, ran)
      record(deps, { ...ran, input, effects: NO_EFFECTS, error: ran.result.error })
    }
  }
}

interface Ran {
  readonly ready: Ready
  readonly result: RunResult
}

/** What may have left must not leave twice without its sender's knowledge. */
const isHarmlesslyInterrupted = ({ ready, result }: Ran): boolean =>
  result.error?.code === 'plugin_interrupted' && !ready.opened.mayHaveLeft()

async function runOnce(
  deps: RouteCallDeps,
  input: AddressedRequest,
  { gone, untilMs }: Waiting & { readonly untilMs: number },
): Promise<Ran> {
  let ready = await prepare(deps, input, untilMs)
  // A swap that ended while the body was read: nothing of the old one meets new code.
  while (!isStill(deps, input, ready.installation)) ready = await prepare(deps, input, untilMs)
  const { installation, opened, run, seen, name, deadlineMs } = ready
  const order: Run = {
    id: run.id,
    attempt: 1,
    input: { kind: 'route', name, request: seen },
    capabilities: opened.handler,
    deadlineMs,
    signal: gone,
  }
  const isOpen = isOpenRoute(input, installation)
  const result = await (isOpen
    ? deps.openRoutes.run(installation, order)
    : deps.sandbox.runEach(installation.key, order))
  return { ready, result }
}

/** The answer of a run that nobody makes again. */
async function settle(deps: RouteCallDeps, input: AddressedRequest, ran: Ran): Promise<RouteResponse> {
  const { ready, result } = ran
  const { installation, opened, run, nowMs } = ready
  try {
    if (result.error !== null) throw result.error
    const effects = await commit(deps, installation, { result, runId: run.id, nowMs })
    if (!isLook(input, ran, effects)) record(deps, { ...ran, input, effects, error: null })
    for (const { name: metric, by } of result.effects.metric) deps.meter.pluginMetric(installation.id, metric, by)
    const answer = (result.value ?? {}) as RouteResponse
    noteHealth(deps, ready, answer)
    return answer
  } catch (thrown) {
    const error = asHubError(thrown)
    record(deps, { ...ran, input, effects: NO_EFFECTS, error })
    noteHealth(deps, ready, error)
    deps.meter.handlerFailed(installation.id, error.code)
    if (!input.seesErrors) throw outward(error)
    const message = opened.mask(error.message)
    throw message === error.message ? error : new HubError(error.code, message)
  }
}

/**
 * A question to the API that was answered, and nothing else came of it: the dashboard alone asks dozens for a page, and among
 * them nobody would find what happened. What it cost is counted as of every run.
 */
const isLook = ({ area }: AddressedRequest, { ready, result }: Ran, effects: Effects): boolean =>
  area !== null && result.logs.length + result.logsDropped + ready.opened.exchanges.length === 0 && isNothing(effects)

const isNothing = ({ deliveries, kv, events, tallies }: Effects): boolean =>
  deliveries.length + kv.length + events.length + tallies.length === 0

const record = (
  deps: RouteCallDeps,
  { ready: { installation, run, opened }, result, ...ended }: Ran & Pick<EndedRoute, 'input' | 'effects' | 'error'>,
): void => deps.runs.record(routeRunEnd(deps, { installation, run, opened, result, ...ended }))

const REFUSED_MIN = 400
const SENDER_REFUSED: ReadonlySet<number> = new Set([401, 403])
const WORDS_CHARS_MAX = 200

/**
 * Whoever takes in responses fares as its senders do. Words are repeated only where a sender is refused unread: others may
 * quote answers that are stored, or are not. Nobody is alarmed: strangers may ask as they like.
 */
function noteHealth(
  { health }: Pick<RouteCallDeps, 'health'>,
  { installation, name, opened }: Pick<Ready, 'installation' | 'name' | 'opened'>,
  ended: RouteResponse | HubError,
): void {
  const { workspace, id, plugin } = installation
  if (plugin.manifest.permissions.submit !== true) return
  const note = (error: { readonly code: string; readonly message: string } | null): void =>
    health.note({ workspace, installation: id, responseId: null, error, hasProven: opened.hasProven() })
  if (ended instanceof HubError) return note({ code: ended.code, message: `${name} failed.` })
  const { status = 200, json } = ended
  if (status < REFUSED_MIN) return note(null)
  const said =
    SENDER_REFUSED.has(status) && typeof json === 'object' && json !== null && 'error' in json ? json.error : ''
  const words = typeof said === 'string' ? opened.mask(said).slice(0, WORDS_CHARS_MAX) : ''
  note({
    code: `http_${status}`,
    message: `${name} refused a request with ${status}${words === '' ? '.' : `: ${words}`}`,
  })
}

type Ready = Awaited<ReturnType<typeof prepare>>

/** A failure as strangers may know it: nothing of what was thrown. */
function outward(error: HubError): HubError {
  const { code, retryAfterMs } = error
  const { status, act, title } = ERRORS[code]
  if (status === 502 || act === 'vendor')
    return new HubError(
      'plugin_failed',
      'The plugin behind this address failed at this request. Whoever runs the hub finds out why in its log and with "manifold runs --kind route --failed".',
    )
  const todo = code === 'plugin_interrupted' ? ' It is not made again by itself: send the request once more.' : ''
  return new HubError(code, `${title}.${todo}`, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    // Nobody foresaw it: the log has to say what it was.
    ...(code === 'internal' ? { cause: error.cause ?? error } : {}),
  })
}

/** Who answers, and the request as it gets to see it. */
async function prepare(deps: RouteCallDeps, input: AddressedRequest, untilMs: number) {
  const { request } = input
  const { installation, route } = await serving(deps, input)
  if (isOpenRoute(input, installation)) await loadedForAll(deps, installation)
  const { name, params } = route
  const nowMs = deps.clock.nowMs()
  const run = { id: newId('run', nowMs), name, startedAtMs: nowMs, startedMonoMs: deps.clock.monotonicMs() }
  const { headers, query } = request
  const arrival = { headers, query, params, bytes: Buffer.from(request.bytes, 'base64') }
  const deadlineMs = Math.min(untilMs, nowMs + installation.limits.routeWallMs)
  const opened = deps.capabilities.open(installation, {
    deadlineMs,
    route: { arrival, ...deps.inlet },
  })
  const { body } = installation.plugin.manifest.routes[name] ?? {}
  const seen = await seenRequest({ request, route, arrival, body, mask: opened.mask, limits: deps.limits })
  return { installation, opened, run, seen, name, nowMs, deadlineMs }
}

const isStill = (
  { roster, openRoutes }: Pick<RouteCallDeps, 'roster' | 'openRoutes'>,
  input: AddressedRequest,
  installation: Installation,
): boolean =>
  roster.find(installation.key)?.installation.hash === installation.hash &&
  roster.isUp(installation.key) &&
  (!isOpenRoute(input, installation) || openRoutes.isUp(installation))

/** What is native runs where it is: only plugins of the hub itself are. */
const isOpenRoute = ({ area }: AddressedRequest, { plugin }: Installation): boolean =>
  area === null && plugin.manifest.runtime !== 'native'

/** What came of it beside the run is not for strangers. */
async function loadedForAll(
  { openRoutes }: Pick<RouteCallDeps, 'openRoutes'>,
  installation: Installation,
): Promise<void> {
  try {
    await openRoutes.ready(installation)
  } catch (error) {
    throw outward(asHubError(error))
  }
}

interface Serving {
  readonly installation: Installation
  readonly route: RouteMatch
}

/** Who answers. While its code is swapped it is waited for, as long as a route may take: no old code meets a new manifest. */
async function serving(
  { roster, clock }: Pick<RouteCallDeps, 'roster' | 'clock'>,
  { workspace, installation: id, area, request }: AddressedRequest,
): Promise<Serving> {
  const key = `${workspace}/${id}`
  const find = (): Serving => {
    const member = roster.find(key)
    const { routes = {}, api = {} } = member?.installation.plugin.manifest ?? {}
    const route = matchRoute(routes, request)
    // What asks for a key in the API is not open to everybody by another door.
    const isItsDoor = area === null ? Object.keys(api).length === 0 : Object.hasOwn(api, area)
    if (member === undefined || route === undefined || !isItsDoor)
      throw new HubError('not_found', 'Nothing is served here.')
    if (isRunning(member.state)) return { installation: member.installation, route }
    throw new HubError('unavailable', `The installation "${id}" does not run at the moment.`)
  }
  const found = find()
  if (roster.isUp(key)) return found
  let stopWaiting = (): void => {}
  const late = new Promise<void>((resolve) => {
    stopWaiting = clock.after(found.installation.limits.routeWallMs, resolve)
  })
  await Promise.race([roster.loaded(), late])
  stopWaiting()
  if (roster.isUp(key)) return find()
  throw new HubError('unavailable', `The installation "${id}" is not loaded yet.`, { retryAfterMs: LOADED_SOON_MS })
}

/** Writes down what it asked for, before the answer leaves. */
async function commit(
  deps: RouteCallDeps,
  installation: Installation,
  { result, runId, nowMs }: { readonly result: RunResult; readonly runId: string; readonly nowMs: number },
): Promise<Effects> {
  await deps.memoryQuota.ready(installation, [result.effects])
  deps.memoryQuota.admit(installation, result.effects)
  const nobody = { eventSeq: null, eventId: null, formId: null, responseId: null }
  const source = { ...nobody, hops: 0, keyBase: runId, keySuffix: '' }
  const effects = toEffects(result.effects, { installation, source, nowMs, limits: deps.limits })
  if (isNothing(effects)) return effects
  const { deliveries, events } = await commitEffects(deps.store, installation, effects)
  deps.published(events)
  deps.push(deliveries)
  return effects
}

interface EndedRoute {
  readonly input: AddressedRequest
  readonly installation: Installation
  readonly run: {
    readonly id: string
    readonly name: string
    readonly startedAtMs: number
    readonly startedMonoMs: number
  }
  readonly opened: OpenedRun
  readonly result: RunResult
  readonly effects: Effects
  readonly error: HubError | null
}

const routeRunEnd = (
  { clock }: Pick<RouteCallDeps, 'clock'>,
  { input, installation, run, opened, result, effects, error }: EndedRoute,
): RunEnd => ({
  id: run.id,
  ...(input.requestId === null ? {} : { requestId: input.requestId }),
  installation,
  kind: 'route',
  name: run.name,
  attempt: 1,
  startedAtMs: run.startedAtMs,
  durationMs: clock.monotonicMs() - run.startedMonoMs,
  items: [],
  result,
  effects,
  exchanges: opened.exchanges,
  failure: error === null ? null : { code: error.code, error: error.message, cause: error.cause },
  mask: opened.mask,
})
