/** Tells workspaces what waits for their admin: a plugin while the version from before runs on, a file that is not taken over. */
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { ConfigProblem } from '../config/config.ts'
import { formatPlace } from '../config/format-problems.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { namedId, newId } from '../ids.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'
import type { PendingApproval } from './pinning.ts'
import { wordsOf } from './pinning.ts'

export interface AlertDeps {
  readonly store: Pick<Store, 'appendEvents' | 'getEvent'>
  /** Of several processes those tell of a plugin that run it. */
  readonly fleet: Pick<Fleet, 'holds'>
  readonly clock: Clock
  readonly logger: Logger
  readonly published: (events: readonly LogEvent[]) => void
}

export interface Alerts {
  /** Raises what an assembly has to say, once it is applied; what was refused before it is mended. */
  applied(assembly: Assembly): void
  /** The file on disk does not run: told once, until one does. */
  refused(problems: readonly ConfigProblem[]): void
  /** Other installations run here than before: what waits may be this process's to say now. */
  moved(): void
}

/** One `alert.raised` a workspace for each thing that waits, whoever starts or looks again meanwhile. */
export function openAlerts(deps: AlertDeps): Alerts {
  const { store, fleet, clock } = deps
  let last: Assembly | null = null
  let isRefused = false
  const told = new Set<string>()
  const raise = async (workspace: WorkspaceId, data: object, id: string): Promise<void> => {
    const at = rfc3339(clock.nowMs())
    const nobody = { formId: null, responseId: null, hops: 0 }
    try {
      // Before the last start, or by another process.
      if ((await store.getEvent(workspace, id)) !== undefined) return
      const event = { id, type: 'alert.raised', at, ...nobody, data: JSON.stringify(data) }
      deps.published(await store.appendEvents(workspace, [event]))
    } catch (error) {
      deps.logger.warn({ err: error }, 'an alert could not be written')
    }
  }
  const look = ({ pending, installations, granted }: Assembly): void => {
    for (const waits of pending) {
      const users = installations.filter(({ key, plugin }) => plugin.manifest.id === waits.id && fleet.holds(key))
      const grantedAtMs = Date.parse(granted[waits.id]?.grantedAt ?? '') || 0
      for (const workspace of new Set(users.map((user) => user.workspace))) {
        const id = namedId('event', grantedAtMs, `${workspace}/${waits.id}/${waits.hash}/${waits.diff}`)
        if (told.has(id)) continue
        told.add(id)
        void raise(workspace, waitingOf(waits), id)
      }
    }
  }
  const tellOfFile = (data: object): void => void raise(DEFAULT_WORKSPACE, data, newId('event', clock.nowMs()))
  return {
    applied: (assembly) => {
      if (isRefused) tellOfFile({ kind: 'config_mended', reason: 'the configuration on disk is what runs again' })
      isRefused = false
      last = assembly
      look(assembly)
    },
    refused: (problems) => {
      if (!isRefused) tellOfFile(refusalOf(problems))
      isRefused = true
    },
    moved: () => {
      if (last !== null) look(last)
    },
  }
}

function waitingOf(waits: PendingApproval): object {
  const { id, version, running, diff } = waits
  return { kind: 'plugin_needs_approval', plugin: id, version, running, diff: diff.split('\n'), ...wordsOf(waits) }
}

/** Without the words of the problems: they may quote settings, and plugins hear of alerts. */
function refusalOf(problems: readonly ConfigProblem[]): object {
  const [first] = problems
  const where = first === undefined ? '' : `, the first at ${formatPlace(first.place, process.cwd())}`
  return {
    kind: 'config_refused',
    reason: `the configuration on disk was not taken over (problems: ${problems.length}${where}), the last good one runs on`,
    todo: 'mend it, it is read by itself then; what is wrong: manifold config check',
  }
}
