/**
 * What Salesforce's answers mean, as data. Names: developer.salesforce.com, "Status Codes and Error Responses" and
 * "Core Data Types: StatusCode". Upserts by an external id may be repeated, so whatever may pass is tried again.
 */
import { classify, dead, delivered, retry, unauthorized } from 'manifold/plugin'
import type { FinalOutcome, HttpResponse, Json } from 'manifold/plugin'

/** One error of a call (`errorCode`) or of a row of a collection (`statusCode`). */
export interface ApiError {
  readonly code: string
  readonly message: string
  readonly fields: readonly string[]
}

/**
 * `retry`: by the schedule. `late`: the same, but not before an hour. `again`: sent once more at once, then dead. `dead`:
 * a dead letter with Salesforce's code. `config`: a dead letter that the settings are to blame for. `refused`: the login
 * may not use the API; everything waits for the admin.
 */
export type Move = 'retry' | 'late' | 'again' | 'dead' | 'config' | 'refused'

export const MOVES: Readonly<Record<string, Move>> = {
  UNABLE_TO_LOCK_ROW: 'retry',
  SERVER_UNAVAILABLE: 'retry',
  INVALID_SESSION_ID: 'retry',
  UNKNOWN_EXCEPTION: 'retry',
  QUERY_TIMEOUT: 'retry',
  REQUEST_RUNNING_TOO_LONG: 'retry',
  TOO_MANY_APEX_REQUESTS: 'retry',
  REQUEST_LIMIT_EXCEEDED: 'late',
  STORAGE_LIMIT_EXCEEDED: 'late',
  DUPLICATE_VALUE: 'again',
  DUPLICATES_DETECTED: 'dead',
  REQUIRED_FIELD_MISSING: 'dead',
  FIELD_CUSTOM_VALIDATION_EXCEPTION: 'dead',
  STRING_TOO_LONG: 'dead',
  INVALID_EMAIL_ADDRESS: 'dead',
  INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: 'dead',
  INVALID_FIELD: 'dead',
  INVALID_TYPE: 'dead',
  JSON_PARSER_ERROR: 'dead',
  CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY: 'dead',
  INSUFFICIENT_ACCESS: 'dead',
  INSUFFICIENT_ACCESS_OR_READONLY: 'dead',
  INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY: 'dead',
  DUPLICATE_EXTERNAL_ID: 'config',
  MULTIPLE_CHOICES: 'config',
  NOT_FOUND: 'config',
  UNSUPPORTED_API_VERSION: 'config',
  API_DISABLED_FOR_ORG: 'refused',
  API_CURRENTLY_DISABLED: 'refused',
  ORG_LOCKED: 'refused',
}

/** Nearly all of the hundreds of codes say that this row is not wanted; a dead letter can be replayed. */
const UNKNOWN = 'dead' satisfies Move

const LATE_MS = 3_600_000
/** jsforce/jsforce#1774: these do not go away with another token. */
const POLICIES = ['Connected app is not attached to Agent', 'This session is not valid for use with the REST API']
const WORDS_CHARS_MAX = 1_500

export const isPolicy = ({ message }: ApiError): boolean => POLICIES.some((policy) => message.includes(policy))

/** What became of one row of a collection. `again` is left to the caller. */
export function rowOutcome(row: Json): FinalOutcome | 'again' {
  if (!isObject(row)) return retry('Salesforce answered a row that cannot be read.', { code: 'answer_unreadable' })
  if (row['success'] === true) return delivered({ id: row['id'] ?? null, created: row['created'] === true })
  const errors = errorsIn(row['errors'])
  const [first] = errors
  if (first === undefined) return retry('Salesforce refused a row and did not say why.', { code: 'answer_unreadable' })
  const move = moveOf(first.code)
  return move === 'again' ? move : outcomeFor(move, first.code, told(errors))
}

