/**
 * The machinery between the log and the outside, wired as in `main.ts` over a real database and real sockets. Only the
 * sandbox is a native double: plugins here are functions, and effects and capability calls cross as they would there.
 */
import { createRunCapabilities } from '../../core/capabilities/run-capabilities.ts'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { systemClock } from '../../core/clock.ts'
import type { Clock } from '../../core/clock.ts'
import { createBreakers } from '../../core/delivery/breaker.ts'
import { createMemoryQuota } from '../../core/delivery/memory-quota.ts'
import { createDeliveryEngine } from '../../core/delivery/engine.ts'
import { createScheduler } from '../../core/delivery/schedules.ts'
import type { PlacedInstallation, Said } from '../../core/delivery/ports.ts'
import { send } from '../../core/contract/index.ts'
import { newId } from '../../core/ids.ts'
import { openFormViews } from '../../core/ingest/form-views.ts'
import { takeIn } from '../../core/ingest/take-in.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Limits } from '../../core/limits.ts'
import type { Delivery, FormDefinition, InstallationState, LogEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createForwarding } from '../../core/pump/forwarding.ts'
import { createPump } from '../../core/pump/pump.ts'
import { createRecentEvents } from '../../core/pump/recent-events.ts'
import { createEmbeddedQueue } from '../../core/queue/embedded/queue.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import type { RunEnd } from '../../core/runs/record.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { DeliveryQuery, Submission } from '../../core/storage/store.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { countingMeter } from './counting-meter.ts'
import { DoubleSandbox } from './double-sandbox.ts'
import type { DoublePlugin } from './double-sandbox.ts'

export type { DoublePlugin } from './double-sandbox.ts'

/** An installation in a few words; the rest is usual. */
export interface InstallationSpec extends Partial<Omit<Installation, 'plugin' | 'key'>> {
  readonly id: string
  readonly code: DoublePlugin
  readonly manifest?: object
  readonly state?: InstallationState
  readonly cursor?: number
}

export interface WorldOptions {
  readonly installations: readonly InstallationSpec[]
  readonly limits?: Partial<Limits>
  /** The same folder again: a restart. */
  readonly dir?: string
  readonly clock?: Clock
  readonly alone?: boolean
}

/** What the machinery had to say; shown when a test fails for a reason nobody expected. */
export const said: { readonly level: string; readonly fields: object; readonly message: string }[] = []
const say = (level: string) => (fields: object, message: string) => void said.push({ level, fields, message })
const silent: Logger = { debug: () => {}, info: () => {}, warn: say('warn'), error: say('error'), child: () => silent }

export const CONTACT: FormDefinition = {
  name: 'Contact',
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: '_gotcha',
  fields: [
    { key: 'email', label: 'E-mail', type: 'email', required: false, pii: true, options: [] },
    { key: 'budget', label: 'Budget', type: 'number', required: false, pii: false, options: [] },
  ],
}

