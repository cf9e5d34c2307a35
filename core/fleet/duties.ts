/** What this process does when the fleet speaks: takes lanes over, gives them up, and forgets what others have changed. */
import type { Clock } from '../clock.ts'
import { notClosed } from '../delivery/breaker.ts'
import type { Breakers } from '../delivery/breaker.ts'
import type { DeliveryEngine } from '../delivery/engine.ts'
import type { MemoryQuota } from '../delivery/memory-quota.ts'
import type { FormCache } from '../ingest/form-cache.ts'
import type { FormViews } from '../ingest/form-views.ts'
import type { Logger } from '../observe/observe.ts'
import type { Pump } from '../pump/pump.ts'
import type { Queue } from '../queue/queue.ts'
import type { ApiKeys } from '../registry/api-keys.ts'
import type { Alerts } from '../registry/alerts.ts'
import type { Roster } from '../registry/roster.ts'
import type { Store } from '../storage/store.ts'
import type { Fleet, FleetHooks, LanePace } from './fleet.ts'

export interface DutyDeps {
  readonly fleet: Pick<Fleet, 'holds'>
  readonly store: Pick<Store, 'syncInstallations' | 'headSeq'>
  readonly engine: Pick<DeliveryEngine, 'drained' | 'pressure'>
  readonly pump: Pick<Pump, 'rewind' | 'adopt' | 'behind' | 'catchingUp'>
  readonly queue: Pick<Queue, 'wake'>
  readonly roster: Pick<Roster, 'catchUp'>
  readonly forms: Pick<FormCache, 'hear' | 'clear'>
  readonly formViews: Pick<FormViews, 'hear' | 'clear'>
  readonly keys: Pick<ApiKeys, 'forget'>
  readonly alerts: Pick<Alerts, 'moved' | 'unattended'>
  readonly memoryQuota: Pick<MemoryQuota, 'forget'>
  /** Follows the log. */
  readonly log: { reach(head: number): void }
  readonly breakers: Pick<Breakers, 'list'>
  readonly logger: Logger
  readonly clock: Clock
}

const DOUBT_MS = 5_000

export function fleetDuties(deps: DutyDeps): FleetHooks {
  const {
    breakers,
    clock,
    fleet,
    store,
    engine,
    pump,
    queue,
    roster,
    forms,
    formViews,
    keys,
    memoryQuota,
    log,
    logger,
    alerts,
  } = deps
  const failed = (what: string) => (error: unknown) => logger.warn({ err: error }, what)
  const catchUp = (): void => {
    roster.catchUp().catch(failed('what others changed of the installations could not be read'))
  }
  const rewind = async (cursors: readonly string[]): Promise<void> => {
    for (const row of await store.syncInstallations([])) {
      const key = `${row.workspace}/${row.id}`
      if (cursors.includes(key)) pump.rewind(key, row.cursor)
    }
  }
  /** Everything that may have changed unheard: work in any lane, any cursor, any form, the log. */
  const lookAtAll = async (): Promise<void> => {
    for (const row of await store.syncInstallations([])) {
      const lane = { workspace: row.workspace, installation: row.id }
      if (!fleet.holds(`${row.workspace}/${row.id}`)) continue
      pump.adopt(`${row.workspace}/${row.id}`, row.cursor)
      queue.wake({ kind: 'deliver', ...lane })
      queue.wake({ kind: 'schedule', ...lane })
    }
    log.reach(await store.headSeq())
  }
  const missed = async (): Promise<void> => {
    forms.clear()
    formViews.clear()
    await lookAtAll()
  }
  return {
    changed: () => {
      memoryQuota.forget()
      catchUp()
      alerts.moved()
    },
    drained: async (key) => {
      // Only when the lanes were told that they lose it does anything come to an end.
      await roster.catchUp()
      await engine.drained(key)
    },
    heard: (news) => {
      const changed = news.forms.map(({ workspace, id }) => ({ type: 'form.changed', workspace, formId: id }))
      forms.hear(changed)
      formViews.hear(changed)
      if (news.keys || news.missed) keys.forget()
      if (news.installations.length > 0 || news.missed) catchUp()
      if (news.cursors.length > 0) rewind(news.cursors).catch(failed('a moved cursor could not be read'))
      for (const lane of news.lanes) if (fleet.holds(`${lane.workspace}/${lane.installation}`)) queue.wake(lane)
      if (news.head !== null) log.reach(news.head)
      if (news.missed) missed().catch(failed('what was missed of the log could not be read'))
    },
    unattended: alerts.unattended,
    doubt: () => {
      const look = (): void => void lookAtAll().catch(failed('what a lost commit wrote could not be looked for'))
      look()
      // The server may still be at it.
      clock.after(DOUBT_MS, look)
    },
    breakers: () => notClosed(breakers),
    pace: () => lanesBehind({ engine, pump }),
  }
}

/** Lanes that ingest must not run away from: they could keep up, and what they have before them is new. */
export const lanesBehind = ({ engine, pump }: Pick<DutyDeps, 'engine' | 'pump'>): readonly LanePace[] =>
  engine
    .pressure()
    .filter(({ key, healthy }) => healthy && !pump.catchingUp(key))
    .map(({ key, fresh, deliveredPerSecond }) => ({ key, behind: fresh + pump.behind(key), deliveredPerSecond }))

/** Installations that nobody runs, with the events that lie before them: what no process counts as its own is not forgotten. */
export async function orphanLag({
  fleet,
  store,
}: {
  readonly fleet: Pick<Fleet, 'orphans'>
  readonly store: Pick<Store, 'syncInstallations' | 'headSeq'>
}): Promise<readonly (readonly [installation: string, events: number])[]> {
  const orphans = new Set(fleet.orphans())
  if (orphans.size === 0) return []
  const [rows, head] = await Promise.all([store.syncInstallations([]), store.headSeq()])
  return rows
    .filter(({ workspace, id }) => orphans.has(`${workspace}/${id}`))
    .map(({ id, cursor }) => [id, Math.max(0, head - cursor)] as const)
}
