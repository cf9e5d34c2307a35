/** `await using plugin = await testPlugin({...})`: one installation of a plugin in a hub of its own, in a test's hands. */
import type { HookEvent, Json, RouteRequest, RouteResponse } from '../contract/index.ts'
import { rfc3339 } from '../clock.ts'
import { parseDurationMs } from '../config/durations.ts'
import type { FormWire } from '../ingest/form-definition.ts'
import type {
  CheckFinding,
  Delivery,
  DeliveryState,
  Exchange,
  Form,
  Hook,
  InstallationState,
  Quarantined,
  RunLog,
  StoredResponse,
} from '../model.ts'
import { eventSettings } from '../config/event-settings.ts'
import { newId } from '../ids.ts'
import { openInlet } from '../ingest/inlet.ts'
import { runCheck } from '../registry/check-call.ts'
import type { Installation } from '../registry/installation.ts'
import type { Manifest } from '../registry/manifest.ts'
import { openRouteCall } from '../registry/route-call.ts'
import { matchRoute } from '../registry/route-match.ts'
import { leavingHeaders, seenHeaders } from '../registry/route-wire.ts'
import type { Run } from '../sandbox/sandbox.ts'
import { runDirectly } from './direct-run.ts'
import type { RunOutcome, TestItem } from './direct-run.ts'
import { createManualClock } from './manual-clock.ts'
import { folderOf, installationOf } from './open-folder.ts'
import type { InstallOptions, PluginSource } from './open-folder.ts'
import { record, saveForm, submit } from './recorded-events.ts'
import type { RecordedEvent, SubmitOptions, TestResponse } from './recorded-events.ts'
import type { RecordedRun } from './recorder.ts'
import { openRooms } from './rooms.ts'
import type { TestRooms } from './rooms.ts'
import type { ScriptedEmail } from './scripted-email.ts'
import type { ScriptedHttp } from './scripted-http.ts'

export interface TestPluginOptions extends PluginSource, InstallOptions {
  /** Forms by id, as the API and manifold.yaml write them. */
  readonly forms?: Readonly<Record<string, FormWire>>
  /** Where time stands. Default: 2026-01-01T00:00:00Z. */
  readonly now?: string | number | Date
}

/** A delivery as a test looks at it. */
export interface TestDelivery {
  readonly id: string
  /** `handler`: a handler that failed and is tried again. */
  readonly kind: Delivery['kind']
  /** Of the action, event type or schedule. */
  readonly name: string
  /** The same key is enqueued once, for ever. */
  readonly key: string | null
  readonly input: Json
  readonly state: DeliveryState
  readonly attempts: number
  readonly dueAtMs: number
  readonly errorCode: string | null
  readonly error: string | null
}

/** What handlers made of events. */
export interface Emitted {
  readonly eventIds: readonly string[]
  /** New deliveries of actions; they run with `settle`. */
  readonly enqueued: readonly TestDelivery[]
  /** Of handlers that failed; the hub would try them again. */
  readonly errors: readonly { readonly code: string; readonly message: string }[]
}

/** What became of answers, and what handlers made of their event. */
export interface Submitted extends Emitted {
  readonly response: TestResponse
}

/** What a request says beside its line. */
export interface TestRequest extends Partial<Pick<RouteRequest, 'query' | 'headers'>> {
  readonly body?: string | Uint8Array
}

