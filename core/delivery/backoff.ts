/** When to try again: the installation's schedule with jitter, never before what the receiver asked for. */
import type { RetryPolicy } from '../registry/installation.ts'
import type { Limits } from '../limits.ts'

export interface BackoffInput {
  readonly retry: RetryPolicy
  /** Attempts made since the last replay, the one that just failed included. */
  readonly step: number
  /** What the receiver or the plugin asked for. */
  readonly afterMs?: number | undefined
  readonly limits: Pick<Limits, 'retryAfterMsMax' | 'retryJitterFraction'>
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number
}

/**
 * Milliseconds until the next attempt, or null when the schedule is used up. A wish for a later time is honoured up to
 * `retryAfterMsMax`; a wish for an earlier one is not.
 */
export function backoffMs({ retry, step, afterMs, limits, random }: BackoffInput): number | null {
  const delayMs = retry.delaysMs[step - 1]
  if (delayMs === undefined) return null
  const jittered = delayMs * (1 + limits.retryJitterFraction * (2 * random() - 1))
  if (afterMs === undefined || !(afterMs > 0)) return Math.round(jittered)
  return Math.round(Math.max(jittered, Math.min(afterMs, limits.retryAfterMsMax)))
}
