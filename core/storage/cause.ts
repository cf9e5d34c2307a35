/** What dead letters have in common: the same error in the same words, whatever ids, numbers and addresses stand in them. */
import { createHash } from 'node:crypto'

const CAUSE_CHARS = 16
const ID = /\b[a-z]{2,5}_[0-9a-z-]{16,}/gi
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi
const ADDRESS = /[^\s@"'<>,;()]+@[^\s@"'<>,;()]+/g
const HEX = /\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b/gi
const NUMBER = /\d+/g

/** `The receiver answered 503.` → `The receiver answered #.`; ids and e-mail addresses become `…`. */
export const wordsOf = (error: string | null): string =>
  (error ?? '').replace(UUID, '…').replace(ID, '…').replace(ADDRESS, '…').replace(HEX, '…').replace(NUMBER, '#')

/** A short name for (installation, code, words), to ask for these again. */
export const causeOf = (dead: {
  readonly installation: string
  readonly code: string | null
  readonly error: string | null
}): string =>
  createHash('sha256')
    .update(JSON.stringify([dead.installation, dead.code, wordsOf(dead.error)]))
    .digest('hex')
    .slice(0, CAUSE_CHARS)
