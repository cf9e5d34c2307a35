/** What dead letters have in common: the same error in the same words, whatever ids, numbers and addresses stand in them. */
import { createHash } from 'node:crypto'

const CAUSE_CHARS = 16
/** Errors are written by strangers: so much of one is read, and so much of its words is kept. */
const READ_CHARS = 600
const WORDS_CHARS = 300
// Every repetition has an end, so that no text costs more than its length.
const ID = /\b[a-z]{2,5}_[0-9a-z-]{16,64}/gi
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi
const ADDRESS = /[^\s@"'<>,;()]{1,64}@[^\s@"'<>,;()]{1,255}/g
const HEX = /\b(?=[0-9a-f]{0,128}\d)[0-9a-f]{12,128}\b/gi
const NUMBER = /\d{1,128}/g

/** `The receiver answered 503.` → `The receiver answered #.`; ids and e-mail addresses become `…`. */
export const wordsOf = (error: string | null): string =>
  (error ?? '')
    .slice(0, READ_CHARS)
    .replace(UUID, '…')
    .replace(ID, '…')
    .replace(ADDRESS, '…')
    .replace(HEX, '…')
    .replace(NUMBER, '#')
    .slice(0, WORDS_CHARS)
    .toWellFormed()

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
