/** The salt of a day, among what plugins remember, under a name that no installation has; upkeep drops it when it expires. */
import { first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'

const KEEP = `INSERT INTO kv (workspace, installation, kv_key, value, expires_at_ms) VALUES ('', '', ?, ?, ?)
  ON CONFLICT (workspace, installation, kv_key) DO NOTHING`
const FIND = "SELECT value FROM kv WHERE workspace = '' AND installation = '' AND kv_key = ?"

/** The first one that was brought for this day. */
export function* daySalt(input: {
  readonly day: string
  readonly fresh: string
  readonly expiresAtMs: number
}): Procedure<string> {
  const key = `event-salt/${input.day}`
  yield* run(KEEP, [key, input.fresh, input.expiresAtMs])
  const found = yield* first<{ value: string }>(FIND, [key])
  return found?.value ?? input.fresh
}
