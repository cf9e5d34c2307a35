/** What the end of an attempt means, as data: one row for each error code and for each outcome a plugin can answer. */
import { errorClassOf } from '../capabilities/http-errors.ts'
import { isErrorCode } from '../errors.ts'
import type { ERRORS, ErrorCode, HubError } from '../errors.ts'
import type { FinalOutcome } from '../contract/index.ts'
import type { DeadReason, Exchange } from '../model.ts'

/**
 * `retry` follows the schedule and ends as a dead letter of this reason; `dead` ends at once; `hold` waits for the
 * breaker and `repeat` runs again at once: neither is an attempt. `refuse` is one, but uncounted: the delivery waits until the
 * credential is mended.
 */
interface Ruling {
  readonly move: 'retry' | 'dead' | 'hold' | 'repeat' | 'refuse'
  readonly reason: DeadReason
}

const receiver: Ruling = { move: 'retry', reason: 'receiver_failed' }
const internal: Ruling = { move: 'retry', reason: 'internal_error' }
const broken: Ruling = { move: 'dead', reason: 'internal_error' }
const config: Ruling = { move: 'dead', reason: 'config_error' }
const refusal: Ruling = { move: 'refuse', reason: 'config_error' }
const rejected: Ruling = { move: 'dead', reason: 'permanent_reject' }

/** Codes that an attempt can end in: all but what senders do wrong at the hub's own door, and what that door says of routes. */
type AttemptCode =
  | Exclude<
      { [Code in ErrorCode]: (typeof ERRORS)[Code]['act'] extends 'sender' ? never : Code }[ErrorCode],
      'plugin_failed'
    >
  | 'event_erased'

/** The outcome table for runs that ended in an error. */
export const ERROR_RULINGS = {
  http_dns: receiver,
  http_connect: receiver,
  http_tls: receiver,
  http_timeout: receiver,
  http_reset: receiver,
  http_protocol: receiver,
  token_unavailable: receiver,
  email_connect: receiver,
  email_timeout: receiver,
  breaker_open: { move: 'hold', reason: 'receiver_failed' },

  plugin_interrupted: { move: 'repeat', reason: 'internal_error' },
  plugin_threw: internal,
  plugin_invalid_result: internal,
  plugin_cpu: internal,
  plugin_wall: internal,
  plugin_memory: internal,
  plugin_killed: internal,
  plugin_load: internal,

  http_refused_address: refusal,
  http_refused_url: config,
  email_auth: refusal,
  credential_refused: refusal,
  field_withheld: config,
  secret_missing: config,
  config_invalid: config,
  capability_denied: config,
  capability_limit: broken,
  capability_input: broken,
  hop_limit: broken,
  event_erased: rejected,

  internal,
  unavailable: internal,
  overloaded: internal,
  storage_busy: internal,
  storage_full: internal,
  storage_failed: internal,
  managed_by_file: broken,
} as const satisfies Record<AttemptCode, Ruling>

/** The row of a code; a code of the hub's own door in an attempt is a bug. */
const rowOf = (code: ErrorCode): Ruling =>
  Object.hasOwn(ERROR_RULINGS, code) ? ERROR_RULINGS[code as AttemptCode] : broken

/** What the admin has to mend: the credential, or `network.allow`. */
export type RefusalCode = Extract<ErrorCode, 'credential_refused' | 'http_refused_address'>

/** What an attempt came to, decided. */
export type Verdict =
  | { readonly kind: 'delivered' }
  | {
      readonly kind: 'retry'
      readonly outcome: 'retry' | 'ambiguous'
      /** Why it is dead once the schedule is used up. */
      readonly reason: DeadReason
      readonly code: string
      readonly error: string
      readonly afterMs: number | undefined
      /** The plugin knows that the receiver did nothing, or that nothing was sent. */
      readonly untouched?: boolean
    }
  | {
      readonly kind: 'dead'
      readonly outcome: 'dead' | 'ambiguous'
      readonly reason: DeadReason
      readonly code: string
      readonly error: string
      /** The destination said that it is gone: the installation is disabled with this. */
      readonly disable: boolean
      readonly untouched?: boolean
    }
  | {
      /** What only the admin can mend, such as the credential: the installation stands still, and the delivery waits. */
      readonly kind: 'refused'
      readonly outcome: 'unauthorized' | 'retry'
      readonly code: RefusalCode
      readonly error: string
      readonly untouched?: boolean
    }
  | { readonly kind: 'held'; readonly afterMs: number | undefined }
  | { readonly kind: 'repeat' }

/** It was tried, and did not go well: what was held back or is begun anew was not. */
export const isFailure = ({ kind }: Verdict): boolean => kind === 'retry' || kind === 'dead' || kind === 'refused'

/** Of a run that came to a closed door when something of it may have left: it waits as long, and counts. */
export const heldTooLate = ({ afterMs }: Extract<Verdict, { kind: 'held' }>, host: string | null): Verdict => ({
  kind: 'retry',
  outcome: 'retry',
  reason: 'receiver_failed',
  code: 'breaker_open',
  error: `${host ?? 'The host'} failed repeatedly and was not asked; what the run had sent before stands in the log of this attempt.`,
  afterMs,
})

