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
 * `retry`: by the schedule. `again`: sent once more at once, then dead. `dead`: a dead letter with Salesforce's code.
 * `config`: a dead letter that the settings are to blame for. `refused`: the org takes nothing more from this login until
 * somebody has done something there; everything waits, uncounted, and the admin is told once. `spent`: the calls of 24 hours
 * are used up, which passes by itself: nothing was done, so it waits, uncounted, and asks again in an hour.
 */
export type Move = 'retry' | 'again' | 'dead' | 'config' | 'refused' | 'spent'

export const MOVES: Readonly<Record<string, Move>> = {
  UNABLE_TO_LOCK_ROW: 'retry',
  SERVER_UNAVAILABLE: 'retry',
  INVALID_SESSION_ID: 'retry',
  UNKNOWN_EXCEPTION: 'retry',
  QUERY_TIMEOUT: 'retry',
  REQUEST_RUNNING_TOO_LONG: 'retry',
  TOO_MANY_APEX_REQUESTS: 'retry',
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
  REQUEST_LIMIT_EXCEEDED: 'spent',
  STORAGE_LIMIT_EXCEEDED: 'refused',
}

/** What to do about a refusal that is no matter of the login. */
const ADVICE: Readonly<Record<string, string>> = {
  STORAGE_LIMIT_EXCEEDED: 'The data storage of the org is full. Make room there, then resume the installation.',
}

/** Nearly all of the hundreds of codes say that this row is not wanted; a dead letter can be replayed. */
const UNKNOWN = 'dead' satisfies Move

/** `ConcurrentRequests (Concurrent API Requests) Limit exceeded.`: too many that run for 20 s or more, at this moment. */
const CONCURRENT = /Concurrent/i
const CONCURRENT_MS = 15_000
/** The 24 hours roll, so that there is room again bit by bit; Salesforce says nowhere when. */
export const SPENT_MS = 3_600_000
/** A trigger or a flow that met a lock says so within the words of another code. */
const LOCK = /UNABLE_TO_LOCK_ROW|unable to obtain exclusive access/
const LOCKED = 'UNABLE_TO_LOCK_ROW'
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
  const ruled = ruledBy(errors)
  if (ruled !== null) return ruled
  const move = moveOf(first.code)
  return move === 'again' ? move : outcomeFor(move, first.code, told(errors))
}

/** Where the words say more than the code. */
function ruledBy(errors: readonly ApiError[], words = told(errors)): FinalOutcome | null {
  if (errors.some(({ code, message }) => code === LOCKED || LOCK.test(message))) return retry(words, { code: LOCKED })
  const limit = errors.find(({ code }) => code === 'REQUEST_LIMIT_EXCEEDED')
  if (limit === undefined || !CONCURRENT.test(limit.message)) return null
  return retry(words, { code: limit.code, afterMs: CONCURRENT_MS, untouched: true })
}

/**
 * What a call that was not answered with rows comes to, for all of its rows. `key`: the field it upserts by, without which no
 * record of the object is taken.
 */
export function callOutcome(answer: HttpResponse, key: string): FinalOutcome {
  const errors = apiErrors(answer.body)
  const words = wordsOf(answer, errors)
  const { status } = answer
  const ruled = ruledBy(errors, words)
  if (ruled !== null) return ruled
  const isWrongObject = status === 400 && errors.some(({ code }) => code === 'INVALID_TYPE')
  if (status === 404 || status === 410 || isWrongObject) return dead('config_invalid', words, { disable: true })
  if (status === 400 && wrongFields(errors).includes(lower(key)))
    return dead('config_invalid', `${words} "${key}" is externalId.field of the settings: ${KEY_ADVICE}`, {
      disable: true,
    })
  // Once more as it is: whoever asks knows how often.
  const code = errors[0]?.code ?? (status === 300 ? 'MULTIPLE_CHOICES' : undefined)
  if (code !== undefined && Object.hasOwn(MOVES, code)) {
    const move = moveOf(code)
    return outcomeFor(
      move === 'again' ? 'retry' : move,
      code,
      move === 'spent' ? `${words} ${spentWords(answer)}` : words,
    )
  }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const outcome = classify(answer)
    return outcome.outcome === 'retry' ? { ...outcome, reason: words } : outcome
  }
  return outcomeFor(UNKNOWN, code ?? `http_${status}`, words)
}

