/**
 * Admission: ingest yields when a destination that could keep up is falling behind only because this machine is busy
 * taking more in. A slow or dead destination never slows ingest: its backlog waits in storage.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { createRateWindow } from './rate-window.ts'

/** What the controller looks at; one sample every `SAMPLE_MS`. */
export interface PressureSample {
  /** Submissions that came, let in or not: refusing them must not make a lane look fast. */
  readonly offeredPerSecond: number
  /** One for each installation that runs, unthrottled, with no breaker open. */
  readonly lanes: readonly {
    /** Events not yet handled plus deliveries waiting in memory. */
    readonly behind: number
    readonly deliveredPerSecond: number
  }[]
}

type AdmissionLimits = Pick<Limits, 'backlogSoftMax' | 'backlogHardMax' | 'ingestDelayMsMax'>

/** Delivering less than this share of what comes in: the destination is slow, and waiting would not help it. */
const FAST_SHARE = 0.3
/** Below this the machine is not what holds a lane back. */
const FAST_PER_SECOND = 100
const DELAY_STEP_MS = 2
const DELAY_GROWTH = 1.25
const DELAY_DECAY = 0.7

/**
 * The delay for the next submissions: grows while a fast lane is over the soft limit, shrinks as soon as none is. Pure.
 */
export function nextDelayMs(delayMs: number, sample: PressureSample, limits: AdmissionLimits): number {
  const behind = fastBehind(sample)
  if (behind <= limits.backlogSoftMax) {
    const shrunk = delayMs * DELAY_DECAY
    return shrunk < 1 ? 0 : shrunk
  }
  // The further over, the harder it brakes.
  const excess = Math.min(3, behind / limits.backlogSoftMax)
  return Math.min(limits.ingestDelayMsMax, delayMs * (1 + (DELAY_GROWTH - 1) * excess) + DELAY_STEP_MS * excess)
}

/** How far the farthest of the fast lanes is behind. */
export function fastBehind(sample: PressureSample): number {
  const leastPerSecond = Math.max(FAST_PER_SECOND, sample.offeredPerSecond * FAST_SHARE)
  const fast = sample.lanes.filter((lane) => lane.deliveredPerSecond >= leastPerSecond)
  return Math.max(0, ...fast.map((lane) => lane.behind))
}

export interface AdmissionDeps {
  readonly lanes: () => PressureSample['lanes']
  readonly clock: Clock
  readonly limits: AdmissionLimits
}

export interface Admission {
  /**
   * Waits as long as the hub wants submissions to wait; nothing at all while delivery keeps up. Throws `overloaded`
   * when waiting is no longer enough.
   */
  readonly wait: () => Promise<void> | undefined
  readonly delayMs: () => number
}

const SAMPLE_MS = 20
const RETRY_AFTER_MS = 1_000

/** Samples only while submissions come: an idle hub has no timer. */
export function createAdmission({ lanes, clock, limits }: AdmissionDeps): Admission {
  const offered = createRateWindow()
  let delayMs = 0
  let isFull = false
  let sampledAtMs = Number.NEGATIVE_INFINITY
  return {
    delayMs: () => delayMs,
    wait: () => {
      const nowMs = clock.monotonicMs()
      offered.add(1, nowMs)
      if (nowMs - sampledAtMs >= SAMPLE_MS) {
        sampledAtMs = nowMs
        const seen = { offeredPerSecond: offered.perSecond(nowMs), lanes: lanes() }
        delayMs = nextDelayMs(delayMs, seen, limits)
        isFull = fastBehind(seen) > limits.backlogHardMax
      }
      if (isFull) {
        throw new HubError(
          'overloaded',
          'Deliveries are too far behind to take more in; send this again in a second.',
          {
            retryAfterMs: RETRY_AFTER_MS,
          },
        )
      }
      if (delayMs === 0) return undefined
      return new Promise((resolve) => void clock.after(delayMs, resolve))
    },
  }
}
