/** What SQLite's error codes mean for a caller, and for the store's promise. */
import { HubError, isErrorCode } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'

/** An error on its way between threads. `fatal`: the store cannot keep its promise any longer. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly fatal: boolean
  /** What SQLite or the engine said. */
  readonly detail: string
}

/** Reads an error that a statement, a commit or a checkpoint threw. */
export function failureOf(error: unknown): Failure {
  if (error instanceof HubError)
    return { code: error.code, message: error.message, fatal: false, detail: error.message }
  const code = sqliteCode(error)
  const detail = error instanceof Error ? `${code ?? error.name}: ${error.message}` : String(error)
  if (code === undefined && isSystemError(error)) return { ...ofFile(error), detail }
  if (code === undefined)
    return { code: 'internal', message: `The storage thread failed: ${detail}`, fatal: false, detail }
  return { ...meaning(code), detail }
}

/** Turns it back into the error that a caller of the store gets. */
export const toHubError = (failure: Failure): HubError =>
  new HubError(isErrorCode(failure.code) ? failure.code : 'internal', failure.message, {
    cause: new Error(failure.detail),
  })

/** The extended result code (`SQLITE_IOERR_FSYNC`), when the error is SQLite's. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const { code } = error
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined
}

type Meaning = Omit<Failure, 'detail'>

interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
}

const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && 'code' in error && 'syscall' in error && typeof error.code === 'string'

/** The store's own files beside the database: the watermark, a backup. */
function ofFile({ code, syscall }: SystemError): Meaning {
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return { code: 'storage_full', message: 'The disk is full; free some space and try again.', fatal: false }
  }
  return {
    code: 'storage_failed',
    message: `A file in the data directory cannot be used (${code} in ${syscall}).`,
    fatal: false,
  }
}

function meaning(code: string): Meaning {
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED') || code === 'SQLITE_NOMEM') {
    return {
      code: 'storage_busy',
      message: 'The database is held by another process; nothing was written. Try again.',
      fatal: false,
    }
  }
  if (isFull(code)) {
    return {
      code: 'storage_full',
      message: 'The disk is full; nothing was written. Free some space and try again.',
      fatal: false,
    }
  }
  if (code.startsWith('SQLITE_CONSTRAINT_UNIQUE') || code.startsWith('SQLITE_CONSTRAINT_PRIMARYKEY')) {
    return { code: 'conflict', message: 'A row with this id exists already; nothing was written.', fatal: false }
  }
  if (isFatal(code)) {
    const message = `The database failed (${code}). What the disk holds is uncertain, so nothing more is accepted; restart the hub.`
    return { code: 'storage_failed', message, fatal: true }
  }
  return { code: 'internal', message: `The database refused a statement (${code}).`, fatal: false }
}

/** A failed write leaves the transaction undone and can be repeated: no space, a size limit, no room for the index file. */
const isFull = (code: string): boolean =>
  code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_WRITE' || code === 'SQLITE_IOERR_SHMSIZE'

/**
 * After a failed fsync the kernel may have dropped pages that it reports as written, and SQLite would carry on. So
 * every other I/O error, damage, and a file that was taken away end the store.
 */
const isFatal = (code: string): boolean =>
  ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_READONLY', 'SQLITE_CANTOPEN', 'SQLITE_PROTOCOL'].some(
    (family) => code.startsWith(family),
  )
