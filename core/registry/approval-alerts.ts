/** Tells the workspaces that use a plugin when it waits for approval while the version from before runs on. */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { newId } from '../ids.ts'
import type { LogEvent, NewEvent } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'
import type { PendingApproval } from './pinning.ts'

export interface ApprovalAlertDeps {
  readonly store: Pick<Store, 'appendEvents'>
  /** Of several processes those tell it that run the plugin. */
  readonly fleet: Pick<Fleet, 'holds'>
  readonly clock: Clock
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

export interface ApprovalAlerts {
  /** Raises what an assembly has to say, once it is applied. */
  applied(assembly: Assembly): void
  /** Other installations run here than before: what waits may be this process's to say now. */
  moved(): void
}

/** One `alert.raised` a workspace for each thing that waits. */
export function openApprovalAlerts(deps: ApprovalAlertDeps): ApprovalAlerts {
  let last: Assembly | null = null
  const told = new Set<string>()
  const raise = async (workspace: string, event: NewEvent): Promise<void> => {
    try {
      deps.published(await deps.store.appendEvents(workspace, [event]))
    } catch (error) {
      deps.logger.warn({ err: error }, 'an alert of a waiting approval could not be written')
    }
  }
  const look = ({ pending, installations }: Assembly): void => {
    for (const waits of pending) {
      const users = installations.filter(({ key, plugin }) => plugin.manifest.id === waits.id && deps.fleet.holds(key))
      for (const workspace of new Set(users.map((user) => user.workspace))) {
        const key = `${workspace}/${waits.id}/${waits.hash}/${waits.diff}`
        if (told.has(key)) continue
        told.add(key)
        void raise(workspace, alertOf(waits, deps.clock.nowMs()))
      }
    }
  }
  return {
    applied: (assembly) => {
      last = assembly
      look(assembly)
    },
    moved: () => {
      if (last !== null) look(last)
    },
  }
}

const alertOf = ({ id, version, running, diff }: PendingApproval, nowMs: number): NewEvent => ({
  id: newId('event', nowMs),
  type: 'alert.raised',
  at: rfc3339(nowMs),
  formId: null,
  responseId: null,
  hops: 0,
  data: JSON.stringify({ kind: 'plugin_needs_approval', plugin: id, version, running, diff: diff.split('\n') }),
})
