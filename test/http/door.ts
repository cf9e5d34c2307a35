/** The HTTP door over a real SQLite store on a real socket; engine and registry are small recorders. */
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import type { Hono } from 'hono'
import { systemClock } from '../../core/clock.ts'
import { createHttpApp } from '../../core/http/app.ts'
import type { HttpEnv } from '../../core/http/app.ts'
import type { HttpDeps, InstallationView } from '../../core/http/deps.ts'
import { serveHttp } from '../../core/http/serve.ts'
import type { Serving } from '../../core/http/serve.ts'
import { newId } from '../../core/ids.ts'
import { openFormCache } from '../../core/ingest/form-cache.ts'
import { parseForm } from '../../core/ingest/form-definition.ts'
import { openReceiver } from '../../core/ingest/receive.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Limits } from '../../core/limits.ts'
import type { Form, LogEvent, WorkspaceId } from '../../core/model.ts'
import type { Logger, Meter } from '../../core/observe/observe.ts'
import { openApiKeys } from '../../core/registry/api-keys.ts'
import type { ApiKeys, Scope } from '../../core/registry/api-keys.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import { tempDir } from '../support/temp.ts'

export const OPERATOR_KEY = 'operator-key-of-the-tests'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** Parsed when it is JSON. */
  readonly body: Record<string, unknown>
}

export interface Door extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly store: Store
  readonly keys: ApiKeys
  readonly app: Hono<HttpEnv>
  readonly serving: Serving
  readonly deps: HttpDeps
  /** Events told to the live bus. */
  readonly heard: LogEvent[]
  /** Lines logged as errors. */
  readonly errors: object[]
  readonly engineCalls: unknown[][]
  readonly rejected: string[]
  /** A new key with these scopes. */
  key(scopes: readonly Scope[], workspace?: WorkspaceId, expiresAt?: string | null): Promise<string>
  saveForm(id: string, wire: object, workspace?: WorkspaceId): Promise<Form>
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

export interface CallOptions {
  /** Default: the operator key; null: none. */
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly body?: string | Buffer
}

export interface DoorOptions {
  readonly limits?: Partial<Limits>
  readonly trustedProxies?: readonly string[]
  readonly admission?: () => Promise<void> | void
  readonly deps?: Partial<HttpDeps>
}

export async function openDoor(options: DoorOptions = {}): Promise<Door> {
  const temp = await tempDir('door')
  const limits: Limits = { ...LIMITS, ...options.limits }
  const errors: object[] = []
  const rejected: string[] = []
  const heard: LogEvent[] = []
  const engineCalls: unknown[][] = []
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields) => void errors.push(fields),
    child: () => logger,
  }
  const meter = new Proxy({} as Meter, {
    get: (_target, name) => (code: string) => void (name === 'responseRejected' && rejected.push(code)),
  })
  const store = await openSqliteStore({ dir: temp.file('data'), limits, logger, onFatal: () => {} })
  const keys = openApiKeys({ store, clock: systemClock, logger, extraKeys: [OPERATOR_KEY] })
  const forms = openFormCache({ store, clock: systemClock, stringCharsMax: limits.stringCharsMax })
  const receiver = openReceiver({
    store,
    clock: systemClock,
    limits,
    meter,
    logger,
    admission: options.admission ?? (() => {}),
    forwarding: { wanted: () => [], storing: () => {}, refused: () => {} },
    onAccepted: (stored) => void heard.push(...stored.map(({ event }) => event)),
  })
  const record =
    (name: string, answer: unknown) =>
    (...args: unknown[]) => {
      engineCalls.push([name, ...args])
      return Promise.resolve(answer)
    }
  const deps: HttpDeps = {
    version: '0.0.0-test',
    store,
    limits,
    clock: systemClock,
    logger,
    meter,
    keys,
    forms,
    receiver,
    registry: {
      plugins: () => [PLUGIN],
      installations: (workspace) => Promise.resolve(workspace === 'default' ? [INSTALLATION] : []),
    },
    engine: {
      pause: record('pause', undefined) as never,
      resume: record('resume', undefined) as never,
      testSend: record('testSend', { eventId: 'evt_1', deliveries: ['dlv_1'] }) as never,
      backfill: record('backfill', { cursor: 0, events: 3 }) as never,
      replay: record('replay', 2) as never,
    },
    health: {
      readiness: () => Promise.resolve({ ready: true, checks: [{ name: 'storage', ok: true, detail: null }] }),
    },
    metrics: { type: 'text/plain; version=0.0.4', text: () => Promise.resolve('manifold_up 1\n') },
    configStatus: () => ({
      file: null,
      runningChecksum: 'abc',
      diskChecksum: null,
      loadedAt: '2026-01-01T00:00:00.000Z',
      problems: [],
    }),
    onEvents: (events) => void heard.push(...events),
    trustedProxies: options.trustedProxies ?? [],
    ...options.deps,
  }
  const app = createHttpApp(deps)
  const serving = await serveHttp({ app, host: '127.0.0.1', port: 0, limits, logger })
  return {
    url: serving.url,
    port: serving.port,
    store,
    keys,
    app,
    serving,
    deps,
    heard,
    errors,
    engineCalls,
    rejected,
    key: async (scopes, workspace = 'default', expiresAt = null) =>
      (await keys.create({ workspace, name: 'test', scopes, expiresAt })).key,
    saveForm: async (id, wire, workspace = 'default') => {
      const parsed = parseForm({ name: id, ...wire })
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
      const saved = await store.saveForm({
        workspace,
        id,
        definition: parsed.definition,
        managedBy: 'api',
        at: new Date().toISOString(),
        eventId: newId('event'),
        mode: 'upsert',
      })
      forms.invalidate(workspace, id)
      return saved.form
    },
    call: (method, path, how) => ask(serving.port, { method, path, ...how }),
    [Symbol.asyncDispose]: async () => {
      await serving.close(0)
      await keys.close()
      await store.close()
      await temp[Symbol.asyncDispose]()
    },
  }
}

const PLUGIN = {
  id: 'webhooks',
  name: 'Webhooks',
  version: '1.0.0',
  description: null,
  origin: 'builtin',
  events: ['response.submitted'],
  actions: ['post'],
  schedules: [],
  routes: [],
  hosts: ['@config.url'],
  config: {},
  problems: [],
} as const

const INSTALLATION: InstallationView = {
  id: 'crm',
  plugin: 'webhooks',
  version: '1.0.0',
  state: 'ready',
  reason: null,
  stateSince: null,
  config: { secret: '***' },
  forms: null,
  events: null,
  cursor: 4,
  lag: 0,
  lastSuccessAt: null,
  lastFailureAt: null,
  lastError: null,
  deliveries: { pending: 0, retrying: 0, dead: 0, delivered: 0 },
  breakers: [],
}

/** One request on its own connection. `body` goes out as it is. */
function ask(port: number, call: CallOptions & { method: string; path: string }): Promise<Answer> {
  const { key = OPERATOR_KEY, json, body = json === undefined ? undefined : JSON.stringify(json) } = call
  const headers = {
    ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    ...call.headers,
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', method: call.method, path: call.path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string>,
            text,
            body: parsed(text),
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** Bytes on a bare socket; answers everything that came back until the other side hung up or said nothing for a while. */
export function raw(port: number, bytes: string | Buffer, options: { idleMs?: number } = {}): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setTimeout(options.idleMs ?? 3_000, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(text))
  })
}
