/** Tells workspaces what waits for their admin: a plugin while the version from before runs on, a file that is not taken over. */
import { alertEvent } from '../alert-event.ts'
import type { Clock } from '../clock.ts'
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
  readonly store: Pick<Store, 'appendEvents' | 'getEvent' | 'countHooks'>
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
  /** Installations that no living process runs, by key; at each look. */
  unattended(keys: readonly string[]): void
  /** Nothing is tried again any more. */
  close(): void
}

/** What could not be written is tried again so much later. */
const RETRY_MS = 5_000
/** Processes that read the same files see them at different times; nor is one alarmed twice by a file that goes to and fro. */
const SAME_MS = 60_000
const TIMES_MAX = 1_000
/** Shorter is a change of hands, or a start. */
const UNATTENDED_MS_MIN = 60_000
const DAY_MS = 86_400_000

/** One `alert.raised` a workspace for each thing that waits, whoever starts or looks again meanwhile. */
export function openAlerts(deps: AlertDeps): Alerts {
  const { fleet, clock } = deps
  const writer = openWriter(deps)
  const lookAtHooks = watchHooks(deps, writer.write)
  let last: Assembly | null = null
  let isRefused = false
  /** Counts how often that changed: what was to be told of before is over. */
  let turns = 0
  /** What waits, and since when; null: since before this process began. */
  let waiting = new Map<string, number | null>()
  const told = new Set<string>()
  const look = ({ pending, installations, granted }: Assembly): void => {
    for (const waits of pending) {
      const sinceMs = waiting.get(idOf(waits)) ?? null
      const users = installations.filter(({ key, plugin }) => plugin.manifest.id === waits.id && fleet.holds(key))
      const grantedAtMs = Date.parse(granted[waits.id]?.grantedAt ?? '') || 0
      for (const workspace of new Set(users.map((user) => user.workspace))) {
        const name = `${workspace}/${idOf(waits)}`
        if (told.has(name)) continue
        told.add(name)
        // A name for each time that it waits: the first is what it always was.
        const idAt = (time: number): string => namedId('event', grantedAtMs, time === 0 ? name : `${name}/${time}`)
        const isDue = (): boolean => told.has(name)
        writer.write({ workspace, data: waitingOf(waits), idAt, sinceMs, isDue })
      }
    }
  }
  /** What does not wait any more and comes to do so again is told again. */
  const notice = ({ pending }: Assembly): void => {
    const sinceMs = last === null ? null : clock.nowMs()
    waiting = new Map(pending.map((waits) => [idOf(waits), waiting.get(idOf(waits)) ?? sinceMs]))
    for (const name of told) if (!waiting.has(name.slice(name.indexOf('/') + 1))) told.delete(name)
  }
  const turn = (refused: boolean, data: object): void => {
    if (isRefused === refused) return
    isRefused = refused
    const now = ++turns
    const id = newId('event', clock.nowMs())
    writer.write({ workspace: DEFAULT_WORKSPACE, data, idAt: () => id, sinceMs: null, isDue: () => turns === now })
  }
  return {
    applied: (assembly) => {
      turn(false, MENDED)
      notice(assembly)
      last = assembly
      look(assembly)
      lookAtHooks(assembly)
    },
    refused: (problems) => turn(true, refusalOf(problems)),
    moved: () => {
      if (last !== null) look(last)
    },
    unattended: watchUnattended(clock, {
      write: writer.write,
      pluginOf: (key) => last?.installations.find((each) => each.key === key)?.plugin.manifest.id ?? null,
    }),
    close: writer.close,
  }
}

/** Tells of hooks that no installation of the file sends to: as the last one is taken out, or at the first start without one. */
function watchHooks(
  { store, clock, logger }: Pick<AlertDeps, 'store' | 'clock' | 'logger'>,
  write: (what: Told) => void,
): (assembly: Assembly) => void {
  const workspace = DEFAULT_WORKSPACE
  /** Null: nothing was read so far. */
  let isCarried: boolean | null = null
  const tell = async (sinceMs: number | null): Promise<void> => {
    const hooks = await store.countHooks(workspace, { inForceMs: clock.nowMs() })
    if (hooks === 0) return
    const idAt = (time: number): string => namedId('event', 0, `${workspace}/hooks_unattended/${time}`)
    write({ workspace, data: unattendedHooksOf(hooks), idAt, sinceMs, isDue: () => isCarried === false })
  }
  return ({ installations }) => {
    const before = isCarried
    isCarried = installations.some(
      (each) => each.workspace === workspace && each.plugin.manifest.permissions?.hooks === true,
    )
    if (isCarried || before === false) return
    tell(before === null ? null : clock.nowMs()).catch((error: unknown) =>
      logger.warn({ err: error }, 'whether hooks are without an installation is not known'),
    )
  }
}

