/** The salt of a day, in a table that no backup and no move takes along; upkeep drops it when it expires. */
import { first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'

const KEEP = 'INSERT INTO event_salts (day, salt, expires_at_ms) VALUES (?, ?, ?) ON CONFLICT (day) DO NOTHING'
const FIND = 'SELECT salt FROM event_salts WHERE day = ?'

/** Of a copy: whoever has it can link nothing. */
export const FORGET_SALTS = 'DELETE FROM event_salts'

/** The first one that was brought for this day. */
export function* daySalt(input: {
  readonly day: string
  readonly fresh: string
  readonly expiresAtMs: number
}): Procedure<string> {
  yield* run(KEEP, [input.day, input.fresh, input.expiresAtMs])
  const found = yield* first<{ salt: string }>(FIND, [input.day])
  return found?.salt ?? input.fresh
}
