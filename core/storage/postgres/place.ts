/** A database in words that may be shown: without user and password. */
import { HubError } from '../../errors.ts'
import { toHubError } from './sqlstates.ts'

/** `Postgres (db.example:5432/manifold)`. */
export function placeOf(url: string): string {
  const { hostname, port, pathname } = new URL(url)
  // A socket folder stands where a host would, in escaped form.
  const host = hostname === '' ? 'localhost' : decodeURIComponent(hostname)
  return `Postgres (${host}${port === '' ? '' : `:${port}`}${decodeURIComponent(pathname)})`
}

/** An error for a command: it names the database and what the server or the socket said. What was refused in words of ours stays as it is. */
export function unusable(place: string, error: unknown): HubError {
  const known = toHubError(error)
  const { code, message, cause } = known
  if (!(cause instanceof Error)) return known
  // Of a name with several addresses all refusals come as one error without words.
  const said = cause.message || (cause as NodeJS.ErrnoException).code
  return new HubError(code, `${place} cannot be used: ${said ?? message}`, { cause })
}
