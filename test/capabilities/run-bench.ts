/** Opens runs of a plain installation over a real receiver, a real guarded client and a real store. */
import { expect } from 'vitest'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { createRunCapabilities, type CapabilityDeps } from '../../core/capabilities/run-capabilities.ts'
import { systemClock } from '../../core/clock.ts'
import type { Json } from '../../core/contract/index.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

/** How the installation of a run differs from a plain one. */
export interface Setup {
  readonly hosts?: readonly string[]
  readonly methods?: readonly string[]
  readonly secrets?: Readonly<Record<string, string>>
  readonly permissions?: { kv?: boolean; responses?: boolean }
  readonly pii?: Installation['pii']
  readonly workspace?: string
  readonly limits?: Partial<Limits>
  readonly hostOpsMax?: number
  readonly httpCallsMax?: number
  readonly breakers?: CapabilityDeps['breakers']
  readonly deadlineMs?: number
  readonly formOf?: CapabilityDeps['formOf']
  readonly clock?: CapabilityDeps['clock']
}

/** What the runs belong to: granted `hosts`, else the host at `port`. */
export function installation(setup: Setup, port: number): Installation {
  const manifest = manifestSchema.parse({
    id: 'probe',
    name: 'Probe',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    permissions: setup.permissions ?? {},
  })
  const workspace = setup.workspace ?? 'default'
  return {
    workspace,
    id: 'probe',
    key: `${workspace}/probe`,
    plugin: {
      manifest,
      dir: '/',
      origin: 'community',
      bundle: { pluginId: 'probe', version: '1.0.0', code: '', sourceMap: '', hash: '' },
    },
    config: {},
    secrets: new Map(Object.entries(setup.secrets ?? {})),
    when: { forms: null, events: null, filter: null },
    retry: { delaysMs: [] },
    concurrency: 1,
    ratePerSecond: null,
    order: 'none',
    ambiguous: 'retry',
    paused: false,
    from: null,
    pii: setup.pii ?? false,
    http: { hosts: setup.hosts ?? [`127.0.0.1:${port}`], methods: setup.methods ?? ['GET', 'POST'] },
    transform: null,
    limits: {
      heapMb: 32,
      sliceMs: 500,
      cpuMs: 500,
      eventWallMs: 1,
      actionWallMs: 1,
      routeWallMs: 1,
      scheduleWallMs: 1,
      transformWallMs: 1,
      hostOpsMax: setup.hostOpsMax ?? 50,
      httpCallsMax: setup.httpCallsMax ?? 20,
      logLinesMax: 1,
    },
    group: 'community',
    hardened: false,
    hash: '',
  }
}

/** `const bench = await openRunBench()`; close it in `afterAll`. */
export async function openRunBench() {
  const receiver = await startReceiver()
  const http = createGuardedHttp({ allow: ['127.0.0.1'], limits: LIMITS })
  const dir = await tempDir('capabilities')
  const store = await openSqliteStore({
    dir: dir.path,
    limits: LIMITS,
    logger: quiet,
    onFatal: (error) => {
      throw error
    },
  })

  /** Opens runs of one and the same installation. */
  function serve(setup: Setup = {}) {
    const deps: CapabilityDeps = {
      store,
      http,
      clock: setup.clock ?? systemClock,
      limits: { ...LIMITS, ...setup.limits },
      formOf: setup.formOf ?? (() => undefined),
      ...(setup.breakers === undefined ? {} : { breakers: setup.breakers }),
    }
    const capabilities = createRunCapabilities(deps)
    const served = installation(setup, receiver.port)
    return () => {
      const run = capabilities.open(served, { deadlineMs: setup.deadlineMs })
      return { ...run, call: (name: string, args: unknown) => run.handler(name, args as Json) }
    }
  }

  const open = (setup: Setup = {}) => serve(setup)()

  const post = (rest: Record<string, unknown> = {}) => ({ method: 'POST', url: `${receiver.url}/`, ...rest })

  async function sent(request: Record<string, unknown>, setup: Setup = {}) {
    receiver.forget()
    const run = open(setup)
    const answer = (await run.call('http', request)) as {
      status: number
      headers: Record<string, string>
      body: string
      truncated: boolean
    }
    return { run, answer, got: receiver.requests[0], exchange: run.exchanges[0] }
  }

  const refused = async (request: Record<string, unknown>, setup: Setup = {}) => {
    receiver.forget()
    const run = open(setup)
    const error = await run.call('http', request).then(
      () => ({ code: 'answered', message: '' }),
      (thrown: unknown) => thrown as { code: string; message: string },
    )
    expect(receiver.requests).toEqual([])
    return { code: error.code, message: error.message, run }
  }

  const close = async (): Promise<void> => {
    await http.close()
    await store.close()
    await receiver[Symbol.asyncDispose]()
    await dir[Symbol.asyncDispose]()
  }
  return { receiver, store, open, serve, post, sent, refused, close }
}
