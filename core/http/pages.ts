/** The dashboard's pages at the door: who may ask them is decided there, by the API they are made of. */
import type { IncomingMessage } from 'node:http'
import { openDashboard } from '../dashboard/open.ts'
import { strayPage } from '../dashboard/stray-page.ts'
import { ERRORS } from '../errors.ts'
import { minify } from '../sandbox/minify.ts'
import { bucketOf, onBehalfOf } from './address.ts'
import type { AddressBook } from './address.ts'
import type { HttpDeps } from './deps.ts'
import { readBytes } from './body.ts'
import { openRateLimit } from './rate-limit.ts'
import { problemResponse, retryAfterSeconds } from './problem.ts'
import type { Call, Refused, Route } from './route.ts'

/** Every path of the dashboard. */
export function pageRoutes(deps: Pick<HttpDeps, 'clock' | 'logger' | 'limits'>, addresses: AddressBook): Route[] {
  const spare = openRateLimit(SPARE)
  return openDashboard({ ...deps, minify }).map(({ method, path, counted, answer }) => ({
    method,
    path,
    access: counted ? 'stranger' : 'open',
    refusal: pageRefusal,
    handler: async ({ requestId, incoming, url, param }: Call) => {
      const body = method === 'POST' ? (await readBytes(incoming, deps.limits.bodyBytesMax)).toString('utf8') : ''
      const address = addresses.clientOf(incoming)
      const isTooMuch = (): boolean => spare(bucketOf(address), deps.clock.monotonicMs()) > 0
      return answer({ requestId, incoming, url, param, body, behalf: onBehalfOf(address), isTooMuch })
    },
  }))
}

/** What an address may send that nobody waits for. */
const SPARE = { ratePerSecond: 1, burst: 10 }

/** Somebody looks with a browser, at an address that is no program's. */
export const wantsPage = ({ method = 'GET', headers, url = '/' }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD' || method === 'POST') &&
  (headers.accept ?? '').includes('text/html') &&
  !/^\/(?:api|ws|i)(?:\/|\?|$)/.test(url)

/** An error as a page for whoever looks with a browser, and as every other answer for programs. */
export function pageRefusal({ incoming, error, requestId }: Refused): Response {
  if (!wantsPage(incoming)) return problemResponse(error, requestId)
  const { title } = ERRORS[error.code]
  const { status, message: detail } = error
  const page = strayPage({ status, title, detail, requestId, cookie: incoming.headers.cookie })
  const seconds = retryAfterSeconds(error)
  if (seconds !== null) page.headers.set('retry-after', String(seconds))
  // The rest of a body that was refused unread must not be taken for the next request.
  if (status === 413) page.headers.set('connection', 'close')
  return page
}
