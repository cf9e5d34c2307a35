/** Bundles the plugins in use and holds each against the lock: what runs, what waits for somebody's approval. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { NotBundled } from '../sandbox/not-bundled.ts'
import type { SourceMistake } from '../sandbox/not-bundled.ts'
import type { Bundle } from '../sandbox/sandbox.ts'
import { BundleCache } from './bundle-cache.ts'
import type { DiscoveredPlugin } from './discover.ts'
import { formatGrantDiff, grantsOf } from './grants.ts'
import type { BrokenPlugin, LoadedPlugin } from './installation.ts'
import type { Lock, LockEntry } from './lock.ts'
import { holdLock } from './lock.ts'
import type { Manifest } from './manifest.ts'
import type { OnDisk, PendingApproval } from './pinning.ts'
import { approvalHash, changes, widening } from './pinning.ts'
import { sourceDiff } from './source-diff.ts'
import type { SourceDiff } from './source-diff.ts'

/** New code for the same grants or fewer: it runs without being asked for, and leaves this trace. */
export interface ReplacedCode {
  readonly id: string
  readonly version: string
  /** SHA-256 of the bundles. */
  readonly from: string
  readonly to: string
}

/** Why a plugin has no bundle, and where in its files. */
export interface Unbundled {
  readonly message: string
  readonly mistakes: readonly SourceMistake[]
}

export interface LoadingInput {
  readonly dataDir: string
  readonly cache: BundleCache
  /** What runs now, by plugin id. */
  readonly previous: ReadonlyMap<string, LoadedPlugin>
  /** False: nothing is granted, the lock file stays as it is. */
  readonly record: boolean
  /** Code of strangers has to be what the lock knows, whatever it asks for. */
  readonly pinned: boolean
  readonly nowMs: number
}

export const bundleCacheOf = (dataDir: string): BundleCache => new BundleCache(join(dataDir, 'cache', 'bundles'))

export class Loading {
  readonly loaded = new Map<string, LoadedPlugin>()
  readonly failed = new Map<string, Unbundled>()
  readonly pending = new Map<string, PendingApproval>()
  readonly replaced: ReplacedCode[] = []
  readonly #input: LoadingInput
  readonly #found: ReadonlyMap<string, DiscoveredPlugin>
  readonly #lock: Lock
  readonly #cache: BundleCache
  readonly #waits = new Map<string, Promise<string | null>>()
  readonly #bundles = new Map<string, Promise<Bundle>>()
  readonly #kept = new Map<string, LoadedPlugin>()
  /** What was granted, by the id of a plugin that is not on disk as one. */
  readonly #standIns = new Map<string, { readonly plugin: LoadedPlugin; readonly problems: readonly string[] }>()
  /** The lock's new lines, and those that were read in their place. */
  readonly #granted = new Map<string, { readonly before: LockEntry | undefined; readonly next: LockEntry }>()

  constructor(input: LoadingInput, found: readonly DiscoveredPlugin[], lock: Lock) {
    this.#input = input
    this.#found = new Map(found.map((plugin) => [plugin.manifest.id, plugin]))
    this.#lock = lock
    this.#cache = input.cache
  }

  /** What the lock says. */
  get granted(): Readonly<Record<string, LockEntry>> {
    return this.#lock.plugins
  }

