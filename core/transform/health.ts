/** How transforms fare, for the health of their installations: written at most once a second, where no sender waits for it. */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { HubError } from '../errors.ts'
import type { WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { LaneHealth, Store } from '../storage/store.ts'

const WRITE_AFTER_MS = 1_000

export interface TransformHealth {
  /** A look at a response is over; `error` null means well. */
  note(look: {
    readonly workspace: WorkspaceId
    readonly installation: string
    readonly responseId: string
    readonly error: HubError | null
  }): void
  /** Resolves when all that was noted is written, or cannot be. */
  close(): Promise<void>
}

interface HealthDeps {
  readonly store: Pick<Store, 'noteLooks'>
  readonly clock: Pick<Clock, 'after' | 'nowMs'>
  readonly logger: Logger
}

export function openTransformHealth({ store, clock, logger }: HealthDeps): TransformHealth {
  /** By installation; a write is planned while there are any. */
  const noted = new Map<string, LaneHealth>()
  let cancel = (): void => {}
  const write = async (): Promise<void> => {
    cancel()
    const looks = [...noted.values()]
    noted.clear()
    if (looks.length === 0) return
    try {
      await store.noteLooks(looks)
    } catch (error) {
      // The next look says it again.
      logger.warn({ err: error }, 'how transforms fare could not be written')
    }
  }
  return {
    note: ({ workspace, installation, responseId, error }) => {
      if (noted.size === 0) cancel = clock.after(WRITE_AFTER_MS, () => void write())
      const key = `${workspace}/${installation}`
      const before = noted.get(key) ?? { ...NOTHING, workspace, installation }
      const at = rfc3339(clock.nowMs())
      const failed = { failureAt: at, error: error?.message ?? null, code: error?.code ?? null, aboutId: responseId }
      noted.set(
        key,
        error === null
          ? { ...before, successAt: at, failuresInARow: 0 }
          : { ...before, ...failed, failuresInARow: before.failuresInARow + 1 },
      )
    },
    close: write,
  }
}

const NOTHING = { successAt: null, failureAt: null, error: null, code: null, aboutId: null, failuresInARow: 0 }
