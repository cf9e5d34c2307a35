/** Whether a request that changes something was made by a page of this hub: cookies alone do not tell. */
import type { IncomingHttpHeaders } from 'node:http'

/**
 * Browsers say where a form was sent from, and no page can make them lie. Pages of another port of this machine are of the
 * same site to a cookie, so the whole origin counts.
 */
export function isOwnPage(headers: IncomingHttpHeaders): boolean {
  const { host, origin } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return origin !== undefined && host !== undefined && URL.parse(origin)?.host === host.toLowerCase()
}

/** True when the browser came by https, as far as it says. */
export const cameByHttps = (headers: IncomingHttpHeaders): boolean => headers.origin?.startsWith('https://') === true
