/** What one session is, everywhere: what one visitor did without a longer pause, by the sender's clock. */
import { MINUTE_MS } from '../time-units.ts'

/** A pause of exactly this long ends none. */
export const SESSION_GAP_MS = 30 * MINUTE_MS