const ERROR_CHARS_MAX = 2_000
const CODE_CHARS_MAX = 100
const clip = (text: string): string => (text.length > ERROR_CHARS_MAX ? `${text.slice(0, ERROR_CHARS_MAX)}…` : text)

/** The verdict for a run that failed as a whole. */
export function rulingOf(error: HubError): Verdict {
  const { move, reason } = rowOf(error.code)
  switch (move) {
    case 'retry':
      return {
        kind: 'retry',
        outcome: 'retry',
        reason,
        code: error.code,
        error: clip(error.message),
        afterMs: error.retryAfterMs,
      }
    case 'dead':
      return { kind: 'dead', outcome: 'dead', reason, code: error.code, error: clip(error.message), disable: false }
    case 'hold':
      return { kind: 'held', afterMs: error.retryAfterMs }
    case 'repeat':
      return { kind: 'repeat' }
    case 'refuse':
      return refused(error.message, error.code)
    default: {
      const unknown: never = move
      throw new Error(`Unknown move ${String(unknown)}.`)
    }
  }
}

/** A login that the mail server refuses is a credential like any other. */
function refused(message: string, code: ErrorCode = 'credential_refused'): Verdict {
  const error = clip(message)
  if (code === 'http_refused_address') return { kind: 'refused', outcome: 'retry', code, error }
  return { kind: 'refused', outcome: 'unauthorized', code: 'credential_refused', error }
}

/** The verdict for what an action answered. `onAmbiguous` is the installation's setting. */
export function verdictOf(outcome: FinalOutcome, onAmbiguous: 'retry' | 'dead'): Verdict {
  const did = 'untouched' in outcome && outcome.untouched === true ? { untouched: true } : {}
  switch (outcome.outcome) {
    case 'delivered':
      return { kind: 'delivered' }
    case 'retry': {
      const code = (outcome.code ?? 'retry').slice(0, CODE_CHARS_MAX)
      const { afterMs } = outcome
      return {
        kind: 'retry',
        outcome: 'retry',
        reason: exhaustedReason(code),
        code,
        error: clip(outcome.reason),
        afterMs,
        ...did,
      }
    }
    case 'dead': {
      const code = outcome.code.slice(0, CODE_CHARS_MAX)
      const disable = outcome.disable === true || code === 'gone'
      // What stops the installation is for the admin to mend, and the same again may go through then.
      const reason = isErrorCode(code) ? rowOf(code).reason : disable ? 'config_error' : 'permanent_reject'
      return {
        kind: 'dead',
        outcome: 'dead',
        reason,
        code,
        error: clip(outcome.message),
        disable,
        ...did,
      }
    }
    case 'ambiguous': {
      const told = {
        outcome: 'ambiguous',
        reason: 'receiver_failed',
        code: 'ambiguous',
        error: clip(outcome.reason),
      } as const
      return onAmbiguous === 'dead'
        ? { kind: 'dead', ...told, disable: false }
        : { kind: 'retry', ...told, afterMs: undefined }
    }
    case 'unauthorized':
      return { ...refused(outcome.message), ...did }
    default: {
      const unknown: never = outcome
      throw new Error(`Unknown outcome ${JSON.stringify(unknown)}.`)
    }
  }
}

/** A receiver that kept answering 4xx works and does not want this; one that kept failing does not work. */
const exhaustedReason = (code: string): DeadReason => {
  if (isErrorCode(code)) return rowOf(code).reason
  return /^http_4\d\d$/.test(code) && !isTransientStatus(Number(code.slice(5))) ? 'permanent_reject' : 'receiver_failed'
}

const isTransientStatus = (status: number): boolean =>
  status === 408 || status === 425 || status === 429 || status >= 500

/** Nothing was done: what comes next is no repeat. */
export const isUntouched = (verdict: Verdict): boolean => 'untouched' in verdict && verdict.untouched === true

const SMTP_CLOSING = 421

export type Evidence = 'works' | 'fails'

interface Talk {
  readonly exchanges: readonly Exchange[]
  /** Of each exchange, in the same order. */
  readonly hosts: readonly string[]
  /** The last one a request was meant for. */
  readonly host: string | null
}

/** What an attempt tells the breakers: of each host what the last exchange with it says, and nothing of one it never reached. */
export function receiverEvidence(verdict: Verdict, { exchanges, hosts, host }: Talk): ReadonlyMap<string, Evidence> {
  const evidence = new Map<string, Evidence>()
  for (const [place, exchange] of exchanges.entries()) {
    const asked = hosts[place]
    if (asked !== undefined && exchange.error !== 'refused_by_guard') evidence.set(asked, evidenceOf(exchange))
  }
  const isFailure = verdict.kind === 'retry' && isErrorCode(verdict.code) && rowOf(verdict.code) === receiver
  if (host !== null && !evidence.has(host) && isFailure) evidence.set(host, 'fails')
  return evidence
}

function evidenceOf({ method, status, error }: Exchange): Evidence {
  // A mail server that refuses one message, or a login, works; 421 is how it says that it is closing.
  if (method === 'SMTP' && error === errorClassOf('email_auth')) return 'works'
  if (method === 'SMTP') return status === null || status === SMTP_CLOSING ? 'fails' : 'works'
  return status === null || isTransientStatus(status) ? 'fails' : 'works'
}
