/** What `/metrics` shows of the state of things, asked when somebody looks. */
import type { Usage } from './accounting/usage.ts'
import { orphanLag } from './fleet/duties.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { FormCache } from './ingest/form-cache.ts'
import type { Observe } from './observe/open.ts'
import type { Pump } from './pump/pump.ts'
import type { Queue } from './queue/queue.ts'
import type { Sharing } from './redis.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import type { Store } from './storage/store.ts'

/** Whom it asks. */
export interface Shown {
  readonly observe: Observe
  readonly store: Store
  readonly fleet: Fleet
  readonly sharing: Sharing
  readonly pump: Pick<Pump, 'lag'>
  readonly queue: Pick<Queue, 'depth'>
  /** Of what follows from the log, and of transforms. */
  readonly sandbox: Pick<Sandbox, 'stats'>
  readonly transformSandbox: Pick<Sandbox, 'stats'>
  readonly usage: () => ReadonlyMap<string, Usage>
  readonly forms: Pick<FormCache, 'counts'>
}

export function showGauges({ observe, store, sharing, ...rooms }: Shown): void {
  const { fleet, pump, queue, sandbox, transformSandbox, usage, forms } = rooms
  observe.gauges({
    lagEvents: async () => [...pump.lag(), ...(await orphanLag({ fleet, store }))],
    queueDepth: () => queue.depth(),
    sandboxes: () => [sandbox.stats(), transformSandbox.stats()],
    usage,
    quarantine: () => store.quarantineCounts(),
    deliveries: () => store.laneCounts(),
    storage: () => store.stats(),
    caches: () => [
      ['forms', 'l1', forms.counts()],
      ['forms', 'l2', sharing.forms.counts()],
    ],
    ...sharing.gauges,
  })
}
