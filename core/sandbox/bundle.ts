/** Turns a plugin's folder into one script for the isolate, and refuses what could not work there, naming file and line. */
import { createHash } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { isAbsolute, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BuildFailure, BuildResult, Message, OnResolveResult, PluginBuild } from 'esbuild'
import { HubError } from '../errors.ts'
import { withBundler } from './bundler.ts'
import type { Bundle } from './sandbox.ts'

/** What to bundle. `main` is relative to `dir`. */
export interface BundleRequest {
  /** The plugin's folder. */
  readonly dir: string
  readonly main: string
  readonly pluginId: string
  readonly version: string
  readonly bytesMax: number
}

const CONTRACT_PATH = fileURLToPath(new URL('../contract/index.ts', import.meta.url))
const CONTRACT_NAME = 'manifold/plugin'
const MESSAGES_MAX = 10
const LARGEST_INPUTS = 3
const BUILTINS = new Set(builtinModules)

/** Bundles one plugin. Fails with `plugin_load`, whose message lists every mistake as `file:line:col: what`. */
export async function bundlePlugin(request: BundleRequest): Promise<Bundle> {
  const dir = await realpath(request.dir).catch((cause: unknown) => {
    throw failure(request, `the folder ${request.dir} cannot be read`, cause)
  })
  const result = await run(request, dir)
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
    sourceMap: withoutHostPaths(map.text),
    hash: createHash('sha256').update(code.contents).digest('hex'),
  }
}

async function run(request: BundleRequest, dir: string): Promise<BuildResult<{ metafile: true }>> {
  try {
    return await withBundler((esbuild) =>
      esbuild.build({
        entryPoints: [join(dir, request.main)],
        outfile: join(dir, 'plugin.js'),
        absWorkingDir: dir,
        bundle: true,
        write: false,
        metafile: true,
        // The script's completion value is the module; nothing is left behind on the guest's global object.
        format: 'iife',
        globalName: 'plugin',
        banner: { js: '(() => {' },
        footer: { js: 'return plugin\n})()' },
        platform: 'neutral',
        target: 'es2024',
        mainFields: ['browser', 'module', 'main'],
        conditions: ['browser', 'import', 'default'],
        define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
        sourcemap: 'external',
        sourcesContent: true,
        charset: 'utf8',
        legalComments: 'none',
        logLevel: 'silent',
        // A plugin's own tsconfig must not be able to redirect imports.
        tsconfigRaw: '{}',
        plugins: [{ name: 'manifold-borders', setup: (hook: PluginBuild) => guardImports(hook, dir) }],
      }),
    )
  } catch (error) {
    const { errors } = error as Partial<BuildFailure>
    if (!Array.isArray(errors) || errors.length === 0) throw failure(request, String(error), error)
    const lines = errors.slice(0, MESSAGES_MAX).map(describe)
    if (errors.length > MESSAGES_MAX) lines.push(`and ${errors.length - MESSAGES_MAX} more`)
    throw failure(request, lines.join('\n'), error)
  }
}

/** Every import passes here: the contract, a package, or a file inside the plugin's folder; nothing else. */
function guardImports(hook: PluginBuild, dir: string): void {
  const seen = Symbol('resolved once')
  hook.onResolve({ filter: /.*/ }, async (args): Promise<OnResolveResult | undefined> => {
    if (args.pluginData === seen) return undefined
    if (args.path === CONTRACT_NAME) return { path: CONTRACT_PATH }
    if (args.path.startsWith('node:')) return { errors: [{ text: builtinRefusal(args.path) }] }
    const { importer, resolveDir, kind } = args
    const found = await hook.resolve(args.path, {
      importer,
      resolveDir,
      kind,
      namespace: args.namespace,
      pluginData: seen,
    })
    if (found.errors.length > 0) {
      const isBuiltin = BUILTINS.has(args.path) || BUILTINS.has(args.path.split('/')[0] as string)
      return { errors: [{ text: isBuiltin ? builtinRefusal(args.path) : `"${args.path}" cannot be found` }] }
    }
    if (found.namespace !== 'file') return found
    const isPackage =
      !/^\.{0,2}\//.test(args.path) && !isAbsolute(args.path) && found.path.split(sep).includes('node_modules')
    const fromPackage = importer.split(sep).includes('node_modules') && found.path.split(sep).includes('node_modules')
    if (isInside(dir, found.path) || isPackage || fromPackage) return found
    return {
      errors: [
        {
          text: `"${args.path}" is outside the plugin's folder; import packages, "${CONTRACT_NAME}" and own files only`,
        },
      ],
    }
  })
}

const builtinRefusal = (path: string): string =>
  `"${path}" is a Node built-in and does not exist in the sandbox; use ctx (http, kv, hmac, sign …) or web-standard globals`

function isInside(dir: string, path: string): boolean {
  const way = relative(dir, path)
  return way !== '' && !way.startsWith('..') && !isAbsolute(way)
}

function describe(message: Message): string {
  const { location, text } = message
  return location === null ? text : `${location.file}:${location.line}:${location.column + 1}: ${text}`
}

function tooLarge(bytes: number, request: BundleRequest, result: BuildResult<{ metafile: true }>): string {
  const inputs = Object.values(result.metafile.outputs).flatMap((output) => Object.entries(output.inputs))
  const largest = inputs
    .toSorted((a, b) => b[1].bytesInOutput - a[1].bytesInOutput)
    .slice(0, LARGEST_INPUTS)
    .map(([path, input]) => `${path} (${input.bytesInOutput} bytes)`)
  return `the bundle has ${bytes} bytes, at most ${request.bytesMax} are allowed; the largest parts: ${largest.join(', ')}`
}

/** The map is kept and shown beside the plugin: where the hub itself is installed is nobody's business. */
function withoutHostPaths(text: string): string {
  const map = JSON.parse(text) as { sources: string[] }
  map.sources = map.sources.map((source) => (source.endsWith('core/contract/index.ts') ? CONTRACT_NAME : source))
  return JSON.stringify(map)
}

const failure = (request: BundleRequest, message: string, cause?: unknown): HubError =>
  new HubError('plugin_load', `Plugin ${request.pluginId} cannot be bundled: ${message}`, {
    cause,
    at: { plugin: request.pluginId, version: request.version },
  })
