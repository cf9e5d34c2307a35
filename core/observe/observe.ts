/** Logs and numbers as the rooms see them: what to say, not where it goes. Made in `core/observe/open.ts`. */
import type { TransformOutcome, WorkspaceId } from '../model.ts'

/** pino's shape, reduced to what the hub uses. Fields named by ids: `event`, `delivery`, `installation`, `plugin`. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

/** What comes and goes, for the numbers that each workspace is shown. */
interface Traffic {
  /** A response was stored. */
  responseCame(workspace: WorkspaceId): void
  /** An attempt went well, so long after its delivery was asked for. */
  deliveryMade(workspace: WorkspaceId, tookMs: number): void
  /** An attempt did not. */
  deliveryFailed(workspace: WorkspaceId): void
}

/** What rooms count with. */
export interface Meter extends Counters, Traffic {}

/** The hub's own counters; each is one Prometheus metric of `/metrics`. Labels are few and bounded. */
export interface Counters {
  responseAccepted(kind: 'stored' | 'completed' | 'duplicate' | 'quarantined', count?: number): void
  responseRejected(code: string): void
  /** `denied`: its sender did not want it stored. */
  eventTracked(kind: 'stored' | 'duplicate' | 'denied' | 'refused' | 'quarantined', count: number): void
  transformed(installation: string, outcome: TransformOutcome): void
  eventsHandled(installation: string, count: number): void
  attempt(installation: string, outcome: string, durationMs: number): void
  handlerFailed(installation: string, code: string): void
  sandboxRestart(group: string, why: string): void
  pluginMetric(installation: string, name: string, by: number): void
  endToEnd(installation: string, durationMs: number): void
  breaker(installation: string, state: 'open' | 'closed'): void
  configReload(ok: boolean): void
}
