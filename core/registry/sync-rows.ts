/** The stored rows of an assembly's installations. */
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { InstallationRow } from '../model.ts'
import type { Store } from '../storage/store.ts'
import type { Assembly } from './assemble.ts'

export interface SyncDeps {
  readonly store: Pick<Store, 'headSeq' | 'seqBefore' | 'syncInstallations'>
  readonly clock: Pick<Clock, 'nowMs'>
}

/** Rows for all, by key; new ones with the cursor that their `from` asks for, or the end of the log. */
export async function syncRows(
  { store, clock }: SyncDeps,
  assembly: Pick<Assembly, 'installations' | 'brokenInstallations'>,
): Promise<ReadonlyMap<string, InstallationRow>> {
  const at = rfc3339(clock.nowMs())
  const head = await store.headSeq()
  const running = await Promise.all(
    assembly.installations.map(async ({ workspace, id, plugin, from }) => {
      const cursor = from === null ? head : from === 'beginning' ? 0 : await store.seqBefore(workspace, from)
      return { workspace, id, plugin: plugin.manifest.id, cursor, at }
    }),
  )
  const aside = assembly.brokenInstallations.map(({ workspace, id, use: plugin }) => ({
    workspace,
    id,
    plugin,
    cursor: head,
    at,
  }))
  const rows = await store.syncInstallations([...running, ...aside])
  return new Map(rows.map((row) => [`${row.workspace}/${row.id}`, row]))
}
