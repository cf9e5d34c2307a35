/**
 * From folders and a file to everything the hub runs, built completely before anything is swapped: plugins found, the file
 * checked against them, bundles made or taken from the cache, permissions compared with the lock, installations resolved.
 */
import { dirname, join, relative } from 'node:path'
import type { ConfigProblem, HubConfig, InstallationConfig } from '../config/config.ts'
import type { LoadInput } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import type { DiscoveredPlugin, Discovery, Root } from './discover.ts'
import { discoverPlugins, rootsOf } from './discover.ts'
import type { BrokenInstallation, BrokenPlugin, Installation, LoadedPlugin } from './installation.ts'
import type { LoadingInput, ReplacedCode } from './loading.ts'
import type { BundleCache } from './bundle-cache.ts'
import { bundleCacheOf, Loading } from './loading.ts'
import type { LockEntry } from './lock.ts'
import { readLock } from './lock.ts'
import type { PendingApproval } from './pinning.ts'
import { toBroken } from './set-aside.ts'
import type { Aside } from './set-aside.ts'
import { resolveInstallation } from './resolve.ts'
import { knownPlugins, Schemas } from './schemas.ts'

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
  /** What the lock says of each plugin that is or was in use. */
  readonly granted: Readonly<Record<string, LockEntry>>
  /** Allowed in the file, and yet most likely slips. */
  readonly doubts: readonly ConfigProblem[]
  /** What the next one need not do again. */
  readonly kept: Kept
}

interface Kept {
  readonly schemas: Schemas
  readonly bundles: BundleCache
  /** What was granted and made is on disk; rejects when it cannot be written. */
  recorded: Promise<void>
}

export interface AssembleInput extends Pick<LoadInput, 'file' | 'env' | 'text'> {
  readonly dataDir: string
  /** What runs now, at a reload. */
  readonly previous?: Assembly | null
  /** Default: the hub's own folders and those of the configuration. */
  readonly roots?: (pluginDirs: readonly string[]) => readonly Root[]
  /** False for commands that only look: nothing is granted, the lock file stays as it is. */
  readonly record?: boolean
  /** At a reload: what is to be written down is written behind the answer; see `Kept.recorded`. */
  readonly behind?: boolean
  /** Production: code of strangers that is not what the lock knows waits for approval, even if it asks for no more. */
  readonly pinned?: boolean
  readonly nowMs: number
}

/** Everything, or the mistakes that refuse the file. */
export async function assemble(
  input: AssembleInput,
): Promise<Assembly | { readonly problems: readonly ConfigProblem[] }> {
  const kept: Kept = input.previous?.kept ?? {
    schemas: new Schemas(join(input.dataDir, 'cache', 'verified-schemas.json')),
    bundles: bundleCacheOf(input.dataDir),
    recorded: Promise.resolve(),
  }
  const { schemas } = kept
  // What was granted then counts now.
  await kept.recorded.catch(() => undefined)
  const lock = await readLock(input.dataDir)
  let discovery: Discovery = { found: [], broken: [] }
  let loading = new Loading(loadingInput(input, kept), [], lock)
  const result = await loadConfig({
    file: input.file,
    env: input.env,
    ...(input.text === undefined ? {} : { text: input.text }),
    plugins: async (pluginDirs) => {
      discovery = await discoverPlugins((input.roots ?? rootsOf)(pluginDirs))
      loading = new Loading(loadingInput(input, kept), discovery.found, lock)
      const found = await Promise.all(discovery.found.map((plugin) => loading.effective(plugin)))
      return knownPlugins([...found, ...(await loading.standIns(discovery.broken))], discovery.broken, schemas)
    },
  })
  if ('problems' in result) return result
  const used = new Set(result.config.installations.map((item) => item.use))
  await Promise.all([...used].map((id) => loading.load(id)))
  const { asides, ...built } = build(result.config, { discovery, loading, kept })
  const brokenInstallations = await Promise.all(asides.map((aside) => toBroken(aside, loading)))
  const assembly = { ...built, brokenInstallations, doubts: result.doubts }
  kept.recorded = loading.record().then(() => schemas.save())
  if (input.behind === true) kept.recorded.catch(() => undefined)
  else await kept.recorded
  return assembly
}

const loadingInput = (
  { dataDir, previous, record, pinned, nowMs }: AssembleInput,
  { bundles }: Kept,
): LoadingInput => ({
  dataDir,
  cache: bundles,
  previous: previous?.loaded ?? new Map(),
  record: record !== false,
  pinned: pinned === true,
  nowMs,
})

