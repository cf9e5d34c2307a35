/**
 * From folders and a file to everything the hub runs, built completely before anything is swapped: plugins found, the file
 * checked against them, bundles made or taken from the cache, permissions compared with the lock, installations resolved.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConfigProblem, HubConfig, InstallationConfig } from '../config/config.ts'
import type { LoadInput } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Bundle } from '../sandbox/sandbox.ts'
import { BundleCache } from './bundle-cache.ts'
import type { DiscoveredPlugin, Discovery, Root } from './discover.ts'
import { discoverPlugins, rootsOf } from './discover.ts'
import type { GrantDiff } from './grants.ts'
import { diffGrants, formatGrantDiff, grantsOf } from './grants.ts'
import type { BrokenInstallation, BrokenPlugin, Installation, LoadedPlugin } from './installation.ts'
import type { Lock } from './lock.ts'
import { readLock, writeLock } from './lock.ts'
import { resolveInstallation } from './resolve.ts'
import { knownPlugins, Schemas } from './schemas.ts'

/** A plugin whose version on disk asks for more than was granted. */
export interface PendingApproval {
  readonly id: string
  /** Version on disk, and the granted one that still runs (null: none is left, its installations stand still). */
  readonly version: string
  readonly running: string | null
  /** Lines such as `+ http host evil.example`. */
  readonly diff: string
}

/** New code for the same grants or fewer: it runs without being asked for, and leaves this trace. */
export interface ReplacedCode {
  readonly id: string
  readonly version: string
  /** SHA-256 of the bundles. */
  readonly from: string
  readonly to: string
}

export interface Assembly {
  /** With what could not be built moved to `quarantined`. */
  readonly config: HubConfig
  /** Every plugin folder that is right in itself, used or not. */
  readonly plugins: readonly DiscoveredPlugin[]
  readonly brokenPlugins: readonly BrokenPlugin[]
  /** Those in use, by id, bundled. */
  readonly loaded: ReadonlyMap<string, LoadedPlugin>
  readonly installations: readonly Installation[]
  readonly brokenInstallations: readonly BrokenInstallation[]
  readonly pending: readonly PendingApproval[]
  /** Community plugins whose code is not the one the lock knew, and that ask for no more than was granted. */
  readonly replaced: readonly ReplacedCode[]
}

export interface AssembleInput extends Pick<LoadInput, 'file' | 'env' | 'text'> {
  readonly dataDir: string
  /** What runs now, at a reload. */
  readonly previous?: Assembly | null
  /** Default: the hub's own folders and those of the configuration. */
  readonly roots?: (pluginDirs: readonly string[]) => readonly Root[]
  /** False for commands that only look: nothing is granted, the lock file stays as it is. */
  readonly record?: boolean
  readonly nowMs: number
}

/** Everything, or the mistakes that refuse the file. */
export async function assemble(
  input: AssembleInput,
): Promise<Assembly | { readonly problems: readonly ConfigProblem[] }> {
  const schemas = new Schemas(join(input.dataDir, 'cache', 'verified-schemas.json'))
  const lock = await readLock(input.dataDir)
  let discovery: Discovery = { found: [], broken: [] }
  let loading = new Loading(input, [], lock)
  const result = await loadConfig({
    file: input.file,
    env: input.env,
    ...(input.text === undefined ? {} : { text: input.text }),
    plugins: async (pluginDirs) => {
      discovery = await discoverPlugins((input.roots ?? rootsOf)(pluginDirs))
      loading = new Loading(input, discovery.found, lock)
      return knownPlugins(
        await Promise.all(discovery.found.map((plugin) => loading.effective(plugin))),
        discovery.broken,
        schemas,
      )
    },
  })
  if ('problems' in result) return result
  const used = new Set(result.config.installations.map((item) => item.use))
  await Promise.all([...used].map((id) => loading.load(id)))
  if (input.record !== false) await loading.record()
  const assembly = build(result.config, { discovery, loading, schemas })
  await schemas.save()
  return assembly
}

