/** Runs a plugin's own HTTP route in its sandbox and commits what it asked for before the answer leaves. */
import type { Clock } from '../clock.ts'
import type { RouteRequest, RouteResponse } from '../contract/index.ts'
import { commitEffects } from '../delivery/commit-effects.ts'
import { toEffects } from '../delivery/effects.ts'
import type { KvQuota } from '../delivery/kv-quota.ts'
import type { OpenCapabilities } from '../delivery/ports.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { Store } from '../storage/store.ts'
import type { Roster } from './roster.ts'
import { isRunning } from './states.ts'

export interface RouteCallDeps {
  readonly roster: Pick<Roster, 'find'>
  readonly sandbox: Pick<Sandbox, 'runEach'>
  readonly capabilities: OpenCapabilities
  readonly store: Pick<Store, 'commitHandled'>
  readonly kvQuota: KvQuota
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly published: (events: readonly LogEvent[]) => void
  readonly clock: Clock
  readonly limits: Limits
}

/** Rejects with `not_found` for what the manifest does not declare, else with the run's own error. */
export function openRouteCall(deps: RouteCallDeps) {
  return async (input: { readonly installation: string; readonly request: RouteRequest }): Promise<RouteResponse> => {
    const member = deps.roster.find(`${DEFAULT_WORKSPACE}/${input.installation}`)
    const name = `${input.request.method} ${input.request.path}`
    const routes = member?.installation.plugin.manifest.routes ?? {}
    if (member === undefined || !Object.hasOwn(routes, name)) throw new HubError('not_found', 'Nothing is served here.')
    if (!isRunning(member.state))
      throw new HubError('unavailable', `The installation "${input.installation}" does not run at the moment.`)
    const { installation } = member
    const nowMs = deps.clock.nowMs()
    const runId = newId('run', nowMs)
    const opened = deps.capabilities.open(installation, { deadlineMs: nowMs + installation.limits.routeWallMs })
    const result = await deps.sandbox.runEach(installation.key, {
      id: runId,
      attempt: 1,
      input: { kind: 'route', name, request: input.request },
      capabilities: opened.handler,
    })
    if (result.error !== null) throw result.error
    await deps.kvQuota.ready(installation, result.effects.kv)
    deps.kvQuota.admit(installation, result.effects.kv)
    const source = {
      eventSeq: null,
      eventId: null,
      formId: null,
      responseId: null,
      hops: 0,
      keyBase: runId,
      keySuffix: '',
    }
    const effects = toEffects(result.effects, { installation, source, nowMs, limits: deps.limits })
    if (effects.deliveries.length + effects.kv.length + effects.events.length + effects.tallies.length > 0) {
      const { deliveries, events } = await commitEffects(deps.store, installation, effects)
      deps.published(events)
      deps.push(deliveries)
    }
    return (result.value ?? {}) as RouteResponse
  }
}
