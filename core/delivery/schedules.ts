/**
 * Timetables of plugins: cron expressions with a time zone, each fired once. What was missed while the hub stood still
 * is fired once, with the number of missed times; the compare-and-set on the last firing keeps a fleet from doubling it.
 */
import { Cron } from 'croner'
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Delivery } from '../model.ts'
import { TEST_MARK } from '../storage/new-delivery.ts'
import type { Logger } from '../observe/observe.ts'
import type { Queue } from '../queue/queue.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'
import { isRunnable } from './ports.ts'
import type { PlacedInstallation } from './ports.ts'

export interface SchedulerDeps {
  readonly store: Pick<Store, 'schedules' | 'fireSchedule'>
  readonly queue: Pick<Queue, 'wake' | 'drop'>
  /** Hands a fired run to its lane. */
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly logger: Logger
  readonly clock: Clock
}

export interface Scheduler {
  /** Fires one now, by hand, for an installation that runs here; its timetable goes on as it was. */
  fire(key: string, name: string): Promise<Delivery>
  /** Throws when there is no such schedule to fire. */
  find(key: string, name: string): Installation
  setInstallations(list: readonly PlacedInstallation[]): void
  /** Queue worker of `schedule` lanes: fires what is due, answers when the next is. */
  work(key: string): Promise<number | null>
}

/** Times counted one by one after a long stop; beyond this the number is only a lower bound. */
const MISSED_MAX = 100

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const places = new Map<string, PlacedInstallation>()
  const laneOf = ({ workspace, id }: Installation) => ({ kind: 'schedule', workspace, installation: id }) as const
  const hasSchedules = ({ plugin }: Installation): boolean => Object.keys(plugin.manifest.schedules).length > 0
  const lastOf = async ({ workspace, id }: Installation): Promise<ReadonlyMap<string, number>> =>
    new Map(
      (await deps.store.schedules())
        .filter((row) => row.workspace === workspace && row.installation === id)
        .map(({ name, lastFiredAtMs }) => [name, lastFiredAtMs]),
    )
  const find: Scheduler['find'] = (key, name) => {
    const installation = places.get(key)?.installation
    const names = Object.keys(installation?.plugin.manifest.schedules ?? {})
    if (installation === undefined || !names.includes(name)) throw noSchedule(name, names)
    return installation
  }
  return {
    find,
    fire: async (key, name) => {
      const installation = find(key, name)
      const lastMs = (await lastOf(installation)).get(name)
      return await fireNow(deps, { installation, name, lastMs })
    },
    setInstallations: (list) => {
      const wanted = new Map(
        list
          .filter(({ installation }) => hasSchedules(installation))
          .map((placed) => [placed.installation.key, placed]),
      )
      for (const [key, { installation }] of places) {
        if (wanted.has(key)) continue
        places.delete(key)
        deps.queue.drop(laneOf(installation))
      }
      for (const [key, placed] of wanted) {
        places.set(key, placed)
        if (isRunnable(placed.state)) deps.queue.wake(laneOf(placed.installation))
      }
    },
    work: async (key) => {
      const placed = places.get(key)
      // While it stands still nothing fires; what it missed is counted when it runs again.
      if (placed === undefined || !isRunnable(placed.state)) return null
      const { installation } = placed
      const fired = await lastOf(installation)
      const nexts = await Promise.all(
        Object.entries(installation.plugin.manifest.schedules).map(([name, { cron, timezone }]) =>
          fireDue(deps, {
            installation,
            name,
            timetable: new Cron(cron, { timezone, paused: true }),
            lastMs: fired.get(name),
          }),
        ),
      )
      const known = nexts.filter((atMs) => atMs !== null)
      return known.length === 0 ? null : Math.min(...known)
    },
  }
}

function noSchedule(name: string, names: readonly string[]): HubError {
  const there = names.length === 0 ? 'its plugin has none' : `there are: ${names.join(', ')}`
  return new HubError('not_found', `There is no schedule "${name.slice(0, 100)}" to fire; ${there}.`)
}

