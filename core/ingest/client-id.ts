/** Client ids as they are stored: those of strangers apart from those of senders with a key, shown as they were sent. */

const PUBLIC_MARK = 'p:'
const KEYED_MARK = 'k:'
const MARKED = /^[pk]:/

/**
 * Strangers can neither use up, complete nor guess the client ids of senders that showed a key. An id of a keyed sender
 * is stored as it is, unless it begins like a mark itself.
 */
export function storedClientId(clientId: string, keyed: boolean): string {
  if (!keyed) return `${PUBLIC_MARK}${clientId}`
  return MARKED.test(clientId) ? `${KEYED_MARK}${clientId}` : clientId
}

/** The sender's own id again. */
export const shownClientId = (stored: string): string =>
  MARKED.test(stored) ? stored.slice(PUBLIC_MARK.length) : stored
