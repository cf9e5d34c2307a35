/** What Postgres's SQLSTATEs and a broken connection mean for a caller, as data. */
import { DatabaseError } from 'pg'
import { HubError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'

/** `at_once`: the transaction is undone and may be run again as it is. `caller`: whoever asked may ask again later. */
export type Again = 'at_once' | 'caller' | 'never'

interface Meaning {
  readonly code: ErrorCode
  readonly again: Again
  readonly message: string
}

const BUSY = 'The database is busy; nothing was written. Try again.'
const DOWN = 'The database cannot be reached or is starting; nothing was written. Try again.'
const NO_CONNECTION =
  'Postgres has no connection left; lower MANIFOLD_DATABASE_CONNECTIONS_MAX or raise its max_connections. Nothing was written.'
const FULL = 'The database has no space left; nothing was written. Free some and try again.'

/** By SQLSTATE, or by its class (the first two characters) for the rest of it. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export const SQLSTATES: Readonly<Record<string, Meaning>> = {
  '40001': { code: 'storage_busy', again: 'at_once', message: BUSY }, // serialization_failure
  '40P01': { code: 'storage_busy', again: 'at_once', message: BUSY }, // deadlock_detected
  '55P03': { code: 'storage_busy', again: 'caller', message: BUSY }, // lock_not_available
  '57014': { code: 'storage_busy', again: 'caller', message: BUSY }, // query_canceled: a timeout of ours
  '25P03': { code: 'storage_busy', again: 'caller', message: BUSY }, // idle_in_transaction_session_timeout
  '25006': { code: 'storage_busy', again: 'caller', message: DOWN }, // read_only_sql_transaction: a standby that was failed over from
  '57P01': { code: 'storage_busy', again: 'caller', message: DOWN }, // admin_shutdown
  '57P02': { code: 'storage_busy', again: 'caller', message: DOWN }, // crash_shutdown
  '57P03': { code: 'storage_busy', again: 'caller', message: DOWN }, // cannot_connect_now
  '57P05': { code: 'storage_busy', again: 'caller', message: DOWN }, // idle_session_timeout
  '25': { code: 'storage_busy', again: 'caller', message: BUSY }, // a transaction that is over or was never begun
  '08': { code: 'storage_busy', again: 'caller', message: DOWN }, // connection exceptions
  '53': { code: 'storage_busy', again: 'caller', message: BUSY }, // insufficient resources
  '53300': { code: 'storage_busy', again: 'caller', message: NO_CONNECTION }, // too_many_connections
  '53100': { code: 'storage_full', again: 'caller', message: FULL }, // disk_full
  '23505': { code: 'conflict', again: 'never', message: 'A row with this id exists already; nothing was written.' },
  '28': {
    code: 'storage_failed',
    again: 'never',
    message: 'Postgres refuses this user or password; check DATABASE_URL.',
  },
  '3D': {
    code: 'storage_failed',
    again: 'never',
    message: 'This Postgres has no such database; create it or check DATABASE_URL.',
  },
  '42501': {
    code: 'storage_failed',
    again: 'never',
    message: 'This Postgres user may not do that; it must own the tables.',
  },
  XX001: { code: 'storage_failed', again: 'never', message: 'Postgres reports damaged data; see its log.' },
  XX002: { code: 'storage_failed', again: 'never', message: 'Postgres reports a damaged index; see its log.' },
}

/** Where it broke decides: once COMMIT is on its way, nobody knows. */
export const UNKNOWN_COMMIT =
  'The connection to the database broke while it committed, so this may or may not be written. Send it again with the same Idempotency-Key or id.'

/** How an error of `pg` or of a socket is to be taken. */
export function meaningOf(error: unknown): Meaning {
  if (error instanceof DatabaseError && error.code !== undefined) {
    const meaning = SQLSTATES[error.code] ?? SQLSTATES[error.code.slice(0, 2)]
    if (meaning !== undefined) return meaning
    return { code: 'internal', again: 'never', message: `The database refused a statement (${error.code}).` }
  }
  // No SQLSTATE: the connection broke, was refused, or did not answer in time.
  return { code: 'storage_busy', again: 'caller', message: DOWN }
}

/** The error that a caller of the store gets. */
export function toHubError(error: unknown): HubError {
  if (error instanceof HubError) return error
  const { code, message } = meaningOf(error)
  return new HubError(code, message, { cause: error })
}

/** True when it is the server that spoke, over a connection that goes on working, or when an error is all ours. */
export function leavesConnectionUsable(error: unknown): boolean {
  if (error instanceof HubError) return error.cause === undefined || leavesConnectionUsable(error.cause)
  // In a transaction that failed it would refuse everything (class 25).
  return error instanceof DatabaseError && error.severity === 'ERROR' && error.code?.startsWith('25') !== true
}