export function installation(spec: InstallationSpec): Installation {
  const { id, code, manifest, state: _state, cursor: _cursor, ...rest } = spec
  const on = Object.fromEntries([
    ...Object.keys(code.on ?? {}).map((type) => [type, { data: ['data', 'form', 'response', 'meta'] }] as const),
    ...Object.entries(code.forward ?? {}).map(([type, enqueue]) => [type, { enqueue }] as const),
  ])
  const actions = Object.fromEntries(
    Object.keys(code.actions ?? {}).map((name) => [name, code.forward === undefined ? {} : { data: ['data'] }]),
  )
  const parsed = manifestSchema.parse({
    id: 'double',
    name: 'Double',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    on,
    actions,
    permissions: { kv: true, emit: true, http: { hosts: ['127.0.0.1'] } },
    ...manifest,
  })
  return {
    workspace: 'default',
    id,
    key: `default/${id}`,
    plugin: {
      manifest: parsed,
      dir: '/nowhere',
      origin: 'builtin',
      bundle: { pluginId: parsed.id, version: '1.0.0', code: '', sourceMap: '', hash: '' },
    },
    config: {},
    secrets: new Map(),
    when: { forms: null, events: null, filter: null },
    retry: { delaysMs: [10, 10, 10] },
    concurrency: 8,
    ratePerSecond: null,
    order: 'none',
    ambiguous: 'retry',
    paused: false,
    from: null,
    pii: true,
    http: { hosts: code.hosts ?? [], methods: ['GET', 'POST'] },
    transform: null,
    limits: {
      heapMb: 32,
      sliceMs: 500,
      cpuMs: 500,
      eventWallMs: 10_000,
      actionWallMs: 20_000,
      routeWallMs: 5_000,
      scheduleWallMs: 60_000,
      transformWallMs: 250,
      hostOpsMax: 50,
      httpCallsMax: 20,
      logLinesMax: 100,
    },
    group: 'builtin',
    hardened: false,
    hash: id,
    ...rest,
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

/** `await using world = await openWorld({...})`: the form `contact` exists, the installations run. */
export async function openWorld(options: WorldOptions) {
  const own = options.dir === undefined ? await tempDir('delivery') : null
  const dir = options.dir ?? own?.path ?? ''
  const limits: Limits = { ...LIMITS, ...options.limits }
  const clock = options.clock ?? systemClock
  const counts = new Map<string, number>()
  const store = await openSqliteStore({
    dir,
    limits,
    logger: silent,
    onFatal: (error) => {
      throw error
    },
    nowMs: clock.nowMs,
  })
  const recent = createRecentEvents(limits)
  const views = openFormViews(store)
  const breakers = createBreakers(limits)
  const sandbox = new DoubleSandbox()
  const http = createGuardedHttp({ allow: ['127.0.0.1/32'], limits })
  const queue = createEmbeddedQueue({ clock, logger: silent, lanes: () => [] })
  const disabled: { key: string; reason: string }[] = []
  const refusals: { key: string; message: string }[] = []
  const states = new Map<string, InstallationState>()
  const events: LogEvent[] = []
  const runs: RunEnd[] = []
  const published = (told: readonly LogEvent[]): void => {
    events.push(...told)
    views.hear(told)
    recent.add(told)
    engine.heard(told)
    pump.heard(told)
  }
  const shared = {
    store,
    sandbox,
    capabilities: createRunCapabilities({
      store,
      http,
      clock,
      limits,
      breakers: { check: (key, host) => breakers.check(key, host, clock.nowMs()) },
      formOf: (workspace, id) => views.newest(workspace, id),
    }),
    queue,
    memoryQuota: createMemoryQuota(store, limits),
    formOf: views.of,
    published,
    runs: { record: (end: RunEnd) => void runs.push(end) },
    logger: silent,
    meter: countingMeter(counts),
    clock,
    limits,
    random: () => 0.5,
    refused: ({ key }: Installation, { message }: Said): void => {
      refusals.push({ key, message })
      move(key, 'disabled')
    },
  }
  const move = (key: string, state: InstallationState): void => {
    states.set(key, state)
    place(
      options.installations.map((spec) => ({
        ...spec,
        state: states.get(`default/${spec.id}`) ?? spec.state ?? 'ready',
      })),
    )
  }
  const engine = createDeliveryEngine({
    ...shared,
    alone: options.alone ?? true,
    breakers,
    eventInMemory: recent.byId,
    disable: ({ key }, { message }) => {
      disabled.push({ key, reason: message })
      place(options.installations.map((spec) => (`default/${spec.id}` === key ? { ...spec, state: 'disabled' } : spec)))
    },
  })
  const push = (deliveries: readonly Delivery[]): void => engine.push(deliveries)
  const pump = createPump({ ...shared, recent, push })
  const scheduler = createScheduler({ store, queue, push, logger: silent, clock })
  const { forwarding, stored } = createForwarding({ pump, engine, published })
  if ((await store.getForm('default', 'contact')) === undefined) {
    const saved = await store.saveForm({
      workspace: 'default',
      id: 'contact',
      definition: CONTACT,
      managedBy: 'api',
      at: new Date().toISOString(),
      eventId: newId('event'),
      mode: 'create',
    })
    if (saved.event !== null) published([saved.event])
  }
  const head = await store.headSeq()
  const rows = await store.syncInstallations(
    options.installations.map(({ id, cursor }) => ({
      workspace: 'default',
      id,
      plugin: 'double',
      cursor: cursor ?? head,
      at: new Date().toISOString(),
    })),
  )
  function place(specs: readonly InstallationSpec[]): void {
    const list: PlacedInstallation[] = specs.map((spec) => {
      sandbox.code.set(`default/${spec.id}`, spec.code)
      return {
        installation: installation(spec),
        state: spec.state ?? 'ready',
        cursor: rows.find(({ id }) => id === spec.id)?.cursor ?? head,
      }
    })
    engine.setInstallations(list)
    pump.setInstallations(list)
    scheduler.setInstallations(list)
  }
  place(options.installations)
  await queue.start((lane) => {
    const key = `${lane.workspace}/${lane.installation}`
    return lane.kind === 'pump' ? pump.work(key) : lane.kind === 'deliver' ? engine.work(key) : scheduler.work(key)
  })

  const stop = async (graceMs = 2_000): Promise<{ released: number }> => {
    await pump.stop()
    const stopped = await engine.stop(graceMs)
    await queue.stop()
    await http.close()
    await store.close()
    return stopped
  }
  let stopping: Promise<{ released: number }> | null = null
  return {
    dir,
    store,
    engine,
    pump,
    queue,
    scheduler,
    recent,
    breakers,
    sandbox,
    counts,
    disabled,
    /** Credentials that were refused, in order. */
    refusals,
    /** Puts one of the first installations into another state. */
    move,
    /** Everything that was published, in order. */
    events,
    /** Every run that the history was told of, in order. */
    runs,
    limits,
    place,
    published,
    /** One submission to the form `contact` as the hub takes it in: with what installations get in the same transaction. */
    receive: async (data: object | readonly Submission[], accept = store.accept): Promise<void> => {
      const submissions = Array.isArray(data) ? (data as readonly Submission[]) : [submissionOf(data, clock.nowMs())]
      const results = await takeIn({ store: { accept }, forwarding }, submissions)
      stored(results.flatMap((result) => (result.kind === 'stored' || result.kind === 'completed' ? [result] : [])))
    },
    /** Submits to the form `contact` by way of the log alone: stored, then told. */
    submit: async (...answers: readonly object[]): Promise<readonly LogEvent[]> => {
      const results = await store.accept(answers.map((data) => submissionOf(data, clock.nowMs())))
      const accepted = results.flatMap((result) =>
        result.kind === 'stored' || result.kind === 'completed' ? [result.event] : [],
      )
      published(accepted)
      return accepted
    },
    deliveries: async (query: Partial<DeliveryQuery> = {}): Promise<readonly Delivery[]> =>
      (await store.listDeliveries('default', { limit: 1_000, ...query })).items,
    /** Waits until nothing waits any more. */
    settled: async () => {
      await until('the pump to catch up', async () => pump.lag(), {
        accept: (lags) => lags.every(([, lag]) => lag === 0),
      })
      await until('every delivery to end', () => store.laneCounts(), {
        accept: (lanes) => lanes.every(({ pending, retrying }) => pending + retrying === 0),
      })
    },
    /** Waits until every running installation has read the whole log. */
    caughtUp: () =>
      until('the pump to catch up', async () => pump.lag(), { accept: (lags) => lags.every(([, lag]) => lag === 0) }),
    stop: (graceMs?: number) => (stopping ??= stop(graceMs)),
    [Symbol.asyncDispose]: async () => {
      await (stopping ??= stop())
      await own?.[Symbol.asyncDispose]()
    },
  }
}

export const submissionOf = (data: object, nowMs = Date.now(), more: Partial<Submission> = {}): Submission => ({
  workspace: 'default',
  responseId: newId('response'),
  formId: 'contact',
  formVersion: 1,
  status: 'completed',
  data: JSON.stringify(data),
  meta: '{"ip":"192.0.2.7"}',
  clientId: null,
  startedAt: null,
  at: new Date(nowMs).toISOString(),
  eventId: newId('event'),
  idempotency: null,
  ...more,
})

/** A plugin that leaves its requests to the host: an event is forwarded, the action answers with what to send. */
export function forwarder(url: string, options: { permanent4xx?: 'retry' | 'dead' } = {}): DoublePlugin {
  return {
    hosts: [new URL(url).host],
    forward: { 'response.submitted': 'post' },
    actions: {
      post: ([item]) =>
        send({ method: 'POST', url, json: { id: item?.delivery.id ?? '', ...item?.event?.data } }, options),
    },
  }
}

/** A plugin that sends each response's answers to a receiver and reads the status the usual way. */
export function sender(url: string): DoublePlugin {
  return {
    hosts: [new URL(url).host],
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', { answers: event.data ?? {} }) },
    actions: {
      post: async ([item], ctx) => {
        const res = await ctx.http({
          method: 'POST',
          url,
          body: JSON.stringify({ id: item?.delivery.id, ...(item?.input as object) }),
        })
        if (res.status < 300) return { outcome: 'delivered' }
        if (res.status === 410) return { outcome: 'dead', code: 'gone', message: 'Gone.', disable: true }
        const after = Number(res.headers['retry-after'])
        return {
          outcome: 'retry',
          reason: `answered ${res.status}`,
          code: `http_${res.status}`,
          ...(after > 0 ? { afterMs: after * 1000 } : {}),
        }
      },
    },
  }
}
