/** The real hub as a child process, for tests and benches: started, asked, signalled, killed, started again, cleaned up. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { constants, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { freshDatabase } from './services.ts'
import type { FreshDatabase } from './services.ts'
import { tempDir } from './temp.ts'
import { until } from './wait.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE = `${ROOT}node_modules/.bin/node`
const ENTRY = `${ROOT}core/cli/main.ts`
/** Where our bootstrap has each command keep its parsed code. */
export const COMPILE_CACHE = `${ROOT}node_modules/.cache/manifold`
/** A key that only tests know. */
export const TEST_ADMIN_KEY = 'test-admin-key-0123456789abcdef0123456789abcdef'
const READY_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
const LOG_LINES_KEPT_MAX = 20_000

export interface HubOptions {
  /** Text of manifold.yaml; a JSON value is YAML too. Default: no forms, loopback allowed. */
  readonly config?: string | object
  readonly env?: Readonly<Record<string, string>>
  /** More arguments for `start`, such as `--role api`. */
  readonly args?: readonly string[]
  /** More arguments for node itself. */
  readonly nodeArgs?: readonly string[]
  /** A command that runs the hub for us, such as `['prlimit', '--fsize=1000000']`. It must `exec`. */
  readonly launcher?: readonly string[]
  /** An existing data folder; kept when the hub is disposed. Default: a temporary one. */
  readonly dataDir?: string
  /** Default 0: any free port, another one after each restart. */
  readonly port?: number
  readonly adminKey?: string
  /** It proves its sandbox itself, as on a new machine; else it finds the proof that the run of the tests made. */
  readonly unproven?: boolean
}

export interface Answer<T = Record<string, unknown>> {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Parsed when the answer is JSON, else the text. */
  readonly body: T
  readonly text: string
}

export interface ApiOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Another API key; null sends none. */
  readonly key?: string | null
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Hub extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly dataDir: string
  readonly configFile: string
  readonly adminKey: string
  /** Lines of stderr since the first start, parsed where they are JSON. */
  readonly logs: readonly Readonly<Record<string, unknown>>[]
  readonly stderr: string
  readonly stdout: readonly string[]
  /** How long the last start took from spawn to the ready line. */
  readonly startMs: number
  /** Resolves when the running process ends, however. */
  readonly exited: Promise<Exit>
  /** `body`: a value is sent as JSON, a string or Buffer as it is. */
  api<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    options?: ApiOptions,
  ): Promise<Answer<T>>
  /** One metric's value: sum over its series, or of those whose labels all match. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  writeConfig(config: string | object): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Sends the signal (default SIGTERM) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
  /** Starts again on the same data; kills with SIGKILL first when it still runs. */
  restart(options?: Pick<HubOptions, 'env' | 'args' | 'nodeArgs' | 'launcher' | 'port'>): Promise<void>
  /** Resident bytes of the hub process alone. */
  rssBytes(): Promise<number>
}

/** `await using hub = await startHub({ config })`. Resolves when it serves; rejects with its last words when it does not. */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const temp = await tempDir('hub')
  const database = await databaseOfRun()
  const dataDir = options.dataDir ?? temp.file('data')
  await mkdir(dataDir, { recursive: true })
  if (options.unproven !== true) await bringProof(dataDir)
  const configFile = temp.file('manifold.yaml')
  await writeFile(configFile, configText(options.config))
  const adminKey = options.adminKey ?? TEST_ADMIN_KEY
  const agent = new Agent({ connections: 128, keepAliveTimeout: 4_000 })
  const output = { stdout: [] as string[], stderr: [] as string[], logs: [] as Record<string, unknown>[] }
  const place = { dataDir, configFile, adminKey, output, databaseUrl: database?.url }
  let running = await launch(options, place).catch(async (error: unknown) => {
    await agent.close()
    await database?.[Symbol.asyncDispose]()
    await temp[Symbol.asyncDispose]()
    throw error
  })

  const kill = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (running.child.exitCode === null && running.child.signalCode === null) running.child.kill(signal)
    return await running.exited
  }
  const api: Hub['api'] = (method, path, body, how) =>
    ask({ agent, url: running.url, adminKey }, { method, path, body, how })
  return {
    get url() {
      return running.url
    },
    get pid() {
      return running.child.pid as number
    },
    get startMs() {
      return running.startMs
    },
    get exited() {
      return running.exited
    },
    get stderr() {
      return output.stderr.join('\n')
    },
    dataDir,
    configFile,
    adminKey,
    logs: output.logs,
    stdout: output.stdout,
    api,
    metric: async (name, labels = {}) => sumOf((await api<string>('GET', '/metrics')).text, name, labels),
    writeConfig: (config) => writeFile(configFile, configText(config)),
    signal: (signal) => void running.child.kill(signal),
    kill,
    restart: async (changes = {}) => {
      await kill('SIGKILL')
      running = await launch({ ...options, ...changes }, place)
    },
    rssBytes: () => rssOf(running.child.pid as number),
    [Symbol.asyncDispose]: async () => {
      await agent.destroy()
      const forced = setTimeout(() => running.child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await kill('SIGTERM')
      clearTimeout(forced)
      await database?.[Symbol.asyncDispose]()
      await temp[Symbol.asyncDispose]()
    },
  }
}