interface Timetable {
  readonly installation: Installation
  readonly name: string
  readonly timetable: Cron
  readonly lastMs: number | undefined
}

/** Answers the next time after now, null when there is none. */
async function fireDue(
  deps: SchedulerDeps,
  { installation, name, timetable, lastMs }: Timetable,
): Promise<number | null> {
  const nowMs = deps.clock.nowMs()
  const { workspace, id, plugin } = installation
  const base = { workspace, installation: id, plugin: plugin.manifest.id, name, at: rfc3339(nowMs) }
  // A schedule that is new starts now: it has missed nothing.
  if (lastMs === undefined) await deps.store.fireSchedule({ ...base, fromMs: 0, toMs: nowMs, delivery: null })
  else {
    const due = dueTimes(timetable, { afterMs: lastMs, untilMs: nowMs })
    const dueMs = due.at(-1)
    if (dueMs !== undefined) {
      const delivery = scheduleDelivery(name, { dueMs, missed: due.length - 1, nowMs })
      const made = await deps.store.fireSchedule({ ...base, fromMs: lastMs, toMs: dueMs, delivery })
      if (made) deps.push([made])
      if (due.length > 1)
        deps.logger.warn(
          { installation: id, schedule: name, missed: due.length - 1 },
          'a schedule was missed while the hub stood still; fired once',
        )
    }
  }
  return timetable.nextRun(new Date(nowMs))?.getTime() ?? null
}

/**
 * Its last time stays what it was: that is what keeps anybody else from having fired it between. One that never had a time
 * starts now, as its timetable would have it.
 */
async function fireNow(
  deps: SchedulerDeps,
  { installation, name, lastMs }: Pick<Timetable, 'installation' | 'name' | 'lastMs'>,
): Promise<Delivery> {
  const nowMs = deps.clock.nowMs()
  const { workspace, id, plugin } = installation
  const due = scheduleDelivery(name, { dueMs: nowMs, missed: 0, nowMs })
  // Of its own: the timetable may come to this very time.
  const delivery = { ...due, key: `${due.key}${TEST_MARK}${due.id}` }
  const owner = { workspace, installation: id, plugin: plugin.manifest.id, name, at: rfc3339(nowMs) }
  const made = await deps.store.fireSchedule({ ...owner, fromMs: lastMs ?? 0, toMs: lastMs ?? nowMs, delivery })
  if (made === null || made === false)
    throw new HubError('conflict', `The schedule "${name}" was fired by its timetable just now.`)
  deps.push([made])
  return made
}

/** The times in (after, until], oldest first; of very many only the newest. Pure. */
export function dueTimes(
  timetable: Cron,
  { afterMs, untilMs }: { afterMs: number; untilMs: number },
): readonly number[] {
  const times: number[] = []
  for (
    let next = timetable.nextRun(new Date(afterMs));
    next !== null && next.getTime() <= untilMs;
    next = timetable.nextRun(next)
  ) {
    times.push(next.getTime())
    // The newest is what fires: of too many it is looked for from the end.
    if (times.length === MISSED_MAX) return [...times.slice(1), newestUntil(timetable, untilMs) ?? next.getTime()]
  }
  return times
}

/** `previousRuns` looks strictly before a whole second. */
const newestUntil = (timetable: Cron, untilMs: number): number | undefined =>
  timetable
    .previousRuns(2, new Date(untilMs + 1_000))
    .find((date) => date.getTime() <= untilMs)
    ?.getTime()

function scheduleDelivery(name: string, { dueMs, missed, nowMs }: { dueMs: number; missed: number; nowMs: number }) {
  return {
    id: newId('delivery', nowMs),
    kind: 'schedule',
    name,
    key: `schedule:${name}:${dueMs}`,
    eventSeq: null,
    eventId: null,
    formId: null,
    responseId: null,
    orderKey: null,
    input: JSON.stringify({ at: rfc3339(dueMs), missed }),
    dueAtMs: nowMs,
  } as const
}