export interface TestPlugin extends AsyncDisposable {
  /** Replies of the outside, and the requests that went there. */
  readonly http: ScriptedHttp
  /** E-mail that was sent, and what the mail server says to it. */
  readonly email: ScriptedEmail
  /** Unix ms: where time stands. */
  now(): number
  /** Answers to a form of `forms`, through the hub's own checks and the plugin's transform; the handlers run. */
  submit(form: string, answers: { readonly [key: string]: Json }, options?: SubmitOptions): Promise<Submitted>
  /** Events as JSON, recorded or made up; the handlers run. */
  emit(...events: readonly RecordedEvent[]): Promise<Emitted>
  /** Runs what is due now, until nothing is. Answers all deliveries, oldest first. */
  settle(): Promise<readonly TestDelivery[]>
  /** Lets time pass (`'5m'` or ms): retries, batches that wait, schedules. Answers all deliveries. */
  advance(time: string | number): Promise<readonly TestDelivery[]>
  /** One run of an action for these items, now; one outcome an item. */
  run(action: string, items?: readonly TestItem[]): Promise<readonly RunOutcome[]>
  /** One firing of a schedule, now. */
  fire(schedule: string, tick?: { readonly missed?: number }): Promise<RunOutcome>
  /** One run of the plugin's check; secrets are masked. */
  check(): Promise<readonly CheckFinding[]>
  /** A request to one of the plugin's own routes (`'GET /total?of=all'`); answers the headers that may leave. */
  request(route: string, request?: TestRequest): Promise<RouteResponse>
  deliveries(): Promise<readonly TestDelivery[]>
  /** What is stored, oldest first, and what waits in quarantine. */
  responses(): Promise<readonly StoredResponse[]>
  quarantine(): Promise<readonly Quarantined[]>
  form(id: string): Promise<Form | undefined>
  /** Makes the form, or a new version of it, as manifold.yaml would. */
  saveForm(id: string, wire: FormWire): Promise<void>
  readonly kv: {
    get(key: string): Promise<Json | undefined>
    keys(prefix?: string): Promise<readonly string[]>
  }
  tallies(prefix?: string): Promise<Readonly<Record<string, number>>>
  /** Who asked to be sent events, for plugins that carry out hooks. */
  readonly hooks: {
    /** As if somebody had asked at `/api/v2/hooks`; answers its id. */
    add(hook: TestHook): Promise<string>
    /** Oldest first, with how sending went. */
    list(): Promise<readonly Hook[]>
  }
  /** What the plugin said with `ctx.emit`, without `plugin.<id>.` before the name. */
  events(): readonly { readonly name: string; readonly data: Json }[]
  /** Every run so far. */
  readonly runs: readonly RecordedRun[]
  /** Lines of all runs, secrets masked. */
  logs(): readonly RunLog[]
  metrics(): Readonly<Record<string, number>>
  /** Requests and answers as the delivery log shows them: secrets masked. */
  exchanges(): readonly Exchange[]
  /** `disabled` when a receiver said that it is gone, or does not accept the credential. */
  state(): InstallationState
  /** Why it stands still; `credential: …` when the receiver does not accept it. Null while it runs. */
  reason(): string | null
  /** What an admin does who has mended it: it goes on where it stood, with `settle`. */
  resume(): void
}

export interface TestHook extends Partial<Pick<Hook, 'source' | 'zapId' | 'hubUrl' | 'expiresAtMs'>> {
  readonly event: HookEvent
  readonly url: string
  /** Default: every form. */
  readonly form?: string
}

const SUBMITTED: ReadonlySet<string> = new Set(['response.submitted', 'response.partial'])
const NOW = '2026-01-01T00:00:00.000Z'
const LIST_MAX = 1_000

/** Loads the plugin into a real sandbox; rejects with everything that is wrong with its manifest, code or settings. */
export async function testPlugin(options: TestPluginOptions): Promise<TestPlugin> {
  return (await openPlugin(options)).plugin
}

/** The same, with the rooms behind it: what checks need that no author should. */
export async function openPlugin(
  options: TestPluginOptions,
): Promise<{ readonly plugin: TestPlugin; readonly rooms: TestRooms }> {
  const startMs = new Date(options.now ?? NOW).getTime()
  if (Number.isNaN(startMs)) throw new TypeError(`now: "${String(options.now)}" is no time.`)
  await using closers = new AsyncDisposableStack()
  const clock = createManualClock(startMs)
  const dir = await folderOf(options, closers)
  const installation = await installationOf(dir, options)
  const rooms = await openRooms(installation, clock, closers)
  for (const [id, wire] of Object.entries(options.forms ?? {})) await saveForm(rooms, id, wire)
  await rooms.work(['schedule', 'pump', 'deliver'])
  const open = closers.move()
  return { plugin: { ...handsOn(rooms), [Symbol.asyncDispose]: () => open.disposeAsync() }, rooms }
}

/** Does it, and throws what a reply of the test threw meanwhile: an assertion in there must not pass for a retry. */
async function told<T>({ replyFailed }: TestRooms, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    replyFailed()
  }
}

