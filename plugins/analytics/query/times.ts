/** Moments as questions name them: RFC 3339, or a day of the calendar of the question's zone. */
import { z } from 'zod'
import { DAY_MS } from '../time-units.ts'
import { instantOf, isZone } from './zone.ts'

/** RFC 3339, kept as it was written. */
export const momentText = z.iso.datetime({
  offset: true,
  error:
    'is no moment; write it with its time and offset, such as "2026-11-01T00:00:00Z" or "2026-11-01T00:00:00+01:00", or a day, such as "2026-11-01"',
})

/** The same in milliseconds since 1970. */
export const moment = momentText.transform((text) => Date.parse(text))

/**
 * A question whose days are moments: `from` where that day begins, `to` where the next one does, so that the day belongs to it
 * whole, however many hours it has. `timezone`: of a question that names none.
 */
export function withMoments(given: unknown, timezone: string): unknown {
  if (typeof given !== 'object' || given === null) return given
  const question = given as { readonly [part: string]: unknown }
  const named = question['timezone']
  // A zone that is none is refused for itself.
  const zone = typeof named === 'string' && isZone(named) ? named : timezone
  const read = { ...question }
  for (const [part, days] of [
    ['from', 0],
    ['to', 1],
  ] as const) {
    const wallMs = dayOf(question[part])
    if (wallMs !== null) read[part] = new Date(instantOf(wallMs + days * DAY_MS, zone)).toISOString()
  }
  return read
}

/** Where it begins on the wall clock, as if that were UTC; null: it is no day. */
function dayOf(value: unknown): number | null {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d$/.test(value)) return null
  const ms = Date.parse(`${value}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(value) ? ms : null
}