async function bringProof(dataDir: string): Promise<void> {
  const proof = process.env['MANIFOLD_TEST_PROOF']
  if (proof === undefined) return
  await mkdir(join(dataDir, 'cache'), { recursive: true, mode: 0o700 })
  // One that is there already has more in it.
  await copyFile(proof, join(dataDir, 'cache', 'sandbox-proof.json'), constants.COPYFILE_EXCL).catch(() => {})
}

function configText(config: string | object | undefined): string {
  if (typeof config === 'string') return config
  return JSON.stringify(config ?? { network: { allow: ['127.0.0.1/32'] } }, null, 2)
}

/** Tests that hold for every backend run on Postgres, too, when the run says so; each hub has a database of its own. */
const databaseOfRun = async (): Promise<FreshDatabase | undefined> =>
  process.env['MANIFOLD_TEST_BACKEND'] === 'postgres' ? await freshDatabase() : undefined

interface Place {
  readonly databaseUrl: string | undefined
  readonly dataDir: string
  readonly configFile: string
  readonly adminKey: string
  readonly output: { readonly stdout: string[]; readonly stderr: string[]; readonly logs: Record<string, unknown>[] }
}

interface Running {
  readonly child: ChildProcess
  readonly url: string
  readonly startMs: number
  readonly exited: Promise<Exit>
}

async function launch(options: HubOptions, place: Place): Promise<Running> {
  const startedMs = performance.now()
  const command = [...(options.launcher ?? []), NODE, ...(options.nodeArgs ?? []), ENTRY]
  const flags = [
    '--config',
    place.configFile,
    '--data',
    place.dataDir,
    '--port',
    String(options.port ?? 0),
    '--no-demo',
  ]
  const [file, ...args] = [...command, 'start', ...flags, ...(options.args ?? [])]
  const child = spawn(file as string, args, {
    cwd: ROOT,
    // Nothing of the test's own environment: what a hub sees is what the test says.
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      MANIFOLD_ADMIN_KEY: place.adminKey,
      // Many processes share the server of the tests, which has 100 connections.
      MANIFOLD_DATABASE_CONNECTIONS_MAX: '6',
      ...(place.databaseUrl === undefined ? {} : { DATABASE_URL: place.databaseUrl }),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<Exit>((resolve) => {
    child.once('error', () => resolve({ code: null, signal: null }))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  if (child.stdout === null || child.stderr === null) throw new Error('The hub has no output to read')
  const { stdout, stderr, logs } = place.output
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (stderr.length < LOG_LINES_KEPT_MAX) stderr.push(line)
    const parsed = jsonObject(line)
    if (parsed !== undefined && logs.length < LOG_LINES_KEPT_MAX) logs.push(parsed)
  })
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      stdout.push(line)
      const event = jsonObject(line)
      if (event?.['event'] === 'ready') resolve(String(event['url']))
    })
  })
  const url = await Promise.race([ready, exited, timeout(READY_TIMEOUT_MS)])
  if (typeof url !== 'string') {
    child.kill('SIGKILL')
    const end =
      url === undefined
        ? `was not ready after ${READY_TIMEOUT_MS} ms`
        : `ended with ${url.signal ?? `code ${url.code}`}`
    throw new HubDidNotStart(`The hub ${end}. Its last words:\n${stderr.slice(-30).join('\n')}`, url)
  }
  return { child, url, startMs: performance.now() - startedMs, exited }
}

/** What `startHub` and `restart` reject with; `exit` is undefined when the process had to be killed. */
export class HubDidNotStart extends Error {
  readonly exit: Exit | undefined
  constructor(message: string, exit: Exit | undefined) {
    super(message)
    this.exit = exit
  }
}

const timeout = (ms: number) =>
  new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), ms).unref()
  })

function jsonObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
}

async function ask<T>(
  hub: { readonly agent: Agent; readonly url: string; readonly adminKey: string },
  call: {
    readonly method: string
    readonly path: string
    readonly body: unknown
    readonly how: ApiOptions | undefined
  },
): Promise<Answer<T>> {
  const { key = hub.adminKey, headers = {}, signal, timeoutMs = 30_000 } = call.how ?? {}
  const raw = typeof call.body === 'string' || Buffer.isBuffer(call.body)
  const hasBody = call.body !== undefined
  const answer = await request(hub.url + call.path, {
    dispatcher: hub.agent,
    method: call.method as 'GET',
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    body: hasBody ? (raw ? call.body : JSON.stringify(call.body)) : null,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    signal: signal ?? null,
  })
  const text = await answer.body.text()
  const type = String(answer.headers['content-type'] ?? '')
  const flat = Object.entries(answer.headers).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.join(', ') : (value ?? ''),
  ])
  return {
    status: answer.statusCode,
    headers: Object.fromEntries(flat) as Record<string, string>,
    body: (/\bjson\b/.test(type) && text !== '' ? JSON.parse(text) : text) as T,
    text,
  }
}

function sumOf(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => wanted.every((part) => line.includes(part)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function rssOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024
}

/** Waits until nothing waits: every stored event handled, every delivery finished (delivered or dead). */
export async function settled(hub: Hub, timeoutMs = 30_000): Promise<void> {
  await until(
    'the hub to have nothing left to do',
    async () => ({
      lag: await hub.metric('manifold_installation_lag_events'),
      pending: await hub.metric('manifold_deliveries', { state: 'pending' }),
      retrying: await hub.metric('manifold_deliveries', { state: 'retrying' }),
    }),
    { timeoutMs, everyMs: 50, accept: (left) => left.lag + left.pending + left.retrying === 0 },
  )
}
