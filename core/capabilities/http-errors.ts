/** What went wrong underneath an HTTP request, in the words of the error table. */
import { HubError, type ErrorCode } from '../errors.ts'

/** System, OpenSSL, parser and undici codes; the first pattern that fits decides. */
const CLASSES: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/^(ENOTFOUND|ENODATA|EAI_|ESERVFAIL|EREFUSED|ENONAME|EBADNAME)/, 'http_dns', 'does not resolve'],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)/, 'http_timeout', 'did not accept the connection in time'],
  [/^(UND_ERR_HEADERS_TIMEOUT|UND_ERR_BODY_TIMEOUT)/, 'http_timeout', 'did not answer in time'],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|EADDRINUSE|EACCES|EPERM|EMFILE|ENFILE|EINVAL)/,
    'http_connect',
    'cannot be connected to',
  ],
  [
    /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|EPROTO)/,
    'http_tls',
    'failed the TLS handshake',
  ],
  [
    /^(HPE_|UND_ERR_HEADERS_OVERFLOW|UND_ERR_RES_|UND_ERR_INFO|ERR_HTTP)/,
    'http_protocol',
    'did not answer with proper HTTP',
  ],
  [
    /^(ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_SOCKET|ERR_STREAM)/,
    'http_reset',
    'closed the connection before the answer was complete',
  ],
  [
    /^(UND_ERR_INVALID_ARG|UND_ERR_NOT_SUPPORTED|UND_ERR_REQ_CONTENT)/,
    'capability_input',
    'cannot be sent this request',
  ],
  [/^(UND_ERR_DESTROYED|UND_ERR_CLOSED|UND_ERR_ABORTED)/, 'unavailable', 'was not asked: the hub is stopping'],
]

/** Maps any error of the socket, TLS, DNS or HTTP layer; a HubError passes unchanged. */
export function asHttpError(error: unknown, host: string): HubError {
  if (error instanceof HubError) return error
  const code = codeOf(error)
  const row = CLASSES.find(([pattern]) => pattern.test(code))
  // undici reports a socket that broke while an upgrade or stray answer was read with its own words only.
  if (row === undefined || isBadResponse(error)) {
    const told = row === undefined ? code || 'unknown error' : 'unexpected response'
    return new HubError('http_protocol', `${host} did not answer with proper HTTP (${told}).`, { cause: error })
  }
  return new HubError(row[1], `${host} ${row[2]} (${code}).`, { cause: error })
}

/** The exchange log's word for an error code: `core/model.ts` lists them. */
export function errorClassOf(code: ErrorCode): string {
  if (code === 'http_refused_address' || code === 'http_refused_url') return 'refused_by_guard'
  if (code === 'capability_limit') return 'too_large'
  return code.replace(/^(http|email)_/, '')
}

function isBadResponse(error: unknown): boolean {
  return error instanceof Error && /^(bad response|bad upgrade)$/.test(error.message)
}

/** Happy-eyeballs failures come as an AggregateError; the first attempt's code tells most. */
function codeOf(error: unknown): string {
  if (error === null || typeof error !== 'object') return ''
  const { code, errors } = error as { code?: unknown; errors?: readonly unknown[] }
  if (typeof code === 'string') return code
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : ''
}
