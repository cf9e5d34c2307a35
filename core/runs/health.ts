/** How transforms and the inlets of plugins fare, for the health of their installations: written at most once a second, however many senders there are. */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { LaneHealth, Store } from '../storage/store.ts'

const WRITE_AFTER_MS = 1_000

export interface RunHealth {
  /** A run is over; `error` null means well. */
  note(run: {
    readonly workspace: WorkspaceId
    readonly installation: string
    /** Whose words the error may be; null: nobody's who is stored. */
    readonly responseId: string | null
    readonly error: { readonly code: string; readonly message: string } | null
    /** It went well, and a receiver took what the installation proves itself with. */
    readonly hasProven?: boolean
  }): void
  /** Resolves when all that was noted is written, or cannot be. */
  close(): Promise<void>
}

interface HealthDeps {
  readonly store: Pick<Store, 'noteLooks'>
  readonly clock: Pick<Clock, 'after' | 'nowMs'>
  readonly logger: Logger
}

export function openRunHealth({ store, clock, logger }: HealthDeps): RunHealth {
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
      // The next run says it again.
      logger.warn({ err: error }, 'how installations fare could not be written')
    }
  }
  return {
    note: ({ workspace, installation, responseId, error, hasProven = false }) => {
      if (noted.size === 0) cancel = clock.after(WRITE_AFTER_MS, () => void write())
      const key = `${workspace}/${installation}`
      const before = noted.get(key) ?? { ...NOTHING, workspace, installation }
      const at = rfc3339(clock.nowMs())
      const failed = { failureAt: at, error: error?.message ?? null, code: error?.code ?? null, aboutId: responseId }
      noted.set(
        key,
        error === null
          ? { ...before, successAt: at, provenAt: hasProven ? at : before.provenAt, failuresInARow: 0 }
          : { ...before, ...failed, failuresInARow: before.failuresInARow + 1 },
      )
    },
    close: write,
  }
}

const NOTHING = {
  successAt: null,
  provenAt: null,
  failureAt: null,
  error: null,
  code: null,
  aboutId: null,
  failuresInARow: 0,
}
