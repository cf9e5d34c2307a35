/** The HTTP door over a real SQLite store on a real socket; engine and registry are small recorders. */
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import type { Hono } from 'hono'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { systemClock } from '../../core/clock.ts'
import type { TokenIssuer } from '../../core/config/config.ts'
import { eventSettings } from '../../core/config/event-settings.ts'
import { openHttp } from '../../core/http/app.ts'
import type { HttpEnv } from '../../core/http/app.ts'
import type { HttpDeps, InstallationView } from '../../core/http/deps.ts'
import { serveHttp } from '../../core/http/serve.ts'
import type { Serving } from '../../core/http/serve.ts'
import { newId } from '../../core/ids.ts'
import { openFormCache } from '../../core/ingest/form-cache.ts'
import { parseForm } from '../../core/ingest/form-definition.ts'
import { openFormViews } from '../../core/ingest/form-views.ts'
import { openInlet } from '../../core/ingest/inlet.ts'
import type { Transforms } from '../../core/ingest/transforms.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Limits } from '../../core/limits.ts'
import { openLive } from '../../core/live/live.ts'
import type { Form, LogEvent, Scope, WorkspaceId } from '../../core/model.ts'
import type { Logger, Meter } from '../../core/observe/observe.ts'
import { createRunHistory } from '../../core/runs/history.ts'
import { openRunReader } from '../../core/runs/reader.ts'
import type { Usage } from '../../core/accounting/usage.ts'
import { openHooks } from '../../core/registry/hooks.ts'
import { openApiKeys } from '../../core/registry/api-keys.ts'
import { openTokens } from '../../core/registry/tokens.ts'
import type { ApiKeys } from '../../core/registry/api-keys.ts'
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
  readonly issuers?: readonly TokenIssuer[]
  readonly limits?: Partial<Limits>
  /** `events:` of the file. */
  readonly events?: Parameters<typeof eventSettings>[0]
  readonly trustedProxies?: readonly string[]
  readonly admission?: () => Promise<void> | void
  /** Default: nobody looks at responses. */
  readonly transforms?: Transforms
  readonly deps?: Partial<HttpDeps>
}