/** Bundles the plugins in use and holds each against the lock. */
class Loading {
  readonly loaded = new Map<string, LoadedPlugin>()
  readonly failed = new Map<string, string>()
  readonly pending = new Map<string, PendingApproval>()
  readonly replaced: ReplacedCode[] = []
  readonly #input: AssembleInput
  readonly #found: ReadonlyMap<string, DiscoveredPlugin>
  readonly #lock: Lock
  readonly #cache: BundleCache
  readonly #kept = new Map<string, LoadedPlugin>()
  #changed = false

  constructor(input: AssembleInput, found: readonly DiscoveredPlugin[], lock: Lock) {
    this.#input = input
    this.#found = new Map(found.map((plugin) => [plugin.manifest.id, plugin]))
    this.#lock = lock
    this.#cache = new BundleCache(join(input.dataDir, 'cache', 'bundles'))
  }

  /** The version that is to run: the one on disk, or the granted one while that asks for more. */
  async effective(plugin: DiscoveredPlugin): Promise<DiscoveredPlugin> {
    const widened = this.#widened(plugin)
    return widened === null ? plugin : ((await this.#allowed(plugin.manifest.id, widened.hash)) ?? plugin)
  }

  async load(id: string): Promise<void> {
    const plugin = this.#found.get(id)
    if (!plugin) return
    const widened = this.#widened(plugin)
    if (widened !== null) {
      const old = await this.#allowed(id, widened.hash)
      const { version } = plugin.manifest
      this.pending.set(id, { id, version, running: old?.manifest.version ?? null, diff: formatGrantDiff(widened.diff) })
      if (old) this.loaded.set(id, old)
      return
    }
    try {
      const bundle = await this.#cache.get(plugin, () => makeBundle(plugin))
      this.loaded.set(id, { ...plugin, bundle })
      this.#grant(plugin, bundle)
    } catch (error) {
      this.failed.set(id, error instanceof HubError ? error.message : `the plugin cannot be bundled: ${String(error)}`)
    }
  }

  #widened(plugin: DiscoveredPlugin): { readonly hash: string; readonly diff: GrantDiff } | null {
    const entry = this.#lock.plugins[plugin.manifest.id]
    if (!entry || plugin.origin === 'builtin') return null
    const diff = diffGrants(entry.grants, grantsOf(plugin.manifest))
    return diff.added.length > 0 ? { hash: entry.hash, diff } : null
  }

  /**
   * Being named in the file is consent to what the plugin asks for then; built-ins need none. Consent is to grants, not to
   * code: other code that asks for the same or for less runs at once. Its hash is written down and a change of it told.
   */
  #grant(plugin: DiscoveredPlugin, bundle: Bundle): void {
    const { id, version } = plugin.manifest
    const grants = [...grantsOf(plugin.manifest)]
    const entry = this.#lock.plugins[id]
    const same =
      entry?.version === version &&
      entry.hash === bundle.hash &&
      JSON.stringify(entry.grants) === JSON.stringify(grants)
    if (same) return
    if (entry !== undefined && entry.hash !== bundle.hash && plugin.origin === 'community')
      this.replaced.push({ id, version, from: entry.hash, to: bundle.hash })
    this.#lock.plugins[id] = {
      version,
      hash: bundle.hash,
      grants,
      grantedAt: new Date(this.#input.nowMs).toISOString(),
    }
    this.#changed = true
  }