function handsOn(rooms: TestRooms): Omit<TestPlugin, typeof Symbol.asyncDispose> {
  const { clock, queue, recorder, script, email } = rooms
  const settle = async (): Promise<readonly TestDelivery[]> => {
    rooms.wakeDeliveries()
    await rooms.work(['schedule', 'pump', 'deliver'])
    return await listed(rooms)
  }
  const advance = async (time: string | number): Promise<readonly TestDelivery[]> => {
    const spanMs = typeof time === 'number' ? time : parseDurationMs(time)
    if (spanMs === undefined || !Number.isFinite(spanMs) || spanMs < 0)
      throw new TypeError(`"${time}" is no time; write for example 1500, '30s' or '5m'.`)
    const untilMs = clock.nowMs() + spanMs
    await settle()
    for (let nextMs = queue.nextMs(); nextMs !== null && nextMs <= untilMs; nextMs = queue.nextMs()) {
      clock.moveTo(nextMs)
      await settle()
    }
    clock.moveTo(untilMs)
    return await settle()
  }
  return {
    http: script,
    email,
    now: clock.nowMs,
    submit: async (form, answers, options = {}) => {
      let response: TestResponse | undefined
      const emitted = await handled(rooms, async () => {
        response = await submit(rooms, { form, answers, ...options })
        const { id } = response
        return rooms.log
          .filter(({ type, responseId }) => responseId === id && SUBMITTED.has(type))
          .map((each) => each.id)
      })
      return { ...emitted, response: response as TestResponse }
    },
    emit: (...events) =>
      handled(rooms, async () => {
        const ids: string[] = []
        for (const event of events) ids.push(await record(rooms, event))
        return ids
      }),
    settle: () => told(rooms, settle),
    advance: (time) => told(rooms, () => advance(time)),
    run: async (action, items = [{}]) => {
      const { batch } = declared(rooms, 'actions', action)
      if (items.length > batch.max)
        throw new TypeError(`"${action}" gets at most ${batch.max} at once (batch.max), not ${items.length}.`)
      return told(rooms, () => runDirectly(rooms, { kind: 'action', name: action, items }))
    },
    fire: async (schedule, { missed = 0 } = {}) => {
      declared(rooms, 'schedules', schedule)
      const items = [{ input: { at: new Date(clock.nowMs()).toISOString(), missed } }]
      const [outcome] = await told(rooms, () => runDirectly(rooms, { kind: 'schedule', name: schedule, items }))
      return outcome as RunOutcome
    },
    check: () => told(rooms, () => checkItself(rooms)),
    request: (route, request = {}) => told(rooms, () => askRoute(rooms, route, request)),
    deliveries: () => listed(rooms),
    ...looksAt(rooms),
    runs: recorder.runs,
    logs: () => recorder.runs.flatMap(({ logs }) => logs),
    metrics: () => {
      const sums: Record<string, number> = {}
      for (const { metrics } of recorder.runs) for (const { name, by } of metrics) sums[name] = (sums[name] ?? 0) + by
      return sums
    },
    exchanges: recorder.exchanges,
    state: rooms.state,
    reason: rooms.reason,
    resume: () => rooms.place('ready'),
  }
}

type Part = 'actions' | 'schedules' | 'routes'

/** What the manifest says of it. A name that it does not know is a slip of the test. */
function declared<P extends Part>({ installation }: TestRooms, part: P, name: string): Manifest[P][string] {
  const all = installation.plugin.manifest[part]
  if (Object.hasOwn(all, name)) return all[name] as Manifest[P][string]
  throw new TypeError(`The manifest has "${name}" not among its ${part}: ${Object.keys(all).join(', ') || 'none'}.`)
}

/** What the plugin left in storage. */
function looksAt(
  rooms: TestRooms,
): Pick<TestPlugin, 'kv' | 'tallies' | 'hooks' | 'events' | 'responses' | 'quarantine' | 'form' | 'saveForm'> {
  const { store, clock, installation, log } = rooms
  const { workspace } = installation
  const owner = { workspace: installation.workspace, installation: installation.id }
  const prefix = `plugin.${installation.plugin.manifest.id}.`
  return {
    kv: {
      get: async (key) => {
        const text = await store.kvGet({ ...owner, key, nowMs: clock.nowMs() })
        return text === undefined ? undefined : (JSON.parse(text) as Json)
      },
      keys: async (start = '') =>
        (await store.kvList({ ...owner, prefix: start, after: null, limit: LIST_MAX, nowMs: clock.nowMs() })).keys,
    },
    responses: async () => (await store.listResponses(workspace, { limit: LIST_MAX })).items.toReversed(),
    quarantine: async () => (await store.listQuarantine(workspace, { limit: LIST_MAX })).items.toReversed(),
    form: (id) => store.getForm(workspace, id),
    saveForm: (id, wire) => saveForm(rooms, id, wire),
    tallies: (start = '') =>
      store.tallies({ ...owner, prefix: start, after: null, limit: rooms.limits.pluginTalliesMax }),
    hooks: hooksOf(rooms),
    events: () =>
      log
        .filter(({ type }) => type.startsWith(prefix))
        .map(({ type, data }) => ({ name: type.slice(prefix.length), data: JSON.parse(data ?? 'null') as Json })),
  }
}

