/** What `/readyz` asks, of the rooms that know. */
import { openHealth } from './observe/health.ts'
import type { Health } from './observe/health.ts'
import type { Sharing } from './redis.ts'
import type { Reloader } from './registry/reload.ts'
import type { Roster } from './registry/roster.ts'
import type { Store } from './storage/store.ts'

/** Whom it asks. */
export interface Probed {
  readonly store: Pick<Store, 'ping'>
  readonly sharing: Pick<Sharing, 'probes'>
  readonly roster: Pick<Roster, 'summary'>
  readonly reloader: Pick<Reloader, 'describe'>
}

export const openProbes = ({ store, sharing, roster, reloader }: Probed): Health =>
  openHealth({
    storage: () => store.ping(),
    configuration: () => reloader.describe(),
    installations: () => roster.summary(),
    ...sharing.probes,
  })
