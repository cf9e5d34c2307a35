/** Moves between the two backends, and the stores at their ends. */
import { LIMITS } from '../../core/limits.ts'
import { move } from '../../core/storage/move/move.ts'
import type { MoveProgress } from '../../core/storage/move/move.ts'
import type { MoveSource, MoveTarget } from '../../core/storage/move/port.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { silent } from './full-store.ts'
import type { FreshDatabase } from './services.ts'

export const openSqlite = (dir: string): Promise<Store> =>
  openSqliteStore({
    dir,
    limits: LIMITS,
    logger: silent,
    onFatal: (error) => {
      throw error
    },
  })
export const openPostgres = ({ url }: FreshDatabase): Promise<Store> =>
  openPostgresStore({ url, connectionsMax: 3, limits: LIMITS, logger: silent })

/** Moves with ports that are closed afterwards. `wrap` may make the target behave badly. */
export async function runMove(
  source: MoveSource,
  opened: MoveTarget,
  wrap = (target: MoveTarget): MoveTarget => target,
) {
  const steps: MoveProgress[] = []
  try {
    const job = { source, target: wrap(opened), nowMs: Date.now, id: 'move-1' }
    return { ...(await move({ ...job, progress: (at) => void steps.push(at) })), steps }
  } finally {
    await opened.close()
    await source.close()
  }
}
