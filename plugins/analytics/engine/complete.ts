/** Whether an answer is of all that happened: single behaviour events are forgotten by age, and what was before is in no number. */
import type { Projection } from './projection.ts'

/**
 * From which time on, RFC 3339, an answer is of all events, for `meta.complete_from`; null: it is of all that it asked about.
 * `reachMs`: the earliest that it asks about, `-Infinity` where that has no beginning.
 */
export function completeFrom({ eventsFrom }: Pick<Projection, 'eventsFrom'>, reachMs: number): string | null {
  const fromMs = eventsFrom()
  return fromMs !== null && reachMs < fromMs ? new Date(fromMs).toISOString() : null
}