  /** The version that is to run: the one on disk, or the granted one while that waits. */
  async effective(plugin: DiscoveredPlugin): Promise<DiscoveredPlugin> {
    return (await this.#waiting(plugin)) === null ? plugin : ((await this.#allowed(plugin.manifest.id)) ?? plugin)
  }

  /** In production: what was granted, for each plugin that nobody can read on disk. It runs on as if other code were there. */
  async standIns(broken: readonly BrokenPlugin[]): Promise<readonly DiscoveredPlugin[]> {
    if (!this.#input.pinned) return []
    for (const id of Object.keys(this.#lock.plugins)) {
      const plugin = this.#found.has(id) ? null : await this.#allowed(id)
      if (plugin?.origin !== 'community') continue
      const problems = broken.filter((each) => each.id === id).flatMap((each) => each.problems)
      this.#standIns.set(id, { plugin, problems })
    }
    return [...this.#standIns.values()].map(({ plugin }) => plugin)
  }

  /** What is known of it, whether it can run or not: as it was granted, then as it is on disk. */
  async manifestsOf(id: string): Promise<readonly Manifest[]> {
    return [await this.#allowed(id), this.#found.get(id)].flatMap((plugin) => plugin?.manifest ?? [])
  }

  async load(id: string): Promise<void> {
    const plugin = this.#found.get(id)
    if (!plugin) return this.#loadStandIn(id)
    const diff = await this.#waiting(plugin)
    if (diff !== null) {
      const old = await this.#allowed(id)
      // The diff has told why, where it cannot be bundled.
      const bundle = await this.#bundle(plugin).catch(() => null)
      const { manifest } = plugin
      this.pending.set(id, {
        id,
        version: manifest.version,
        running: old?.manifest.version ?? null,
        isGone: false,
        diff,
        sources: old === null || bundle === null ? null : changedSources(old, { manifest, bundle }),
        code: bundle?.hash ?? null,
        hash: bundle === null ? null : approvalHash({ manifest, bundle }),
      })
      if (old) this.loaded.set(id, old)
      return
    }
    try {
      const bundle = await this.#bundle(plugin)
      this.loaded.set(id, { ...plugin, bundle })
      this.#grant(plugin, bundle)
    } catch (error) {
      this.failed.set(id, {
        message: whyNotBundled(error),
        mistakes: error instanceof NotBundled ? error.mistakes : [],
      })
    }
  }

  #loadStandIn(id: string): void {
    const standIn = this.#standIns.get(id)
    if (standIn === undefined) return
    const { plugin, problems } = standIn
    const { version } = plugin.manifest
    this.loaded.set(id, plugin)
    const isGone = problems.length === 0
    const diff = `! plugin.json: ${isGone ? 'there is no such folder' : problems.join('; ')}`
    this.pending.set(id, { id, version, running: version, isGone, diff, sources: null, code: null, hash: null })
  }

  /** Why the files on disk wait for approval, as text for people; null when they may run. */
  #waiting(plugin: DiscoveredPlugin): Promise<string | null> {
    const { id } = plugin.manifest
    const known = this.#waits.get(id) ?? this.#findDiff(plugin)
    this.#waits.set(id, known)
    return known
  }

  async #findDiff(plugin: DiscoveredPlugin): Promise<string | null> {
    const { manifest, origin } = plugin
    const entry = this.#lock.plugins[manifest.id]
    if (!entry || origin === 'builtin') return null
    if (!this.#input.pinned) {
      const wider = widening(entry, manifest)
      return wider === null ? null : formatGrantDiff(wider)
    }
    const kept = await this.#cache.approved.find(entry)
    try {
      const bundle = await this.#bundle(plugin)
      const lines = changes(entry, { manifest, bundle }, kept?.manifest ?? null)
      return lines.length === 0 ? null : lines.join('\n')
    } catch (error) {
      // Nothing that can run was granted yet: it is told as what it is.
      return kept === null ? null : `! code: ${whyNotBundled(error)}`
    }
  }

  /** Made once: what was held against the lock is what runs, whatever becomes of the files meanwhile. */
  #bundle(plugin: DiscoveredPlugin): Promise<Bundle> {
    const { id } = plugin.manifest
    const made = this.#bundles.get(id) ?? this.#cache.get(plugin, () => makeBundle(plugin))
    this.#bundles.set(id, made)
    return made
  }

  /**
   * Being named in the file is consent to what the plugin asks for then; built-ins need none. Consent is to grants, not to
   * code: other code that asks for the same or for less runs at once, but in production. Its hash is written down and a
   * change of it told.
   */
  #grant(plugin: DiscoveredPlugin, bundle: Bundle): void {
    const { id, version } = plugin.manifest
    const entry = this.#lock.plugins[id]
    const next = entryFor(plugin, bundle, this.#input.nowMs)
    const same =
      entry?.version === version &&
      entry.hash === bundle.hash &&
      entry.files === next.files &&
      JSON.stringify(entry.grants) === JSON.stringify(next.grants)
    if (same) return
    if (entry !== undefined && entry.hash !== bundle.hash && plugin.origin === 'community')
      this.replaced.push({ id, version, from: entry.hash, to: bundle.hash })
    if (!this.#input.record) return
    this.#lock.plugins[id] = next
    this.#granted.set(id, { before: entry, next })
  }

  /** The granted version: still in memory, or kept on disk. */
  async #allowed(id: string): Promise<LoadedPlugin | null> {
    const entry = this.#lock.plugins[id]
    if (entry === undefined) return null
    const running = this.#input.previous.get(id)
    if (running?.bundle.hash === entry.hash) return running
    const known = this.#kept.get(id) ?? (await this.#cache.approved.find(entry))
    // The hash speaks for the code alone; the lock has the last word on what may be asked for as well.
    if (known === null || widening(entry, known.manifest) !== null) return null
    this.#kept.set(id, known)
    return known
  }

  /** Writes down what was made, and what was granted, unless this is only a look. */
  async record(): Promise<void> {
    const { dataDir, record } = this.#input
    await this.#cache.save()
    if (!record) return
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const { approved } = this.#cache
    const strangers = [...this.loaded.values()].filter(({ origin }) => origin === 'community')
    const isTidy = await approved.isTidy(strangers, Object.values(this.#lock.plugins))
    if (isTidy && this.#granted.size === 0) return
    await holdLock(dataDir, async ({ plugins, write }) => {
      for (const plugin of strangers) await approved.keep(plugin)
      for (const [id, { before, next }] of this.#granted) {
        // What somebody has approved since is newer than what was read then.
        if (JSON.stringify(plugins[id]) === JSON.stringify(before)) plugins[id] = next
      }
      if (this.#granted.size > 0) await write()
      await approved.forget(Object.values(plugins))
    })
  }
}

/** What changed between what was granted and what is on disk. */
export const changedSources = (granted: OnDisk, onDisk: OnDisk): SourceDiff =>
  sourceDiff(granted, onDisk, LIMITS.pluginDiffBytesMax)

/** The lock's line for a plugin as it is on disk. */
export const entryFor = ({ manifest }: DiscoveredPlugin, bundle: Bundle, nowMs: number): LockEntry => ({
  version: manifest.version,
  hash: bundle.hash,
  files: approvalHash({ manifest, bundle }),
  grants: [...grantsOf(manifest)],
  grantedAt: new Date(nowMs).toISOString(),
})

const whyNotBundled = (error: unknown): string =>
  error instanceof HubError ? error.message : `the plugin cannot be bundled: ${String(error)}`

/** esbuild is loaded only when something has to be bundled. */
export async function makeBundle(plugin: Pick<DiscoveredPlugin, 'dir' | 'manifest'>): Promise<Bundle> {
  const { bundlePlugin } = await import('../sandbox/bundle.ts')
  const { id, version, main, runtime } = plugin.manifest
  return bundlePlugin({ dir: plugin.dir, main, pluginId: id, version, runtime, bytesMax: LIMITS.pluginBundleBytesMax })
}
