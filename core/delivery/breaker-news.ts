/** A breaker opened or closed: everybody is told once, and what died of a host that works again is brought back. */
import { alertEvent } from '../alert-event.ts'
import type { Clock } from '../clock.ts'
import { rfc3339 } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { Delivery } from '../model.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'
import type { BreakerChange, BreakerKey } from './breaker.ts'
import type { Published } from './ports.ts'
import { replayDeliveries } from './replay.ts'

export interface BreakerNewsDeps {
  readonly store: Pick<Store, 'appendEvents' | 'hasten' | 'replay'>
  readonly published: Published
  /** Resolves when the ends of attempts up to now are on disk: only then are the dead ones dead there too. */
  readonly written: Promise<void>
  readonly push: (deliveries: readonly Delivery[]) => void
  readonly logger: Logger
  readonly meter: Meter
  readonly clock: Clock
  readonly limits: Limits
}

interface News {
  readonly key: BreakerKey
  readonly change: BreakerChange
}

/** Resolves when all of it is done. */
export async function tellOfBreaker(deps: BreakerNewsDeps, installation: Installation, news: News): Promise<void> {
  const { store, published, clock } = deps
  const { key, change } = news
  const { workspace, id } = installation
  log(deps, installation, news)
  const data =
    change.kind === 'opened'
      ? {
          kind: 'breaker_open',
          failures: change.failures,
          next_probe_at: rfc3339(change.probeAtMs),
          reason: `${key.host} failed ${change.failures} times in a row; deliveries wait, it is tried again by itself`,
          todo: `why it fails: manifold status; once it works, at once: manifold installations resume ${id}`,
        }
      : {
          kind: 'breaker_closed',
          open_ms: Math.round(change.openMs),
          replayed: change.deadIds.length,
          reason: `${key.host} works again; what waited goes out, dead deliveries sent again: ${change.deadIds.length}`,
        }
  const plugin = installation.plugin.manifest.id
  const event = alertEvent({ installation: id, plugin, host: key.host, ...data }, clock.nowMs())
  published(await store.appendEvents(workspace, [event]))
  if (change.kind === 'opened') return
  await deps.written
  await store.hasten({ workspace, installation: id, host: key.host, nowMs: clock.nowMs() })
  await replayDeliveries(deps, {
    workspace,
    installation: id,
    deliveryIds: change.deadIds,
    states: ['dead'],
    reason: 'receiver_failed',
  })
}

function log({ logger, meter }: BreakerNewsDeps, installation: Installation, { key, change }: News): void {
  const fields = { installation: key.installation, plugin: installation.plugin.manifest.id, host: key.host }
  if (change.kind === 'opened') {
    meter.breaker(installation.id, 'open')
    const { failures } = change
    logger.warn({ ...fields, failures }, 'breaker opened: the host failed repeatedly, deliveries wait')
    return
  }
  meter.breaker(installation.id, 'closed')
  const closed = { open_ms: Math.round(change.openMs), replayed: change.deadIds.length }
  logger.info({ ...fields, ...closed }, 'breaker closed: the host works again')
}
