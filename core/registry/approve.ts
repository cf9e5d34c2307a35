/** Somebody looks at what a plugin on disk asks for and grants it. */
import { mkdir } from 'node:fs/promises'
import type { DiscoveredPlugin } from './discover.ts'
import { grantsOf } from './grants.ts'
import { bundleCacheOf, changedSources, entryFor, makeBundle } from './loading.ts'
import { holdLock, readLock } from './lock.ts'
import { approvalHash, changes } from './pinning.ts'
import type { SourceDiff } from './source-diff.ts'

/** What would be granted. Files that change after it was shown are not what `grant` writes down. */
export interface Approval {
  /** `+ http host …`: new; `- kv`: given up; `! code: …`: other files than the ones that were granted. */
  readonly lines: readonly string[]
  /** What changed in the sources; null: it is new here, or what was granted is not kept. */
  readonly sources: SourceDiff | null
  /** Of what is on disk: manifest and code. */
  readonly hash: string
  grant(nowMs: number): Promise<void>
}

/** What approving the version on disk comes to, or null when there is nothing to approve. */
export async function planApproval(dataDir: string, plugin: DiscoveredPlugin): Promise<Approval | null> {
  const { manifest } = plugin
  const entry = (await readLock(dataDir)).plugins[manifest.id]
  const cache = bundleCacheOf(dataDir)
  const bundle = await makeBundle(plugin)
  const kept = entry === undefined ? null : await cache.approved.find(entry)
  const lines =
    entry === undefined
      ? grantsOf(manifest).map((line) => `+ ${line}`)
      : changes(entry, { manifest, bundle }, kept?.manifest ?? null)
  if (entry !== undefined && lines.length === 0) return null
  return {
    lines,
    sources: kept === null ? null : changedSources(kept, { manifest, bundle }),
    hash: approvalHash({ manifest, bundle }),
    grant: async (nowMs) => {
      await mkdir(dataDir, { recursive: true, mode: 0o700 })
      await holdLock(dataDir, async ({ plugins, write }) => {
        // First the files, then the permission: whoever looks in between finds the old one, whole.
        await cache.approved.keep({ ...plugin, bundle })
        plugins[manifest.id] = entryFor(plugin, bundle, nowMs)
        await write()
      })
    },
  }
}
