/**
 * The calls of 24 hours are used up: nobody of this installation asks again before an hour is over, and then one run does,
 * whatever waits. Kept in memory: after a restart one call finds it out again.
 */
import type { FinalOutcome } from 'manifold/plugin'
import { isSpent, SPENT_MS } from './outcomes.ts'

/** How long the others wait for what the one that asks finds out. */
const ASKING_MS = 60_000

/** Whoever waits for less uses up the schedule of what is old. */
const WAIT_MS_MIN = 900_000

/** Null: there are calls, as far as anybody knows. */
let waits: { readonly untilMs: number; readonly told: Waiting } | null = null

type Waiting = Extract<FinalOutcome, { outcome: 'retry' }>

/** What becomes of records for which no call is to be made now; null: make it. Whoever is let through once the time is over asks for all. */
export function heldBySpent(nowMs: number): FinalOutcome | null {
  if (waits === null) return null
  const { untilMs, told } = waits
  if (nowMs < untilMs) return { ...told, afterMs: Math.max(untilMs - nowMs, WAIT_MS_MIN) }
  waits = { untilMs: nowMs + ASKING_MS, told }
  return null
}

/** What a call was answered: the outcome of all of its records, or null where each has its own. */
export function learnSpent(outcome: FinalOutcome | null, nowMs: number): void {
  waits = outcome !== null && isSpent(outcome) ? { untilMs: nowMs + SPENT_MS, told: outcome } : null
}