const unattendedHooksOf = (hooks: number): object => ({
  kind: 'hooks_unattended',
  hooks,
  reason: `no installation of manifold.yaml sends to hooks any more: nothing is sent to ${hooks === 1 ? '1 hook' : `${hooks} hooks`}`,
  todo: 'put the installation (use: zapier) back into manifold.yaml, or end the hooks: GET /api/v2/hooks?state=stopped shows them',
})

/** Tells of what stays without a worker once a day, whichever process says it. */
function watchUnattended(
  clock: Clock,
  { write, pluginOf }: { readonly write: (what: Told) => void; readonly pluginOf: (key: string) => string | null },
): Alerts['unattended'] {
  /** By key: since when, Unix ms; and the day it was told of last. */
  const alone = new Map<string, number>()
  const told = new Map<string, number>()
  return (keys) => {
    const nowMs = clock.nowMs()
    const dayMs = nowMs - (nowMs % DAY_MS)
    for (const key of alone.keys()) if (!keys.includes(key)) alone.delete(key)
    for (const key of keys) {
      const sinceMs = alone.get(key) ?? nowMs
      alone.set(key, sinceMs)
      if (nowMs - sinceMs < UNATTENDED_MS_MIN || told.get(key) === dayMs) continue
      told.set(key, dayMs)
      const id = namedId('event', dayMs, `${key}/no_worker/${dayMs}`)
      const workspace = key.slice(0, key.indexOf('/'))
      const data = unattendedOf(key.slice(workspace.length + 1), pluginOf(key))
      write({ workspace, data, idAt: () => id, sinceMs: null, isDue: () => alone.has(key) })
    }
  }
}

const unattendedOf = (installation: string, plugin: string | null): object => ({
  kind: 'no_worker',
  installation,
  plugin,
  reason: 'no process of the hub runs it; its events and deliveries wait',
  todo: 'start a worker with its plugin, its settings and its secrets; of installations that take turns for something, one process needs those of all: manifold status',
})

/** Something to be told. */
interface Told {
  readonly workspace: WorkspaceId
  readonly data: object
  /** The id of the event that tells of its first time, its second … */
  readonly idAt: (time: number) => string
  /** What was told before is of another time; null: whatever was told is of this one. */
  readonly sinceMs: number | null
  /** False: it is over, and nobody has to hear of it any more. */
  readonly isDue: () => boolean
}

function openWriter({ store, clock, logger, published }: AlertDeps): {
  readonly write: (what: Told) => void
  readonly close: () => void
} {
  const waits = new Set<() => void>()
  let isClosed = false
  /** The id that is free for it; null: it was told, before the last start or by another process. */
  const freeId = async ({ workspace, idAt, sinceMs }: Told): Promise<string | null> => {
    for (let time = 0; time < TIMES_MAX; time++) {
      const before = await store.getEvent(workspace, idAt(time))
      if (before === undefined) return idAt(time)
      if (sinceMs === null || Date.parse(before.at) >= sinceMs - SAME_MS) return null
    }
    return null
  }
  const again = (what: Told): void => {
    const cancel = clock.after(RETRY_MS, () => {
      waits.delete(cancel)
      write(what)
    })
    waits.add(cancel)
  }
  const raise = async (what: Told): Promise<void> => {
    const id = await freeId(what)
    if (id === null) return
    published(await store.appendEvents(what.workspace, [alertEvent(what.data, clock.nowMs(), id)]))
  }
  const write = (what: Told): void => {
    if (isClosed || !what.isDue()) return
    raise(what).catch((error: unknown) => {
      if (isClosed) return
      logger.warn({ err: error }, 'an alert could not be written; trying again')
      again(what)
    })
  }
  return {
    write,
    close: () => {
      isClosed = true
      for (const cancel of waits) cancel()
    },
  }
}

const idOf = ({ id, hash, diff }: PendingApproval): string => `${id}/${hash}/${diff}`

function waitingOf(waits: PendingApproval): object {
  const { id, version, running, diff } = waits
  return { kind: 'plugin_needs_approval', plugin: id, version, running, diff: diff.split('\n'), ...wordsOf(waits) }
}

const MENDED = { kind: 'config_mended', reason: 'the configuration on disk is what runs again' }

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