interface Parts {
  readonly discovery: Discovery
  readonly loading: Loading
  readonly kept: Kept
}

type Built = Omit<Assembly, 'doubts' | 'brokenInstallations'> & { readonly asides: readonly Aside[] }

function build(config: HubConfig, { discovery, loading, kept }: Parts): Built {
  const installations: Installation[] = []
  const waiting: Aside[] = []
  const staying: InstallationConfig[] = []
  const quarantined = [...config.quarantined]
  for (const item of config.installations) {
    const { id, use } = item
    const pending = loading.pending.get(use)
    if (pending?.running === null) {
      staying.push(item)
      waiting.push({ item: policyOf(item), state: 'needs-approval', reason: approvalReason(pending) })
      continue
    }
    const resolved = resolveOne(item, config, { loading, schemas: kept.schemas })
    if ('installation' in resolved) {
      staying.push(item)
      installations.push(resolved.installation)
    } else {
      const ownFiles = inOwnFiles(item, loading)
      const path = `installations (${id})`
      const inFile = resolved.problems.map((message) => ({ place: item.place, path, message, hint: null }))
      quarantined.push({ ...policyOf(item), problems: ownFiles.length > 0 ? ownFiles : inFile })
    }
  }
  const dirs = new Map(discovery.found.map(({ manifest, dir }) => [manifest.id, dir]))
  const broken = quarantined.map(({ problems, ...item }): Aside => ({
    item,
    state: 'invalid',
    reason: problems.map((problem) => told(problem, dirs.get(item.use))).join('; '),
  }))
  return {
    config: Object.freeze({ ...config, installations: staying, quarantined }),
    plugins: discovery.found,
    brokenPlugins: discovery.broken,
    loaded: loading.loaded,
    installations,
    asides: [...broken, ...waiting],
    pending: [...loading.pending.values()],
    replaced: loading.replaced,
    granted: loading.granted,
    kept,
  }
}

const policyOf = ({ workspace, id, use, when, whenFails }: InstallationConfig): Aside['item'] => ({
  workspace,
  id,
  use,
  form: when.form,
  whenFails,
})

/** Mistakes in the plugin's own files are told where they are: `manifold.yaml` is not what has to be mended. */
function inOwnFiles({ id, use }: InstallationConfig, { failed }: Loading): readonly ConfigProblem[] {
  const path = `of the plugin "${use}", used by installation "${id}":`
  return (failed.get(use)?.mistakes ?? []).map(({ text: message, lineText, ...place }) => ({
    place,
    path,
    message,
    hint: null,
    source: { plugin: use, lineText },
  }))
}

/**
 * `line 12, with.url: is missing`: the place as seen from the installation; or `hello/index.ts:3:7: …`, where it is in the
 * folder of its plugin.
 */
function told({ place, path, message, hint }: ConfigProblem, dir: string | undefined): string {
  const own = dir === undefined ? '..' : relative(dirname(dir), place.file)
  if (!own.startsWith('..')) return `${own}:${place.line}:${place.column}: ${message}`
  const inside = /^installations\[\d+\]\.(.+)$/.exec(path)?.[1]
  return `line ${place.line}${inside === undefined ? '' : `, ${inside}`}: ${message}${hint === null ? '' : ` (${hint})`}`
}

function resolveOne(
  config: InstallationConfig,
  hub: HubConfig,
  parts: { readonly loading: Loading; readonly schemas: Schemas },
): ReturnType<typeof resolveInstallation> {
  const plugin = parts.loading.loaded.get(config.use)
  if (!plugin)
    return { problems: [parts.loading.failed.get(config.use)?.message ?? `there is no plugin "${config.use}"`] }
  const schema = parts.schemas.of(plugin.manifest)
  if (typeof schema === 'string') return { problems: [schema] }
  return resolveInstallation({
    config,
    plugin,
    schema,
    limits: hub.limits,
    mail: hub.email,
    allow: hub.network.allow,
    hardenedGroups: hub.sandbox.hardened,
  })
}

function approvalReason({ id, version, diff }: PendingApproval): string {
  const why = /^\+ /m.test(diff) ? 'asks for more than was granted' : 'is not what was granted'
  return `${id} ${version} ${why}: ${diff.replaceAll('\n', ', ')}. Read it and run: manifold plugin approve ${id}`
}
