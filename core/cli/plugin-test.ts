/**
 * `manifold plugin test`: manifest, settings schema, bundle, names in the sandbox, types, the conformance suite, then the
 * plugin's own `*.test.ts`.
 */
import { spawn } from 'node:child_process'
import { readdir, readFile, realpath } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { Manifest } from '../registry/manifest.ts'
import { pluginTypes, TYPES_FILE } from '../registry/plugin-types.ts'
import { readManifest } from '../registry/read-manifest.ts'
import { unitLimits } from '../registry/resolve.ts'
import { surfaceMismatch } from '../registry/surface.ts'
import { compileWithSchema, verifyWithSchema } from '../registry/with-schema.ts'
import type { Bundle } from '../sandbox/sandbox.ts'
import type { Call, Run } from './call.ts'
import { spanOption } from './call.ts'
import { CliError } from './exit-codes.ts'
import { quietLogger } from './quiet-logger.ts'

/** The author's own tests, all of them: who runs them in a pipeline learns which one hangs, not that the pipeline did. */
const OWN_TESTS_MS = 5 * 60_000

interface Step {
  readonly name: string
  readonly ok: boolean
  readonly detail: string | null
}

export const run: Run = async (call) => {
  const [folder = '.'] = call.args
  const dir = await realpath(resolve(folder)).catch(() => {
    throw new CliError('failed', `There is no folder ${folder}.`)
  })
  const timeoutMs = spanOption(call, 'timeout') ?? OWN_TESTS_MS
  const steps = new Steps(call)
  const manifest = await steps.run('manifest', async () => {
    const read = await readManifest(dir)
    if ('problems' in read) throw new Error(read.problems.join('\n'))
    return read.manifest
  })
  if (manifest) await checkCode(steps, dir, manifest)
  if (manifest && steps.ok) await checkBehaviour(steps, dir, manifest)
  const isSound = steps.ok
  await steps.run('tests', () => {
    if (isSound) return ownTests(call, dir, timeoutMs)
    throw new Error('not run: mend first what is above')
  })
  if (call.options['json']) call.terminal.json({ dir, ok: steps.ok, steps: steps.done })
  if (!steps.ok) throw new CliError('failed', `${folder} has problems.`)
}

async function checkCode(steps: Steps, dir: string, manifest: Manifest): Promise<void> {
  await steps.run('settings schema', async () => {
    verifyWithSchema(manifest.config)
    compileWithSchema(manifest.config)
  })
  const bundle = await steps.run('bundle', async () => {
    const { makeBundle } = await import('../registry/loading.ts')
    return makeBundle({ dir, manifest })
  })
  if (bundle) await steps.run('names in code and manifest', () => loadOnce(manifest, bundle))
  const types = await readFile(join(dir, TYPES_FILE), 'utf8').catch(() => null)
  if (types === null) return
  await steps.run(`${TYPES_FILE} up to date`, async () => {
    if (types !== pluginTypes(manifest))
      throw new Error(
        `${TYPES_FILE} is not what plugin.json says; run: manifold plugin types ${relative('.', dir) || '.'}`,
      )
  })
}

/** The rows of the conformance suite that were not looked at yet. */
async function checkBehaviour(steps: Steps, dir: string, manifest: Manifest): Promise<void> {
  const { checkPlugin, LOADING_ROWS } = await import('../testing/conformance.ts')
  const { sampleSettings } = await import('../testing/sample-settings.ts')
  const wrong = compileWithSchema(manifest.config).check(sampleSettings(manifest.config))
  if (wrong.length > 0) {
    await steps.run(
      'conformance',
      async () => 'left out: no settings can be made up; call conformance() in a test with yours',
    )
    return
  }
  for (const { name, findings } of await checkPlugin({ dir }, {})) {
    if (findings.length === 0 && LOADING_ROWS.has(name)) continue
    await steps.run(name, async () => {
      if (findings.length > 0) throw new Error(findings.join('\n'))
    })
  }
}

