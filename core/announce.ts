/** What a process does beside its work: tells the CLI of this machine where it is, and keeps the store tidy. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { rfc3339 } from './clock.ts'
import type { Clock } from './clock.ts'
import type { Settings } from './config/config.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { Collector } from './ingest/events/collector.ts'
import type { Limits } from './limits.ts'
import type { Health } from './observe/health.ts'
import type { Logger } from './observe/observe.ts'
import type { HookBook } from './registry/hooks.ts'
import type { Store } from './storage/store.ts'
import { HUB_VERSION } from './version.ts'

export interface Settling {
  readonly closers: Pick<AsyncDisposableStack, 'defer'>
  readonly store: TidyDeps['store']
  readonly collector: TidyDeps['collector']
  readonly hooks: TidyDeps['hooks']
  readonly fleet: Pick<Fleet, 'drain'>
  readonly health: Pick<Health, 'drain'>
  readonly settings: Pick<Settings, 'dataDir' | 'role' | 'production'>
  readonly limits: Pick<Limits, 'drainNoticeMs'> & TidyDeps['limits']
  readonly clock: Clock
  readonly logger: Logger
  readonly url: string
  /** Opens everything, while this process lives. */
  readonly key: string
}

/** Once it serves: told to this machine, tidied now and then, and at the end the first to hear of it. */
export function settleIn(hub: Settling): void {
  const { closers, health, fleet, limits, logger, settings, url } = hub
  const { dataDir, role } = settings
  closers.defer(announce({ ...hub, dataDir }))
  closers.defer(tidyNowAndThen(hub))
  logger.info({ url, data: dataDir, role, version: HUB_VERSION }, 'serving')
  closers.defer(async () => {
    health.drain('shutting down')
    fleet.drain()
    // Whoever balances between hubs sees it before connections are refused.
    await sleep(limits.drainNoticeMs)
  })
}

const PURGE_EVERY_MS = 600_000
const CLAIM_EVERY_MS = 2_000

/**
 * Writes `hub.json` into the data folder, readable by its user only. Of processes that share a folder the CLI talks to one;
 * when that has ended, the next one takes its place. Answers what takes it back.
 */
function announce(hub: {
  readonly dataDir: string
  readonly url: string
  /** Opens everything, while this process lives. */
  readonly key: string
  readonly settings: Pick<Settings, 'production'>
  readonly clock: Clock
}): () => void {
  const { dataDir, url, key, clock } = hub
  const { production } = hub.settings
  const file = join(dataDir, 'hub.json')
  const text = JSON.stringify({ url, pid: process.pid, key, production, startedAt: rfc3339(clock.nowMs()) })
  const claim = (): void => {
    if (!namesLiving(file)) writeFileSync(file, text, { mode: 0o600 })
  }
  claim()
  const claiming = setInterval(claim, CLAIM_EVERY_MS)
  claiming.unref()
  return () => {
    clearInterval(claiming)
    if (textOf(file) === text) rmSync(file, { force: true })
  }
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

function namesLiving(file: string): boolean {
  try {
    const { pid } = JSON.parse(textOf(file) ?? '') as { readonly pid: number }
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

export interface TidyDeps {
  readonly store: Pick<Store, 'purge' | 'purgeQuarantine'>
  readonly collector: Pick<Collector, 'expire'>
  readonly hooks: Pick<HookBook, 'purge' | 'tellStopped'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly limits: Pick<Limits, 'quarantineKeepMs'>
  readonly logger: Logger
}

/** Drops what has expired, and says so of responses; tells of hooks that have stopped. */
export async function tidy({ store, collector, hooks, clock, limits, logger }: TidyDeps): Promise<void> {
  const nowMs = clock.nowMs()
  await store.purge(nowMs)
  // Before those go that ended long ago: what was stopped while no hub ran is told, too.
  await hooks.tellStopped()
  await hooks.purge()
  const before = rfc3339(nowMs - limits.quarantineKeepMs)
  const dropped = await store.purgeQuarantine(before)
  const expired = await collector.expire()
  if (expired > 0) logger.info({ expired }, 'behaviour events are older than they are kept')
  if (dropped > 0) logger.warn({ dropped, before }, 'responses that nobody released in time left the quarantine')
}

/** Does it at once and every ten minutes; answers what ends that. */
function tidyNowAndThen(deps: TidyDeps): () => void {
  const once = (): void =>
    void tidy(deps).catch((error: unknown) => deps.logger.warn({ err: error }, 'old rows could not be purged'))
  once()
  const timer = setInterval(once, PURGE_EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}
