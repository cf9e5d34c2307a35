/**
 * Who counts as one. Only senders with a key name users; what a browser calls itself, anybody may say. So the two are kept apart:
 * whatever a stranger sends never counts as a user, nor stands on a user's page.
 */
import type { Json } from './json.ts'

type Part = { readonly [key: string]: Json }

/** How those are marked who are no users; a user whose id looks like one of them is marked, too. */
const MARKED = /^(?:user|anonymous|session|address):/

/** As what a user with this id counts. */
export const userVisitor = (id: string): string => (MARKED.test(id) ? `user:${id}` : id)

/** Of a behaviour event: the user, else the browser or device, else its session, else the day's hash of its address. Null: nobody can say. */
export function visitorOf(data: Part, meta: Part): string | null {
  const text = (from: Part, key: string): string | null => (typeof from[key] === 'string' ? from[key] : null)
  const marked = (mark: string, id: string | null): string | null => (id === null ? null : `${mark}:${id}`)
  const user = text(data, 'user_id')
  if (user !== null) return userVisitor(user)
  return (
    marked('anonymous', text(data, 'anonymous_id')) ??
    marked('session', text(data, 'session_id')) ??
    marked('address', text(meta, 'ip_hash'))
  )
}
