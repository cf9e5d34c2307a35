/** The run of a handler for the history: which event, what was taken of what it asked for, why it failed. */
import type { OpenedRun } from '../delivery/ports.ts'
import type { HubError } from '../errors.ts'
import type { LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { RunEnd } from '../runs/record.ts'
import type { Run, RunResult } from '../sandbox/sandbox.ts'
import type { Effects } from '../storage/store.ts'

/** A run about an event, before it is made. */
export interface HandlerRun {
  readonly event: LogEvent
  /** What the manifest calls the event. */
  readonly type: string
  readonly run: Run
  readonly opened: OpenedRun
  readonly startedAtMs: number
}

export interface HandlerEnd {
  readonly result: RunResult
  readonly effects: Effects
  readonly error: HubError | null
  /** The delivery that a failed one became. */
  readonly deliveryId: string | null
}

/** What the history is told. */
export const handlerRunEnd = (
  installation: Installation,
  { event, type, run, opened, startedAtMs }: HandlerRun,
  { result, effects, error, deliveryId }: HandlerEnd,
): RunEnd => ({
  id: run.id,
  installation,
  kind: 'handler',
  name: type,
  attempt: run.attempt,
  startedAtMs,
  durationMs: result.durationMs,
  items: [{ eventId: event.id, deliveryId, formId: event.formId, responseId: event.responseId, outcome: null }],
  result,
  effects,
  exchanges: opened.exchanges,
  failure: error === null ? null : { code: error.code, error: error.message, cause: error.cause },
  mask: opened.mask,
})