/** Loads it into a real sandbox process, as the hub would. */
async function loadOnce(manifest: Manifest, bundle: Bundle): Promise<void> {
  const { createSandbox } = await import('../sandbox/pool.ts')
  const sandbox = createSandbox({ logger: quietLogger, limits: LIMITS, onRestart: () => {} })
  try {
    const surface = await sandbox.load({
      key: `default/${manifest.id}`,
      bundle,
      config: '{}',
      group: 'own',
      limits: unitLimits(manifest, LIMITS),
    })
    const mismatch = surfaceMismatch(manifest, surface)
    if (mismatch !== null) throw new Error(mismatch)
  } finally {
    await sandbox.close()
  }
}

/** Where the names that plugins and their tests import are in this hub. */
const HUB_MODULES = {
  'manifold/plugin': new URL('../contract/index.ts', import.meta.url).href,
  'manifold/plugin/testing': new URL('../testing/index.ts', import.meta.url).href,
}

/** Node's own test runner; `manifold/plugin` means this hub's contract wherever the folder lies. */
async function ownTests(call: Call, dir: string, timeoutMs: number): Promise<string> {
  const found = (await readdir(dir, { recursive: true })).filter(
    (name) => /\.test\.[mc]?[jt]s$/.test(name) && !name.includes('node_modules'),
  )
  if (found.length === 0) return 'there are none'
  const texts = await Promise.all(found.map((name) => readFile(join(dir, name), 'utf8')))
  const files = found.filter((_name, index) => !/from ['"]vitest['"]/.test(texts[index] as string))
  const others = found.filter((name) => !files.includes(name))
  const left = others.length === 0 ? '' : `not run, since Node's runner does not know vitest: ${others.join(', ')}`
  if (files.length === 0) return left
  const hook = `import { registerHooks } from 'node:module'; const hub = ${JSON.stringify(HUB_MODULES)}; registerHooks({ resolve: (name, context, next) => Object.hasOwn(hub, name) ? { url: hub[name], shortCircuit: true } : next(name, context) })`
  const args = [
    '--import',
    `data:text/javascript,${encodeURIComponent(hook)}`,
    '--test',
    ...files.map((name) => join(dir, name)),
  ]
  const child = spawn(process.execPath, args, {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...call.env, NODE_TEST_CONTEXT: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Told to end, the runner ends what it runs and says what that was.
    timeout: timeoutMs,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const startedMs = performance.now()
  const code = await new Promise<number | null>((done, failed) => child.on('close', done).on('error', failed))
  if (child.killed && performance.now() - startedMs >= timeoutMs)
    throw new Error(
      `the plugin's own tests were ended after ${timeoutMs / 1_000} s: one of them waits for what never comes, or never ends. If they only need longer, say --timeout 10m.\n${said.trim()}`,
    )
  if (code !== 0) throw new Error(`the plugin's own tests failed:\n${said.trim()}`)
  const ran = `${files.length} ${files.length === 1 ? 'file' : 'files'}: ${files.map((name) => relative('.', name)).join(', ')}`
  return left === '' ? ran : `${ran}; ${left}`
}

/** One line a step, and what became of each. */
class Steps {
  readonly done: Step[] = []
  readonly #call: Call

  constructor(call: Call) {
    this.#call = call
  }

  get ok(): boolean {
    return this.done.every((step) => step.ok)
  }

  /** What the step answered, or null when it failed. */
  async run<T>(name: string, work: () => Promise<T>): Promise<T | null> {
    try {
      const value = await work()
      return this.#add({ name, ok: true, detail: typeof value === 'string' ? value : null }, value)
    } catch (error) {
      const detail = error instanceof HubError || error instanceof Error ? error.message : String(error)
      return this.#add({ name, ok: false, detail }, null)
    }
  }

  #add<T>(step: Step, value: T): T {
    this.done.push(step)
    const { terminal, options } = this.#call
    if (!options['json'])
      terminal.line(
        step.ok ? terminal.paint('green', '✔') : terminal.paint('red', '✖'),
        ` ${step.name}${step.detail === null ? '' : `: ${step.detail}`}`,
      )
    return value
  }
}
