/** What `/metrics` shows of the state of things, asked when somebody looks. */
import type { Usage } from './accounting/usage.ts'
import { orphanLag } from './fleet/duties.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { FormCache } from './ingest/form-cache.ts'
import type { Observe } from './observe/open.ts'
import type { Pump } from './pump/pump.ts'
import type { Queue } from './queue/queue.ts'
import type { Sharing } from './redis.ts'
import type { Sandbox, SandboxStats } from './sandbox/sandbox.ts'
import type { Store } from './storage/store.ts'

/** Whom it asks. */
export interface Shown {
  readonly observe: Observe
  readonly store: Store
  readonly fleet: Fleet
  readonly sharing: Sharing
  readonly pump: Pick<Pump, 'lag'>
  readonly queue: Pick<Queue, 'depth'>
  /** Of what follows from the log, of transforms, and of what strangers call. */
  readonly sandbox: Pick<Sandbox, 'stats'>
  readonly transformSandbox: Pick<Sandbox, 'stats'>
  readonly openRoutes: Pick<Sandbox, 'stats'>
  readonly usage: () => ReadonlyMap<string, Usage>
  readonly forms: Pick<FormCache, 'counts'>
}

/** What one process is made of, as it is when somebody asks. */
export interface Parts {
  /** By what they are for. */
  sandboxes(): Readonly<Record<'plugins' | 'transforms' | 'routes', SandboxStats>>
  /** Lanes that are to be woken, by what they do. */
  queue(): Readonly<Record<string, number>>
  /** Of the log, by installation. */
  lag(): readonly (readonly [installation: string, events: number])[]
}

export const partsOf = ({
  sandbox,
  transformSandbox,
  openRoutes,
  queue,
  pump,
}: Pick<Shown, 'sandbox' | 'transformSandbox' | 'openRoutes' | 'queue' | 'pump'>): Parts => ({
  sandboxes: () => ({
    plugins: sandbox.stats(),
    transforms: transformSandbox.stats(),
    routes: openRoutes.stats(),
  }),
  queue: () => queue.depth(),
  lag: () => pump.lag(),
})

export function showGauges({ observe, store, sharing, ...rooms }: Shown): void {
  const { fleet, usage, forms } = rooms
  const parts = partsOf(rooms)
  observe.gauges({
    lagEvents: async () => [...parts.lag(), ...(await orphanLag({ fleet, store }))],
    queueDepth: parts.queue,
    sandboxes: () => Object.values(parts.sandboxes()),
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
