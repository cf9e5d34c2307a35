/** The end of one attempt as it is written: next state, next time, log row, effects. */
import type { Limits } from '../limits.ts'
import { rfc3339 } from '../clock.ts'
import type { DeadReason, Delivery, RunLog } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { maskedLines } from '../runs/record.ts'
import type { FinishedAttempt } from '../storage/store.ts'
import type { AttemptEnd } from './attempt.ts'
import { backoffMs } from './backoff.ts'
import { isLongWait } from './long-waits.ts'
import { isUntouched } from './outcome.ts'
import type { Verdict } from './outcome.ts'
import { transition } from './states.ts'

export interface FinishedAttemptInput {
  readonly installation: Installation
  readonly delivery: Delivery
  readonly verdict: Extract<Verdict, { kind: 'delivered' | 'retry' | 'dead' | 'refused' }>
  readonly end: AttemptEnd
  readonly runId: string
  /** Its place in the batch, and how many went in it. */
  readonly index: number
  readonly count: number
  readonly nowMs: number
  readonly limits: Limits
  readonly random: () => number
}

/** Pure. A retry whose schedule is used up is a death. */
export function finishedAttempt(input: FinishedAttemptInput): FinishedAttempt {
  const { installation, delivery, verdict, end, runId, index, count } = input
  const failed = verdict.kind === 'delivered' ? null : { code: verdict.code, error: end.mask(verdict.error) }
  return {
    workspace: delivery.workspace,
    deliveryId: delivery.id,
    installation: delivery.installation,
    plugin: installation.plugin.manifest.id,
    attemptsBefore: delivery.attempts,
    ...nextOf(input),
    ...(verdict.kind === 'delivered' && end.hasProven ? { hasProven: true } : {}),
    scheduleStep: delivery.scheduleStep + (verdict.kind === 'refused' || isFree(input) ? 0 : 1),
    errorCode: failed?.code ?? null,
    error: failed?.error ?? null,
    host: end.host ?? delivery.host,
    attempt: {
      at: rfc3339(end.startedAtMs),
      durationMs: Math.round(end.durationMs),
      outcome: verdict.kind === 'delivered' ? 'delivered' : verdict.outcome,
      errorCode: failed?.code ?? null,
      error: failed?.error ?? null,
      exchanges: index === 0 ? end.exchanges : [],
      logs: logsOf(input),
    },
    effects: end.effects,
    ...(count === 1 ? {} : { batch: runId }),
  }
}

type Next = Pick<FinishedAttempt, 'state' | 'dueAtMs' | 'reason'>

/**
 * It takes no step of the schedule, which is there for what was tried; but not for ever. One that is replayed, or whose
 * installation comes back, when it is old has been tried a few times only. Of a long wait somebody is told each day.
 */
const isFree = ({ delivery, verdict, nowMs, limits }: FinishedAttemptInput): boolean =>
  isUntouched(verdict) &&
  (isLongWait(verdict) ||
    delivery.attempts < limits.untouchedAttemptsMax ||
    nowMs - Date.parse(delivery.createdAt) < limits.untouchedAgeMsMax)

/** The delay it waits for. What takes no step waits longer each time all the same, at last always as long as the schedule's last. */
function stepOf(input: FinishedAttemptInput): number {
  const { delivery, installation } = input
  if (!isFree(input)) return delivery.scheduleStep + 1
  return Math.min(Math.max(delivery.scheduleStep, delivery.attempts) + 1, installation.retry.delaysMs.length)
}

function nextOf(input: FinishedAttemptInput): Next {
  const { installation, delivery, verdict, nowMs, limits, random } = input
  const buried = (reason: DeadReason): Next => ({
    state: transition(delivery.state, 'bury'),
    dueAtMs: delivery.dueAtMs,
    reason,
  })
  switch (verdict.kind) {
    case 'delivered':
      return { state: transition(delivery.state, 'deliver'), dueAtMs: delivery.dueAtMs, reason: null }
    case 'dead':
      return buried(verdict.reason)
    case 'refused':
      // Due at once: the installation stands still, and it is first when that ends.
      return { state: transition(delivery.state, 'hold'), dueAtMs: delivery.dueAtMs, reason: null }
    case 'retry': {
      const delayMs = backoffMs({
        retry: installation.retry,
        step: stepOf(input),
        afterMs: verdict.afterMs,
        limits,
        random,
      })
      if (delayMs === null) return buried(verdict.reason)
      return { state: transition(delivery.state, 'retry'), dueAtMs: nowMs + delayMs, reason: null }
    }
    default: {
      const unknown: never = verdict
      throw new Error(`Unknown verdict ${JSON.stringify(unknown)}.`)
    }
  }
}

/** A batch's lines and exchanges are recorded once, with its first delivery; the others say where. */
function logsOf({ end, index, count }: FinishedAttemptInput): readonly RunLog[] {
  const { result } = end
  if (index > 0)
    return [
      {
        level: 'info',
        message: `Ran as item ${index + 1} of a batch of ${count}; what was sent is recorded with its first delivery.`,
      },
    ]
  if (result === null) return []
  const lines = maskedLines(result.logs, end.mask)
  if (result.logsDropped === 0) return lines
  return [...lines, { level: 'warn', message: `${result.logsDropped} more log lines were dropped.` }]
}
