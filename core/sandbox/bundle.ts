/** Turns a plugin's folder into one script for the isolate, and refuses what could not work there, naming file and line. */
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { BuildFailure, BuildOptions, BuildResult, Message, PluginBuild } from 'esbuild'
import { CONTRACT_NAME, guardSources, isOfContract, oddFile } from './bundle-borders.ts'
import { placeOf, Sources, whyNoPart } from './bundle-sources.ts'
import { withBundler } from './bundler.ts'
import { NotBundled } from './not-bundled.ts'
import type { SourceMistake } from './not-bundled.ts'
import type { Bundle } from './sandbox.ts'

/** What to bundle. `main` is relative to `dir`. */
export interface BundleRequest {
  /** The plugin's folder. */
  readonly dir: string
  readonly main: string
  readonly pluginId: string
  readonly version: string
  readonly bytesMax: number
  /** native: packages stay outside, and the borders of the sandbox are none for it. Default: sandbox. */
  readonly runtime?: 'sandbox' | 'native'
}

type Built = BuildResult<{ metafile: true }>

const MESSAGES_MAX = 10
const LARGEST_INPUTS = 3

const SANDBOXED: BuildOptions = {
  // The script's completion value is the module; nothing is left behind on the guest's global object.
  format: 'iife',
  globalName: 'plugin',
  banner: { js: '(() => {' },
  footer: { js: 'return plugin\n})()' },
  platform: 'neutral',
  mainFields: ['browser', 'module', 'main'],
  conditions: ['browser', 'import', 'default'],
  define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
}

/** Only to find mistakes and to know when something changed: its process reads the files themselves. */
const NATIVE: BuildOptions = { format: 'esm', platform: 'node', packages: 'external' }

/** Bundles one plugin. Fails with `plugin_load`, whose message lists every mistake as `file:line:col: what`. */
export async function bundlePlugin(request: BundleRequest): Promise<Bundle> {
  const dir = await realpath(request.dir).catch((cause: unknown) => {
    throw failure(request, `the folder ${request.dir} cannot be read`, cause)
  })
  const odd = await oddFile(dir)
  if (odd !== null) throw failure(request, odd)
  const sources = new Sources(dir, isOfContract)
  const result = await run(request, dir, sources)
  const noPart = Object.keys(result.metafile.inputs).flatMap((path) => whyNoPart(path) ?? [])
  if (noPart.length > 0) throw failure(request, noPart.slice(0, MESSAGES_MAX).join('\n'))
  const outputs = result.outputFiles ?? []
  const code = outputs.find((file) => file.path.endsWith('.js'))
  const map = outputs.find((file) => file.path.endsWith('.map'))
  if (code === undefined || map === undefined) throw failure(request, 'the bundler answered nothing')
  if (code.contents.byteLength > request.bytesMax)
    throw failure(request, tooLarge(code.contents.byteLength, request, result))
  return {
    pluginId: request.pluginId,
    version: request.version,
    code: code.text,
    sourceMap: withoutHostPaths(sources.complete(map.text), dir),
    hash: createHash('sha256').update(code.contents).digest('hex'),
    inputs: sources.inputs(),
  }
}

async function run(request: BundleRequest, dir: string, sources: Sources): Promise<Built> {
  try {
    return await withBundler((esbuild) =>
      esbuild.build({
        entryPoints: [join(dir, request.main)],
        outfile: join(dir, 'plugin.js'),
        absWorkingDir: dir,
        bundle: true,
        write: false,
        metafile: true,
        ...(request.runtime === 'native' ? NATIVE : SANDBOXED),
        target: 'es2024',
        sourcemap: 'external',
        sourcesContent: true,
        charset: 'utf8',
        legalComments: 'none',
        logLevel: 'silent',
        // A plugin's own tsconfig must not be able to redirect imports.
        tsconfigRaw: '{}',
        plugins: [
          {
            name: 'manifold-borders',
            setup: (hook: PluginBuild) =>
              request.runtime === 'native'
                ? hook.onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) => sources.load(path, path))
                : guardSources(hook, dir, sources),
          },
        ],
      }),
    )
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>
    if (!Array.isArray(errors) || errors.length === 0) throw failure(request, String(error), error)
    const lines = errors.slice(0, MESSAGES_MAX).map(describe)
    if (errors.length > MESSAGES_MAX) lines.push(`and ${errors.length - MESSAGES_MAX} more`)
    const mistakes = errors.slice(0, MESSAGES_MAX).flatMap(({ location, text }) => {
      if (location === null) return []
      const { file, line, column, lineText } = location
      return [{ file: join(request.dir, file), line, column: column + 1, text, lineText }]
    })
    throw failure(request, lines.join('\n'), error, mistakes)
  }
}

function describe(message: Message): string {
  const { location } = message
  const text = message.text.replace(/^Could not resolve (".*")$/s, '$1 cannot be found')
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`
}

function tooLarge(bytes: number, request: BundleRequest, result: Built): string {
  const inputs = Object.values(result.metafile.outputs).flatMap((output) => Object.entries(output.inputs))
  const largest = inputs
    .toSorted((a, b) => b[1].bytesInOutput - a[1].bytesInOutput)
    .slice(0, LARGEST_INPUTS)
    .map(([path, input]) => `${path} (${input.bytesInOutput} bytes)`)
  return `the bundle has ${bytes} bytes, at most ${request.bytesMax} are allowed; the largest parts: ${largest.join(', ')}`
}

/** The map is kept and shown beside the plugin: where the hub itself is installed is nobody's business. */
function withoutHostPaths(text: string, dir: string): string {
  // Only the list is parsed: what follows it are all the sources.
  return text.replace(/"sources":\s*(\[[^\]]*\])/, (_, list: string) => {
    const shown = (JSON.parse(list) as string[]).map((source) => {
      // The hub's own alone, by its place: a package may have folders that are called the same.
      const path = placeOf(dir, source)
      if (!isOfContract(path)) return source
      const file = basename(path)
      return file === 'index.ts' ? CONTRACT_NAME : `${CONTRACT_NAME}/${file}`
    })
    return `"sources": ${JSON.stringify(shown)}`
  })
}

const failure = (
  { pluginId: plugin, version }: BundleRequest,
  message: string,
  ...[cause, mistakes = []]: [cause?: unknown, mistakes?: readonly SourceMistake[]]
): NotBundled =>
  new NotBundled(`Plugin ${plugin} cannot be bundled: ${message}`, { cause, at: { plugin, version }, mistakes })
