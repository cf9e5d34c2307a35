/**
 * Every error the hub can answer or record, one row each. README.md lists the same rows; a test compares both ways.
 * `status` is for HTTP; `retryable` says whether the same request may succeed later; `act` says who has to do something.
 */

export type ErrorActor = 'sender' | 'plugin' | 'vendor' | 'admin' | 'host'

interface ErrorRow {
  readonly status: number
  readonly retryable: boolean
  readonly act: ErrorActor
  readonly title: string
}

export const ERRORS = {
  bad_request: { status: 400, retryable: false, act: 'sender', title: 'The request cannot be understood' },
  invalid_json: { status: 400, retryable: false, act: 'sender', title: 'The body is not valid JSON' },
  too_deep: { status: 400, retryable: false, act: 'sender', title: 'The body is nested too deeply' },
  too_many_keys: { status: 400, retryable: false, act: 'sender', title: 'The body has too many keys or items' },
  string_too_long: { status: 400, retryable: false, act: 'sender', title: 'A string in the body is too long' },
  unauthorized: { status: 401, retryable: false, act: 'sender', title: 'A valid API key is required' },
  forbidden: { status: 403, retryable: false, act: 'sender', title: 'The API key lacks the needed scope' },
  managed_by_file: { status: 403, retryable: false, act: 'admin', title: 'This is managed by manifold.yaml' },
  not_found: { status: 404, retryable: false, act: 'sender', title: 'There is no such thing' },
  method_not_allowed: { status: 405, retryable: false, act: 'sender', title: 'This method is not offered here' },
  request_timeout: { status: 408, retryable: true, act: 'sender', title: 'The request did not arrive in time' },
  conflict: { status: 409, retryable: false, act: 'sender', title: 'It exists already or changed meanwhile' },
  body_too_large: { status: 413, retryable: false, act: 'sender', title: 'The body is too large' },
  unsupported_media_type: { status: 415, retryable: false, act: 'sender', title: 'This content type is not read here' },
  invalid_response: { status: 422, retryable: false, act: 'sender', title: 'The answers do not fit the form' },
  response_rejected: { status: 422, retryable: false, act: 'sender', title: 'The response was refused' },
  invalid_event: { status: 422, retryable: false, act: 'sender', title: 'The event does not fit its family' },
  invalid_form: { status: 422, retryable: false, act: 'sender', title: 'The form definition is not valid' },
  invalid_query: { status: 422, retryable: false, act: 'sender', title: 'The query is not valid' },
  query_too_slow: { status: 422, retryable: false, act: 'sender', title: 'The question takes too long' },
  idempotency_mismatch: {
    status: 422,
    retryable: false,
    act: 'sender',
    title: 'This Idempotency-Key was used with another body',
  },
  rate_limited: { status: 429, retryable: true, act: 'sender', title: 'Too many requests' },
  header_too_large: { status: 431, retryable: false, act: 'sender', title: 'The request headers are too large' },
  internal: { status: 500, retryable: true, act: 'host', title: 'The hub failed' },
  unavailable: { status: 503, retryable: true, act: 'host', title: 'The hub cannot do this right now' },
  overloaded: { status: 503, retryable: true, act: 'host', title: 'The hub has more work than it can keep up with' },
  storage_busy: { status: 503, retryable: true, act: 'host', title: 'The database cannot take this right now' },
  storage_full: { status: 507, retryable: true, act: 'admin', title: 'The disk is full' },
  storage_failed: { status: 503, retryable: true, act: 'host', title: 'The database failed and the hub is stopping' },

  plugin_failed: { status: 502, retryable: true, act: 'plugin', title: 'The plugin failed at this request' },
  plugin_threw: { status: 502, retryable: true, act: 'plugin', title: 'The plugin threw an error' },
  plugin_invalid_result: {
    status: 502,
    retryable: false,
    act: 'plugin',
    title: 'The plugin answered something the contract does not allow',
  },
  plugin_cpu: { status: 502, retryable: true, act: 'plugin', title: 'The plugin used too much CPU' },
  plugin_wall: { status: 504, retryable: true, act: 'plugin', title: 'The plugin did not finish in time' },
  plugin_memory: { status: 502, retryable: true, act: 'plugin', title: 'The plugin used too much memory' },
  plugin_killed: { status: 502, retryable: true, act: 'plugin', title: 'The plugin process had to be killed' },
  plugin_load: { status: 502, retryable: false, act: 'plugin', title: 'The plugin cannot be loaded' },
  plugin_interrupted: {
    status: 503,
    retryable: true,
    act: 'host',
    title: 'The run was interrupted by the hub through no fault of its own',
  },
  capability_denied: {
    status: 502,
    retryable: false,
    act: 'plugin',
    title: 'The manifest or the admin does not allow this',
  },
  capability_limit: { status: 502, retryable: false, act: 'plugin', title: 'The run exceeded a limit' },
  capability_input: {
    status: 502,
    retryable: false,
    act: 'plugin',
    title: 'The capability was called with something it does not take',
  },
  hop_limit: { status: 502, retryable: false, act: 'plugin', title: 'Plugins emit events in a circle' },
  event_erased: { status: 410, retryable: false, act: 'sender', title: 'The response of this event was deleted' },

  http_refused_address: {
    status: 502,
    retryable: false,
    act: 'admin',
    title: 'The address is private and not allowed',
  },
  http_refused_url: { status: 502, retryable: false, act: 'admin', title: 'The URL is not allowed' },
  http_dns: { status: 502, retryable: true, act: 'vendor', title: 'The host name does not resolve' },
  http_connect: { status: 502, retryable: true, act: 'vendor', title: 'The connection failed' },
  http_tls: { status: 502, retryable: true, act: 'vendor', title: 'The TLS handshake failed' },
  http_timeout: { status: 504, retryable: true, act: 'vendor', title: 'The receiver did not answer in time' },
  http_reset: { status: 502, retryable: true, act: 'vendor', title: 'The connection broke' },
  http_protocol: { status: 502, retryable: true, act: 'vendor', title: 'The receiver does not speak proper HTTP' },
  email_connect: { status: 502, retryable: true, act: 'vendor', title: 'The mail server cannot be reached' },
  email_timeout: { status: 504, retryable: true, act: 'vendor', title: 'The mail server did not answer in time' },
  email_auth: { status: 502, retryable: false, act: 'admin', title: 'The mail server refuses the login of the hub' },
  breaker_open: {
    status: 503,
    retryable: true,
    act: 'vendor',
    title: 'The receiver failed repeatedly; waiting before the next probe',
  },
  credential_refused: {
    status: 502,
    retryable: false,
    act: 'admin',
    title: 'The receiver does not accept the credential of the installation',
  },
  token_unavailable: {
    status: 503,
    retryable: true,
    act: 'vendor',
    title: 'The token endpoint cannot give a token right now',
  },
  field_withheld: {
    status: 502,
    retryable: false,
    act: 'admin',
    title: 'A field that the settings need is marked pii and not granted',
  },
  secret_missing: { status: 502, retryable: false, act: 'admin', title: 'The secret has no value' },
  config_invalid: { status: 422, retryable: false, act: 'admin', title: 'The configuration is not valid' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

/** One place in the sender's input that is wrong. `pointer` is a JSON pointer (RFC 6901). */
export interface FieldProblem {
  readonly pointer: string
  readonly detail: string
}

export interface HubErrorOptions {
  readonly problems?: readonly FieldProblem[]
  readonly retryAfterMs?: number
  readonly cause?: unknown
  /** Coordinates of errors that crossed the sandbox. */
  readonly at?: {
    readonly plugin?: string
    readonly version?: string
    readonly installation?: string
    readonly event?: string
    readonly delivery?: string
    readonly attempt?: number
  }
}

/** The one error class. The message says what was wrong, where, and what to do; it is shown to whoever must act. */
export class HubError extends Error {
  override readonly name = 'HubError'
  readonly code: ErrorCode
  readonly problems: readonly FieldProblem[]
  readonly retryAfterMs: number | undefined
  readonly at: HubErrorOptions['at']

  constructor(code: ErrorCode, message: string, options: HubErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.problems = options.problems ?? []
    this.retryAfterMs = options.retryAfterMs
    this.at = options.at
  }

  get status(): number {
    return ERRORS[this.code].status
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }
}

const PROBLEMS_TOLD_MAX = 3

/** Problems as one sentence, for those who show nothing else of an answer. `whole`: what the empty pointer is. */
export function told(problems: readonly FieldProblem[], whole = 'The body'): string {
  const first = problems
    .slice(0, PROBLEMS_TOLD_MAX)
    .map(({ pointer, detail }) => `${pointer === '' ? whole : pointer} ${detail}`)
  const more = problems.length > first.length ? `; and ${problems.length - first.length} more` : ''
  return `${first.join('; ')}${more}.`
}

/**
 * Any failure as one of the table. What nobody foresaw is the hub's own fault (`internal`, tried again) and tells its own
 * message, unless another code or message is given.
 */
export const asHubError = (
  error: unknown,
  { code = 'internal', message }: { readonly code?: ErrorCode; readonly message?: string } = {},
): HubError =>
  error instanceof HubError
    ? error
    : new HubError(code, message ?? (error instanceof Error ? error.message : String(error)), { cause: error })

/** True for a code of the table; codes that come out of a sandbox are only text until this says so. */
export const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(ERRORS, code)
