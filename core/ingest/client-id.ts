/**
 * Client ids as they are stored: those of strangers, of senders with a key and of plugins apart from each other, shown as
 * they were sent.
 */
import { hash } from 'node:crypto'

const PUBLIC_MARK = 'p:'
const KEYED_MARK = 'k:'
const MARKED = /^[pk]:/
const PLUGIN_MARK = 'k:i:'
const PLUGIN_ID_CHARS_MAX = 120

/**
 * Strangers can neither use up, complete nor guess the client ids of senders that showed a key. An id of a keyed sender
 * is stored as it is, unless it begins like a mark itself.
 */
export function storedClientId(clientId: string, keyed: boolean): string {
  if (!keyed) return `${PUBLIC_MARK}${clientId}`
  return MARKED.test(clientId) ? `${KEYED_MARK}${clientId}` : clientId
}

/**
 * Of what an installation submits under the sender's id. No sender's own id is stored like it: after `k:` those have another mark.
 * A long one is shortened to a hash, since ids are looked for and shown, not read.
 */
export const pluginClientId = (installation: string, id: string): string =>
  `${PLUGIN_MARK}${installation}:${id.length <= PLUGIN_ID_CHARS_MAX ? id : hash('sha256', id, 'hex')}`

/** The sender's own id again. */
export function shownClientId(stored: string): string {
  if (stored.startsWith(PLUGIN_MARK)) return stored.slice(PLUGIN_MARK.length)
  return MARKED.test(stored) ? stored.slice(PUBLIC_MARK.length) : stored
}
