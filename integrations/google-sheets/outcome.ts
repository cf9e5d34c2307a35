/**
 * What Google's answers mean, as a table. Shapes: https://cloud.google.com/apis/design/errors and
 * https://developers.google.com/workspace/sheets/api/troubleshoot-api-errors. Google's own words are always told.
 */
import { classify, dead, retry, unauthorized } from 'manifold/plugin'
import type { CapabilityError, FinalOutcome, HttpResponse } from 'manifold/plugin'

/** `{"error":{"code":403,"message":"…","status":"PERMISSION_DENIED","details":[{"reason":"…"}]}}` of an answer. */
export interface VendorError {
  readonly http: number
  readonly status: string
  readonly message: string
  readonly reasons: readonly string[]
}

type Answer = Pick<HttpResponse, 'status' | 'headers' | 'body'>

/** Whom to name. */
export interface About {
  readonly email: string
  readonly tab: string
}

interface Row {
  readonly http: number
  /** Of message, status and reasons, joined; absent: whatever they are. */
  readonly says?: RegExp
  readonly outcome: (error: VendorError, about: About) => FinalOutcome | null
}

const stopped =
  (code: string, what: string): Row['outcome'] =>
  (error) =>
    dead(code, `${what} Google says: ${error.message}`, { disable: true })

/** The first row that fits decides; null and no row: as any HTTP answer (408, 429 and 5xx are tried again). */
export const OUTCOMES: readonly Row[] = [
  {
    http: 400,
    says: /Unable to parse range/i,
    outcome: (error, { tab }) =>
      stopped('tab_missing', `There is no tab "${tab}" in the spreadsheet: mend "tab", or name the tab so.`)(error, {
        email: '',
        tab,
      }),
  },
  {
    http: 400,
    says: /limit of \d+ cells|cells in the workbook above/i,
    outcome: stopped(
      'spreadsheet_full',
      'The spreadsheet is full (10 million cells): name another one in "spreadsheet".',
    ),
  },
  {
    http: 400,
    says: /protected cell|protected range/i,
    outcome: stopped('protected', 'A protected range is in the way: let the service account edit it.'),
  },
  {
    http: 400,
    says: /not supported for this document|Office file/i,
    outcome: stopped(
      'not_a_spreadsheet',
      'What "spreadsheet" names is no Google spreadsheet; an Excel file in Drive is none, though it opens like one: save it as Google Sheets (File), share the copy with the service account, and name that one.',
    ),
  },
  { http: 400, outcome: (error) => dead('rejected', `Google refuses this: ${error.message}`) },
  {
    http: 401,
    outcome: (error, { email }) => unauthorized(`Google does not accept the token of ${email}: ${error.message}`),
  },
  { http: 403, says: /rateLimitExceeded|RATE_LIMIT_EXCEEDED|quota/i, outcome: () => null },
  {
    http: 403,
    says: /SERVICE_DISABLED|accessNotConfigured|has not been used in project/i,
    outcome: (error) =>
      unauthorized(
        `The Google Sheets API is not enabled in the project of the service account. Google says: ${error.message}`,
      ),
  },
  {
    http: 403,
    outcome: (error, { email }) =>
      unauthorized(
        `The spreadsheet is not shared with ${email}: share it with this address as an editor. Google says: ${error.message}`,
      ),
  },
  // ABORTED: a concurrency issue, to be tried again (google.rpc.Code).
  { http: 409, outcome: ({ message }) => retry(`Google answered 409: ${message}`, { code: 'http_409' }) },
  { http: 404, outcome: stopped('not_found', 'There is no such spreadsheet: mend "spreadsheet".') },
]

/** For every answer that is not 2xx. */
export function outcomeOf(answer: Answer, about: About): FinalOutcome {
  const error = vendorError(answer)
  const said = [error.message, error.status, ...error.reasons].join(' ')
  const row = OUTCOMES.find(({ http, says }) => http === error.http && (says === undefined || says.test(said)))
  const ruled = row?.outcome(error, about)
  if (ruled !== undefined && ruled !== null) return ruled
  // A quota that is used up comes as 403 from older parts of the API.
  const plain = classify(error.http === 403 ? { status: 429, headers: answer.headers } : answer, {
    permanent4xx: 'dead',
  })
  if (plain.outcome === 'retry') return { ...plain, reason: `Google answered ${error.http}: ${error.message}` }
  return plain.outcome === 'dead' ? dead(plain.code, `Google answered ${error.http}: ${error.message}`) : plain
}

/** What can be made out of it; a proxy's page is no JSON. */
export function vendorError({ status, body }: Pick<Answer, 'status' | 'body'>): VendorError {
  try {
    const { error } = JSON.parse(body) as {
      error?: { message?: unknown; status?: unknown; details?: unknown; errors?: unknown }
    }
    const listed = [error?.details, error?.errors].flat() as ({ reason?: unknown } | null | undefined)[]
    const reasons = listed.flatMap((each) => (typeof each?.reason === 'string' ? [each.reason] : []))
    return {
      http: status,
      status: typeof error?.status === 'string' ? error.status : '',
      message: typeof error?.message === 'string' ? error.message : `status ${status}`,
      reasons,
    }
  } catch {
    return { http: status, status: '', message: body.slice(0, 200) || `status ${status}`, reasons: [] }
  }
}

export const isOutcome = (value: object): value is FinalOutcome => 'outcome' in value

/** Google or the line to it failed, and nobody's settings. Where it is false, the request did not leave. */
const NO_ANSWER: { readonly [code: string]: { readonly mayHaveArrived: boolean } | undefined } = {
  token_unavailable: { mayHaveArrived: false },
  http_dns: { mayHaveArrived: false },
  http_connect: { mayHaveArrived: false },
  http_tls: { mayHaveArrived: false },
  http_timeout: { mayHaveArrived: true },
  http_reset: { mayHaveArrived: true },
  http_protocol: { mayHaveArrived: true },
}

/** What it means that a request got no answer; null when the error is none of these, and is for the hub. */
export function noAnswer(error: unknown): { readonly outcome: FinalOutcome; readonly mayHaveArrived: boolean } | null {
  const { code, message } = error as CapabilityError
  const ruling = Object.hasOwn(NO_ANSWER, code ?? '') ? NO_ANSWER[code] : undefined
  return ruling === undefined ? null : { outcome: retry(message, { code }), ...ruling }
}

/** Nothing was written: what comes next is no repeat. */
export const untouched = (outcome: FinalOutcome): FinalOutcome =>
  outcome.outcome === 'delivered' || outcome.outcome === 'ambiguous' ? outcome : { ...outcome, untouched: true }

/** A status with which Google says that it did nothing. 408 and 409 may come from on the way, or from half-way. */
export const didNothing = (status: number): boolean => status >= 300 && status < 500 && status !== 408 && status !== 409

/**
 * For what only reads: whatever goes wrong, nothing was written. What Google refuses for good is no row's fault, so it stops
 * the installation.
 */
export async function look<T extends object>(read: () => Promise<T | FinalOutcome>): Promise<T | FinalOutcome> {
  try {
    const value = await read()
    if (!isOutcome(value)) return value
    return untouched(value.outcome === 'dead' ? { ...value, disable: true } : value)
  } catch (error) {
    const known = noAnswer(error)
    if (known === null) throw error
    return untouched(known.outcome)
  }
}
