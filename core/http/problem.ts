/** Errors on the wire: RFC 9457 problem details with a stable type, a plain sentence and JSON pointers. */
import { asHubError, ERRORS } from '../errors.ts'
import type { ErrorCode, HubError } from '../errors.ts'

/** Sent with every answer of the API. */
export const API_HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
} as const

const RETRY_AFTER_SECONDS_DEFAULT = 1
const PROBLEM_TYPE = 'application/problem+json'

/** `urn:manifold:problem:<code>`; each is described at `/docs#problem-<code>`. */
export const problemType = (code: ErrorCode): string => `urn:manifold:problem:${code}`

/** The wire form of an error; batch rows and test-sends carry the same object. */
export function toProblem(error: HubError, requestId: string): Record<string, unknown> {
  return {
    type: problemType(error.code),
    title: ERRORS[error.code].title,
    status: error.status,
    detail: error.message,
    code: error.code,
    instance: requestId,
    ...(error.problems.length === 0
      ? {}
      : { errors: error.problems.map(({ pointer, detail }) => ({ pointer, detail })) }),
  }
}

/** Integer seconds, at least 1; null for errors that waiting does not cure. */
export function retryAfterSeconds(error: HubError): number | null {
  if (error.retryAfterMs !== undefined) return Math.max(1, Math.ceil(error.retryAfterMs / 1_000))
  return error.retryable && (error.status === 429 || error.status === 503 || error.status === 507)
    ? RETRY_AFTER_SECONDS_DEFAULT
    : null
}

/** The answer for an error. `headers` adds to it (`Allow`, `WWW-Authenticate`). */
export function problemResponse(
  error: HubError,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const seconds = retryAfterSeconds(error)
  return new Response(JSON.stringify(toProblem(error, requestId)), {
    status: error.status,
    headers: {
      ...API_HEADERS,
      'content-type': PROBLEM_TYPE,
      'x-request-id': requestId,
      ...(seconds === null ? {} : { 'retry-after': String(seconds) }),
      ...(error.status === 401 ? { 'www-authenticate': 'Bearer realm="manifold"' } : {}),
      // The rest of a body that was refused unread must not be taken for the next request.
      ...(error.status === 413 ? { connection: 'close' } : {}),
      ...headers,
    },
  })
}

/** What is thrown anywhere, as it may be answered: whatever the hub did not foresee says nothing of itself. */
export const answerable = (error: unknown): HubError =>
  asHubError(error, { message: 'The hub failed while answering. The log has the cause under this request id.' })
