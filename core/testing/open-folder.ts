/** From a folder, or files of a test, to one installation that can run: the registry's own steps, one after the other. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatPath } from '../config/document.ts'
import type { InstallationConfig } from '../config/config.ts'
import { LIMITS } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { makeBundle } from '../registry/loading.ts'
import type { Manifest } from '../registry/manifest.ts'
import { isInside, MANIFEST_FILE, readManifest } from '../registry/read-manifest.ts'
import { resolveInstallation } from '../registry/resolve.ts'
import { SCRIPTED_MAIL } from './scripted-email.ts'
import { Schemas } from '../registry/schemas.ts'

/** How the plugin is installed, as `manifold.yaml` would say it. */
export interface InstallOptions {
  /** `with`: the settings. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
  /** More settings, by path (`token`, `headers.authorization`): for those that are kept out of `config`. */
  readonly secrets?: Readonly<Record<string, string>> | undefined
  /** What the admin consents to beyond the manifest. */
  readonly grants?: { readonly pii?: boolean | readonly string[] } | undefined
  /** Waits before the second, third … attempt. Default: 1 s, 5 s, 30 s. */
  readonly retryMs?: readonly number[] | undefined
  readonly when?: InstallationConfig['when'] | undefined
  readonly order?: 'none' | 'fifo' | undefined
  /** The admin's word on failures of the transform. Default: the manifest's. */
  readonly whenFails?: 'open' | 'closed' | undefined
  readonly ambiguous?: 'retry' | 'dead' | undefined
  readonly concurrency?: number | undefined
}

/** Where the plugin is. `files`: texts by path; the folder gets the manifest's id as its name. */
export interface PluginSource {
  readonly dir?: string | URL | undefined
  readonly files?: Readonly<Record<string, string>> | undefined
}

const RETRY_MS = [1_000, 5_000, 30_000]

/** The plugin's folder; files are written to a temporary one, which `closers` take away. */
export async function folderOf(source: PluginSource, closers: AsyncDisposableStack): Promise<string> {
  if (source.files === undefined) {
    if (source.dir === undefined) throw new TypeError('testPlugin needs the plugin: dir or files.')
    const dir = source.dir instanceof URL ? fileURLToPath(source.dir) : source.dir
    return await realpath(dir).catch((cause: unknown) => {
      throw new TypeError(`There is no folder ${dir}.`, { cause })
    })
  }
  const root = await temporaryFolder(closers)
  const dir = join(root, idOf(source.files[MANIFEST_FILE]))
  for (const [path, text] of Object.entries(source.files)) {
    if (!isInside(dir, join(dir, path))) throw new TypeError(`files: "${path}" is outside the plugin's folder.`)
    await mkdir(dirname(join(dir, path)), { recursive: true })
    await writeFile(join(dir, path), text)
  }
  return dir
}

/** A folder that `closers` take away. */
export async function temporaryFolder(closers: AsyncDisposableStack): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'manifold-plugin-')))
  closers.defer(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

/** What is wrong with the rest is told by the manifest's reader. */
function idOf(manifest: string | undefined): string {
  try {
    const { id } = JSON.parse(manifest ?? '') as { id?: unknown }
    return typeof id === 'string' && /^[\w-]+$/.test(id) ? id : 'plugin'
  } catch {
    return 'plugin'
  }
}

/** The manifest of the folder; rejects with every mistake in it. */
export async function manifestOf(dir: string): Promise<Manifest> {
  const read = await readManifest(dir)
  if ('problems' in read) throw new Error(read.problems.join('\n'))
  return read.manifest
}

/** The installation as the hub would run it; rejects with what is wrong with manifest, code or settings. */
export async function installationOf(dir: string, options: InstallOptions): Promise<Installation> {
  const manifest = await manifestOf(dir)
  const schema = new Schemas(null).of(manifest)
  if (typeof schema === 'string') throw new Error(`${dir}: ${schema}`)
  const config = installed(manifest, options)
  const wrong = schema.check(config.with)
  if (wrong.length > 0)
    throw new Error(wrong.map(({ path, message }) => `${formatPath(['config', ...path])}: ${message}`).join('\n'))
  const bundle = await makeBundle({ dir, manifest })
  const plugin = { manifest, dir, origin: 'community', bundle } as const
  const resolved = resolveInstallation({ config, plugin, schema, limits: LIMITS, mail: SCRIPTED_MAIL, allow: [] })
  if ('problems' in resolved) throw new Error(resolved.problems.join('\n'))
  return { ...resolved.installation, group: 'own' }
}

function installed(manifest: Manifest, options: InstallOptions): InstallationConfig {
  const settings = structuredClone(options.config ?? {}) as Record<string, unknown>
  for (const [path, value] of Object.entries(options.secrets ?? {})) put(settings, path.split('.'), value)
  return {
    workspace: DEFAULT_WORKSPACE,
    id: manifest.id,
    use: manifest.id,
    with: settings,
    when: options.when ?? {},
    retry: { delaysMs: options.retryMs ?? RETRY_MS },
    concurrency: options.concurrency ?? null,
    ratePerSecond: null,
    order: options.order ?? 'none',
    ambiguous: options.ambiguous ?? 'retry',
    paused: false,
    from: null,
    pii: options.grants?.pii ?? false,
    ...(options.whenFails === undefined ? {} : { whenFails: options.whenFails }),
    place: { file: 'test', line: 1, column: 1 },
  }
}

function put(into: Record<string, unknown>, [key = '', ...rest]: readonly string[], value: string): void {
  if (rest.length === 0) into[key] = value
  else put((into[key] ??= {}) as Record<string, unknown>, rest, value)
}
