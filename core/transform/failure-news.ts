/**
 * Tells the log of transforms that fail, so that a flood of them cannot fill it and none is left out: the first of an
 * installation with a code at once, and the others within its window together, with their number, when the window is over.
 * (Every single one is counted by `manifold_transforms_total`.)
 */
import type { Clock } from '../clock.ts'
import type { ErrorCode } from '../errors.ts'
import type { Logger } from '../observe/observe.ts'

/** One look that failed. */
export interface FailedLook {
  readonly workspace: string
  readonly installation: string
  readonly plugin: string
  readonly run: string
  /** As it came in; under a client's id it may be stored under another one. */
  readonly response: string
  readonly code: ErrorCode
  readonly error: string
  readonly whenFails: 'open' | 'closed'
}

export interface FailureNews {
  tell(failed: FailedLook): void
  /** Tells what is counted and not yet told. */
  close(): void
}

export const FAILURE_WINDOW_MS = 60_000
const MS_PER_SECOND = 1_000

/** Of one installation and code. */
interface Window {
  more: number
  last: FailedLook
  readonly cancel: () => void
}

export function openFailureNews({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }): FailureNews {
  /** As many as there are codes of installations: few. */
  const windows = new Map<string, Window>()
  const open = (key: string, first: FailedLook): void => {
    windows.set(key, { more: 0, last: first, cancel: clock.after(FAILURE_WINDOW_MS, () => over(key)) })
  }
  const sum = ({ more, last }: Window): void => {
    const withinS = FAILURE_WINDOW_MS / MS_PER_SECOND
    logger.warn({ ...fieldsOf(last), more, withinS }, 'a transform failed again; this is the last of so many more')
  }
  const over = (key: string): void => {
    const window = windows.get(key)
    windows.delete(key)
    if (window === undefined || window.more === 0) return
    sum(window)
    // It goes on: the next is counted, too.
    open(key, window.last)
  }
  return {
    tell: (failed) => {
      const key = `${failed.workspace}/${failed.installation} ${failed.code}`
      const window = windows.get(key)
      if (window !== undefined) {
        window.more += 1
        window.last = failed
        return
      }
      logger.warn(fieldsOf(failed), 'a transform failed')
      open(key, failed)
    },
    close: () => {
      for (const window of windows.values()) {
        window.cancel()
        if (window.more > 0) sum(window)
      }
      windows.clear()
    },
  }
}

const fieldsOf = ({ workspace: _workspace, ...fields }: FailedLook): object => fields