function hooksOf({ store, clock, installation: { workspace }, hooks }: TestRooms): TestPlugin['hooks'] {
  return {
    add: async ({ event, url, form = null, source = 'other', zapId = null, hubUrl = null, expiresAtMs = null }) => {
      const nowMs = clock.nowMs()
      const hook = { id: newId('hook', nowMs), workspace, keyId: 'test', source, zapId, targetUrl: url, hubUrl, event }
      const saved = await store.saveHook({ ...hook, formId: form, expiresAtMs, at: rfc3339(nowMs), ofAnyKey: false })
      return saved.hook.id
    },
    list: async () => {
      await hooks.flush()
      return (await store.listHooks(workspace, { limit: LIST_MAX })).items.toReversed()
    },
  }
}

async function handled(rooms: TestRooms, putIn: () => Promise<readonly string[]>): Promise<Emitted> {
  const before = new Set((await listed(rooms)).map(({ id }) => id))
  const eventIds = await putIn()
  await rooms.work(['pump'])
  const made = (await listed(rooms)).filter(({ id }) => !before.has(id))
  return {
    eventIds,
    enqueued: made.filter(({ kind }) => kind === 'action'),
    errors: made
      .filter(({ kind }) => kind === 'handler')
      .map(({ errorCode, error }) => ({ code: errorCode ?? '', message: error ?? '' })),
  }
}

async function listed({ store, installation, keyOf }: TestRooms): Promise<readonly TestDelivery[]> {
  const { items } = await store.listDeliveries(installation.workspace, { limit: LIST_MAX })
  return items.toReversed().map((delivery) => ({
    id: delivery.id,
    kind: delivery.kind,
    name: delivery.name,
    key: keyOf(delivery.id),
    input: JSON.parse(delivery.input) as Json,
    state: delivery.state,
    attempts: delivery.attempts,
    dueAtMs: delivery.dueAtMs,
    errorCode: delivery.errorCode,
    error: delivery.error,
  }))
}

async function checkItself(rooms: TestRooms): Promise<readonly CheckFinding[]> {
  const { installation, recorder } = rooms
  if (!installation.plugin.manifest.check) throw new TypeError('The manifest says nothing of a check: "check": true.')
  return runCheck({ ...rooms, sandbox: recorder.sandbox }, installation)
}

async function askRoute(rooms: TestRooms, route: string, request: TestRequest): Promise<RouteResponse> {
  const [line = '', search] = route.split('?')
  const [method = '', path = ''] = line.split(' ')
  const { installation } = rooms
  if (matchRoute(installation.plugin.manifest.routes, { method, path }) === undefined) declared(rooms, 'routes', line)
  await rooms.recorder.ready()
  const member = {
    installation,
    state: rooms.state(),
    reason: null,
    returnsAtMs: null,
    pausesAtMs: [],
    refusedHash: null,
  }
  const inlet = openInlet({
    ...rooms,
    events: eventSettings(),
    admission: () => {},
    onAccepted: rooms.stored,
  }).ofPlugins
  const roster = { find: () => member, isUp: () => true, loaded: async () => {} }
  const { sandbox } = rooms.recorder
  const openRoutes = {
    ready: async () => {},
    isUp: () => true,
    run: ({ key }: Installation, run: Run) => sandbox.runEach(key, run),
  }
  const call = openRouteCall({ ...rooms, inlet, sandbox, openRoutes, roster })
  const query = { ...Object.fromEntries(new URLSearchParams(search)), ...request.query }
  const headers = seenHeaders(request.headers ?? {})
  const bytes = Buffer.from(request.body ?? '')
  if (bytes.length > rooms.limits.pluginRouteBodyBytesMax)
    throw new TypeError(`The body of a request has at most ${rooms.limits.pluginRouteBodyBytesMax} bytes.`)
  const asked = { query, headers, method, path, bytes: bytes.toString('base64') }
  const { workspace, id } = installation
  const answer = await call({
    workspace,
    area: null,
    installation: id,
    requestId: null,
    seesErrors: true,
    request: asked,
  })
  rooms.wakeDeliveries()
  return answer.headers === undefined ? answer : { ...answer, headers: leavingHeaders(answer.headers) }
}