/**
 * Whom of these a call that could not be read (400, 413) was refused for, as far as the answer tells: those that have the
 * field or the value it names, or all. Null: some row that it does not name, which its neighbours cannot help.
 */
export function refusedRows<Row extends { readonly json: RecordJson }>(
  { body }: HttpResponse,
  rows: readonly Row[],
): readonly Row[] | null {
  const errors = apiErrors(body)
  const names = wrongFields(errors)
  const named = rows.filter(({ json }) => fieldsOf(json).some(([field]) => names.includes(field)))
  if (named.length > 0) return named
  const value = errors.map(({ message }) => UNREADABLE.exec(message)?.[1]).find((each) => each !== undefined)
  const holders = rows.filter(({ json }) => fieldsOf(json).some(([, each]) => each === value))
  const fields = new Set(
    holders.flatMap(({ json }) => fieldsOf(json).flatMap(([field, each]) => (each === value ? [field] : []))),
  )
  // Of a value that stands in several fields nobody knows in which of them it cannot be read.
  return fields.size === 1 ? holders : null
}

/** `Cannot deserialize instance of double from VALUE_STRING value many or request may be missing a required field`. */
const UNREADABLE = /VALUE_STRING value (.*) or request may be missing/s

type RecordJson = { readonly [field: string]: Json }

const KEY_ADVICE = 'name a field there that is marked External ID and that this user may edit, or make it.'

/** The fields that the object has not. */
const wrongFields = (errors: readonly ApiError[]): readonly string[] =>
  errors.filter(({ code }) => code === 'INVALID_FIELD').flatMap(namedIn)

/** `No such column 'Nope__c' on sobject of type Lead`. */
const namedIn = ({ message, fields }: ApiError): readonly string[] =>
  [...fields, ...[...message.matchAll(/'([^']+)'/g)].map(([, name]) => name as string)].map(lower)

/** Of a relationship both its own name and the field it goes by. */
const fieldsOf = ({ attributes: _, ...fields }: RecordJson): readonly (readonly [string, Json])[] =>
  Object.entries(fields).flatMap(([name, value]): (readonly [string, Json])[] => [
    [lower(name), value],
    ...(isObject(value) ? fieldsOf(value) : []),
  ])

const lower = (name: string): string => name.toLowerCase()

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

/** `Sforce-Limit-Info: api-usage=18/5000`: what the whole org has used of its calls in 24 hours; null: it does not say. */
export function usageOf({ headers }: HttpResponse): { readonly used: number; readonly allowed: number } | null {
  const [, used, allowed] = /api-usage=(\d+)\/(\d+)/.exec(headers['sforce-limit-info'] ?? '') ?? []
  return used === undefined || allowed === undefined ? null : { used: Number(used), allowed: Number(allowed) }
}

/** The calls of 24 hours are used up: no other is worth making. */
export const isSpent = (outcome: FinalOutcome): outcome is Extract<FinalOutcome, { outcome: 'retry' }> =>
  outcome.outcome === 'retry' && outcome.afterMs === SPENT_MS

function spentWords(answer: HttpResponse): string {
  const usage = usageOf(answer)
  const share = usage === null ? 'The' : `${usage.used} of the ${usage.allowed}`
  return `${share} API calls that the whole org has in 24 hours are used up. It is tried again in an hour; Setup → System Overview shows the use.`
}

const moveOf = (code: string): Move => (Object.hasOwn(MOVES, code) ? (MOVES[code] as Move) : UNKNOWN)

function outcomeFor(move: Exclude<Move, 'again'>, code: string, words: string): FinalOutcome {
  switch (move) {
    case 'retry':
      return retry(words, { code })
    case 'dead':
      return dead(code, words)
    case 'config':
      return dead('config_invalid', words)
    case 'spent':
      return retry(words, { code, afterMs: SPENT_MS, untouched: true })
    case 'refused':
      return unauthorized(Object.hasOwn(ADVICE, code) ? `${words} ${ADVICE[code]}` : words)
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