  /** The granted version: still in memory, or kept on disk. */
  async #allowed(id: string, hash: string): Promise<LoadedPlugin | null> {
    const running = this.#input.previous?.loaded.get(id)
    if (running?.bundle.hash === hash) return running
    const known = this.#kept.get(id) ?? (await this.#cache.approved(id, hash))
    if (known) this.#kept.set(id, known)
    return known
  }

  async record(): Promise<void> {
    await mkdir(this.#input.dataDir, { recursive: true, mode: 0o700 })
    for (const plugin of this.loaded.values()) if (plugin.origin === 'community') await this.#cache.keepApproved(plugin)
    if (this.#changed) await writeLock(this.#input.dataDir, this.#lock)
  }
}

/** esbuild is loaded only when something has to be bundled. */
async function makeBundle(plugin: DiscoveredPlugin): Promise<Bundle> {
  const { bundlePlugin } = await import('../sandbox/bundle.ts')
  const { id, version, main } = plugin.manifest
  return bundlePlugin({ dir: plugin.dir, main, pluginId: id, version, bytesMax: LIMITS.pluginBundleBytesMax })
}

interface Parts {
  readonly discovery: Discovery
  readonly loading: Loading
  readonly schemas: Schemas
}

function build(config: HubConfig, { discovery, loading, schemas }: Parts): Assembly {
  const installations: Installation[] = []
  const waiting: BrokenInstallation[] = []
  const kept: InstallationConfig[] = []
  const quarantined = [...config.quarantined]
  for (const item of config.installations) {
    const { workspace, id, use } = item
    const pending = loading.pending.get(use)
    if (pending?.running === null) {
      kept.push(item)
      waiting.push({ workspace, id, use, state: 'needs-approval', reason: approvalReason(pending) })
      continue
    }
    const resolved = resolveOne(item, config, { loading, schemas })
    if ('installation' in resolved) {
      kept.push(item)
      installations.push(resolved.installation)
    } else {
      const problems = resolved.problems.map((message) => ({
        place: item.place,
        path: `installations (${id})`,
        message,
        hint: null,
      }))
      quarantined.push({ workspace, id, use, problems })
    }
  }
  const broken = quarantined.map(({ workspace, id, use, problems }): BrokenInstallation => ({
    workspace,
    id,
    use,
    state: 'invalid',
    reason: problems.map(told).join('; '),
  }))
  return {
    config: Object.freeze({ ...config, installations: kept, quarantined }),
    plugins: discovery.found,
    brokenPlugins: discovery.broken,
    loaded: loading.loaded,
    installations,
    brokenInstallations: [...broken, ...waiting],
    pending: [...loading.pending.values()],
    replaced: loading.replaced,
  }
}

/** `line 12, with.url: is missing`: the place as seen from the installation. */
function told({ place, path, message, hint }: ConfigProblem): string {
  const inside = /^installations\[\d+\]\.(.+)$/.exec(path)?.[1]
  return `line ${place.line}${inside === undefined ? '' : `, ${inside}`}: ${message}${hint === null ? '' : ` (${hint})`}`
}

function resolveOne(
  config: InstallationConfig,
  hub: HubConfig,
  parts: Pick<Parts, 'loading' | 'schemas'>,
): ReturnType<typeof resolveInstallation> {
  const plugin = parts.loading.loaded.get(config.use)
  if (!plugin) return { problems: [parts.loading.failed.get(config.use) ?? `there is no plugin "${config.use}"`] }
  const schema = parts.schemas.of(plugin.manifest)
  if (typeof schema === 'string') return { problems: [schema] }
  return resolveInstallation({ config, plugin, schema, limits: hub.limits })
}

const approvalReason = (pending: PendingApproval): string =>
  `${pending.id} ${pending.version} asks for more than was granted: ${pending.diff.replaceAll('\n', ', ')}. Read it and run: manifold plugin approve ${pending.id}`

/** Grants what the version on disk asks for now. Answers what changed, or null when there was nothing to approve. */
export async function approvePlugin(input: {
  dataDir: string
  plugin: DiscoveredPlugin
  nowMs: number
}): Promise<{ readonly diff: string } | null> {
  const lock = await readLock(input.dataDir)
  const { id, version } = input.plugin.manifest
  const grants = [...grantsOf(input.plugin.manifest)]
  const entry = lock.plugins[id]
  const diff = diffGrants(entry?.grants ?? [], grants)
  if (entry && diff.added.length === 0) return null
  const bundle = await makeBundle(input.plugin)
  lock.plugins[id] = { version, hash: bundle.hash, grants, grantedAt: new Date(input.nowMs).toISOString() }
  await mkdir(input.dataDir, { recursive: true, mode: 0o700 })
  await writeLock(input.dataDir, lock)
  return { diff: formatGrantDiff(diff) }
}