/** What a call that was not answered with rows comes to, for all of its rows. */
export function callOutcome(answer: HttpResponse): FinalOutcome {
  const errors = apiErrors(answer.body)
  const words = wordsOf(answer, errors)
  const { status } = answer
  // Once more as it is: whoever asks knows how often.
  const code = errors[0]?.code ?? (status === 300 ? 'MULTIPLE_CHOICES' : undefined)
  if (code !== undefined && Object.hasOwn(MOVES, code)) {
    const move = moveOf(code)
    return outcomeFor(move === 'again' ? 'retry' : move, code, words)
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const outcome = classify(answer)
    return outcome.outcome === 'retry' ? { ...outcome, reason: words } : outcome
  }
  if (status === 300 || status === 404 || status === 410) return outcomeFor('config', code ?? `http_${status}`, words)
  return outcomeFor(UNKNOWN, code ?? `http_${status}`, words)
}

/**
 * A single row may be what the whole call is refused for, which its neighbours cannot help. A field that does not exist is
 * in every row, when all rows have the same fields.
 */
export function isPerhapsOneRow({ status, body }: HttpResponse, rows: readonly { readonly json: object }[]): boolean {
  if (status === 413) return true
  if (status !== 400) return false
  const namesField = apiErrors(body).some(({ code }) => code === 'INVALID_FIELD' || code === 'INVALID_TYPE')
  return !namesField || new Set(rows.map(({ json }) => Object.keys(json).join())).size > 1
}

/** The dead letter of a row that was a duplicate value twice. */
export const deadRow = (row: Json): FinalOutcome => {
  const errors = errorsIn(isObject(row) ? row['errors'] : null)
  return dead(errors[0]?.code ?? 'DUPLICATE_VALUE', told(errors))
}

/** `[{"message","errorCode","fields"}]` of a body; empty when it is something else. */
export function apiErrors(body: string): readonly ApiError[] {
  try {
    const value = JSON.parse(body) as Json
    return errorsIn(Array.isArray(value) ? value : [value])
  } catch {
    return []
  }
}

/** Status, codes, messages and fields: for people. */
export const wordsOf = ({ status, body }: HttpResponse, errors: readonly ApiError[]): string =>
  `Salesforce answered ${status}: ${errors.length > 0 ? told(errors) : clip(body.trim()) || 'nothing'}`

const moveOf = (code: string): Move => (Object.hasOwn(MOVES, code) ? (MOVES[code] as Move) : UNKNOWN)

function outcomeFor(move: Exclude<Move, 'again'>, code: string, words: string): FinalOutcome {
  switch (move) {
    case 'retry':
      return retry(words, { code })
    case 'late':
      return retry(words, { code, afterMs: LATE_MS })
    case 'dead':
      return dead(code, words)
    case 'config':
      return dead('config_invalid', words)
    case 'refused':
      return unauthorized(words)
    default: {
      const unknown: never = move
      throw new Error(`Unknown move ${String(unknown)}.`)
    }
  }
}

function errorsIn(value: Json | undefined): readonly ApiError[] {
  if (!Array.isArray(value)) return []
  return (value as readonly Json[]).filter(isObject).flatMap((error) => {
    const code = error['errorCode'] ?? error['statusCode']
    const { message, fields } = error
    if (typeof code !== 'string') return []
    const names = Array.isArray(fields) ? fields.filter((name): name is string => typeof name === 'string') : []
    return [{ code, message: typeof message === 'string' ? message : '', fields: names }]
  })
}

function told(errors: readonly ApiError[]): string {
  const parts = errors.map(({ code, message, fields }) => {
    const where = fields.length === 0 ? '' : ` (${fields.join(', ')})`
    return `${code}: ${message}${where}`
  })
  return clip(parts.join('; '))
}

const clip = (text: string): string => (text.length > WORDS_CHARS_MAX ? `${text.slice(0, WORDS_CHARS_MAX)}…` : text)

const isObject = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