const NOBODY: Transforms = {
  wants: () => false,
  apply: ({ submissions }) => Promise.resolve({ submissions, became: () => {} }),
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
  const keys = openApiKeys({ store, clock: systemClock, logger, processKey: null, adminKey: OPERATOR_KEY })
  const http = createGuardedHttp({ allow: ['127.0.0.1/32'], limits })
  const credentials = openTokens({ keys, http, clock: systemClock, logger })
  credentials.setIssuers(options.issuers ?? [])
  const forms = openFormCache({ store, clock: systemClock, stringCharsMax: limits.stringCharsMax })
  const live = openLive({ store, credentials, clock: systemClock, limits, recent: { after: () => undefined } })
  const tell = (events: readonly LogEvent[]): void => {
    heard.push(...events)
    live.feed.grown(events.at(-1)?.seq ?? 0)
  }
  const inlet = openInlet({
    store,
    clock: systemClock,
    limits,
    meter,
    logger,
    admission: options.admission ?? (() => {}),
    events: eventSettings(options.events),
    forwarding: { wanted: () => [], storing: () => {}, refused: () => {} },
    transforms: options.transforms ?? NOBODY,
    published: tell,
    onAccepted: (stored) => tell(stored.map(({ event }) => event)),
    forms,
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
    credentials,
    live,
    forms,
    formViews: openFormViews(store),
    hooks: openHooks({ store, clock: systemClock, limits, logger, published: (events) => void heard.push(...events) }),
    hookCarriers: { in: () => ({ id: 'hooks', pii: true }), plugins: ['hooks'] },
    checkUrl: http.checkUrl,
    ...inlet,
    registry: {
      plugins: () => Promise.resolve([PLUGIN]),
      installations: (workspace) => Promise.resolve(workspace === 'default' ? [INSTALLATION] : []),
    },
    approve: record('approve', []) as never,
    engine: {
      pause: record('pause', undefined) as never,
      resume: record('resume', undefined) as never,
      testSend: record('testSend', { eventId: 'evt_1', deliveries: ['dlv_1'], whyNot: null }) as never,
      backfill: record('backfill', { cursor: 0, events: 3 }) as never,
      replay: record('replay', { replayed: 2, next: 'x~y' }) as never,
      countReplay: (query) => store.countReplay(query),
      replayEvents: record('replayEvents', { events: [], left: 0 }) as never,
      fire: record('fire', 'dlv_1') as never,
      check: record('check', {
        at: '2026-03-01T12:00:00.000Z',
        findings: [{ level: 'warning', message: 'w', at: '/url' }],
      }) as never,
    },
    health: {
      readiness: () => Promise.resolve({ ready: true, checks: [{ name: 'storage', ok: true, detail: null }] }),
    },
    metrics: { type: 'text/plain; version=0.0.4', text: () => Promise.resolve('manifold_up 1\n') },
    runs: openRunReader({
      runs: createRunHistory({ store, clock: systemClock, logger, limits }),
      store,
      formOf: () => undefined,
      eventInMemory: () => undefined,
      roster: { find: () => undefined },
    }),
    config: {
      status: async () => ({
        file: null,
        runningChecksum: 'abc',
        diskChecksum: null,
        loadedAt: '2026-01-01T00:00:00.000Z',
        problems: [],
        needsStart: false,
        warnings: [],
      }),
      lines: async () => ({ file: null, isReadable: true, lines: [], yaml: null, piece: null }),
      checkPiece: async () => ({ problems: [], warnings: [], yaml: '' }),
    },
    onEvents: tell,
    trustedProxies: options.trustedProxies ?? [],
    ...options.deps,
  }
  const { app, upgrade } = openHttp(deps)
  const serving = await serveHttp({ app, live, upgrade, host: '127.0.0.1', port: 0, limits, logger })
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
      await deps.hooks.close()
      await keys.close()
      await http.close()
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
  asks: ['kv'],
  granted: [],
  grantedAt: '2026-01-01T00:00:00.000Z',
  code: 'c0de',
  usage: null,
  needsApproval: {
    from: { version: '0.9.0', code: 'a'.repeat(64), grants: [], grantedAt: '2026-01-01T00:00:00.000Z' },
    to: { version: '1.0.0', code: 'b'.repeat(64), grants: ['kv'], hash: 'c'.repeat(64) },
    running: '0.9.0',
    gone: false,
    diff: ['+ kv'],
    sources: {
      files: [{ path: 'index.ts', change: 'changed', added: 1, removed: 1 }],
      text: '-a\n+b\n',
      isWhole: true,
    },
  },
} as const

const RATED = { runs: 3, failed: 1, cpuMs: 4.5, wallMs: 60, hostOps: 2, httpCalls: 1 }
const ENDED = { ok: 2, failed: 1, interrupted: 0 }
const NONE = { ok: 0, failed: 0, interrupted: 0 }

export const USAGE: Usage = {
  since: '2026-03-01T12:00:00.000Z',
  points: 9_876,
  pointsMax: 10_000,
  runs: {
    handler: ENDED,
    action: { ...NONE, ok: 4, interrupted: 5 },
    schedule: NONE,
    route: NONE,
    transform: NONE,
    check: NONE,
  },
  failedByCode: { plugin_cpu: 1 },
  cpuMs: 620.123_456,
  wallMs: 700,
  hostOps: 8,
  httpCalls: 9,
  breaches: { cpu: 1, memory: 0, wall: 0, killed: 0, bridge: 0, load: 0 },
  heapBytes: 1_000_000,
  heapPeakBytes: 2_000_000,
  processRssBytes: 90_000_000,
  lastMinute: RATED,
  lastHour: RATED,
}

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
  pii: ['email'],
  cursor: 4,
  lag: 0,
  lastSuccessAt: null,
  lastFailureAt: null,
  lastError: null,
  credential: { state: 'unknown', since: '2026-03-01T12:00:00.000Z', message: null },
  check: null,
  lastErrorCode: null,
  failureStreak: 0,
  oldestWaitingAt: null,
  returnsAt: '2026-03-01T12:30:00.000Z',
  usage: USAGE,
  deliveries: { pending: 0, retrying: 0, dead: 0, delivered: 0 },
  unattended: false,
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
        // Of what does not end the beginning is enough.
        const isEndless = response.headers['content-type']?.startsWith('text/event-stream') === true
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          if (isEndless) response.destroy()
        })
        response.on('error', () => {})
        response.on('close', () => {
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
