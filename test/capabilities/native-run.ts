/**
 * Runs a connector's code natively against the real capabilities, the real manifest and real sockets: everything but the
 * sandbox, which has its own tests. What crosses the border crosses it as JSON, as it does there.
 */
import { readFile } from 'node:fs/promises'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { createRunCapabilities, type CapabilityDeps, type OpenRun } from '../../core/capabilities/run-capabilities.ts'
import { systemClock } from '../../core/clock.ts'
import { endingsOf } from '../../core/delivery/send-outcome.ts'
import { HubError } from '../../core/errors.ts'
import type {
  ActionItem,
  Context,
  FinalOutcome,
  HttpResponse,
  HubEvent,
  Json,
  Outcome,
  Plugin,
} from '../../core/contract/index.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Installation } from '../../core/registry/installation.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { resolveInstallation } from '../../core/registry/resolve.ts'
import { compileWithSchema } from '../../core/registry/with-schema.ts'

/** An installation of the plugin in `dir` as `manifold.yaml` would make it; throws what is wrong with `config`. */
export async function installationOf(dir: URL, config: Record<string, unknown>): Promise<Installation> {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(new URL('plugin.json', dir), 'utf8')))
  const resolved = resolveInstallation({
    config: {
      workspace: 'default',
      id: 'under-test',
      use: manifest.id,
      with: config,
      when: {},
      retry: { delaysMs: [] },
      concurrency: null,
      ratePerSecond: null,
      order: 'none',
      ambiguous: 'retry',
      paused: false,
      from: null,
      pii: true,
      place: { file: 'test', line: 1, column: 1 },
    },
    plugin: {
      manifest,
      dir: dir.pathname,
      origin: 'builtin',
      bundle: { pluginId: manifest.id, version: manifest.version, code: '', sourceMap: '', hash: '' },
    },
    schema: compileWithSchema(manifest.config),
    limits: LIMITS,
    mail: null,
    allow: [],
  })
  if ('problems' in resolved) throw new Error(resolved.problems.join('\n'))
  return resolved.installation
}

export interface NativeRun extends AsyncDisposable {
  readonly installation: Installation
  /** Runs an action for one item; the outcome, and what passed the border. */
  act(item: ActionItem): Promise<{ outcome: FinalOutcome; run: OpenRun }>
  /** The capabilities of a run that does nothing by itself. */
  open(): OpenRun
  /** Runs the handler of an event; what it enqueued. */
  handle(event: HubEvent): Promise<readonly { action: string; input: Json }[]>
}

/** `await using hub = await nativeRun(...)`; requests may reach loopback. */
export async function nativeRun(plugin: Plugin<never>, dir: URL, config: Record<string, unknown>): Promise<NativeRun> {
  const installation = await installationOf(dir, config)
  const http = createGuardedHttp({ allow: ['127.0.0.0/8'], limits: LIMITS })
  const none = () => Promise.reject(new Error('this plugin does not read storage'))
  const store: CapabilityDeps['store'] = {
    kvGet: none,
    kvList: none,
    tallies: none,
    getResponse: none,
    listResponses: none,
  }
  const capabilities = createRunCapabilities({
    store,
    http,
    clock: systemClock,
    limits: LIMITS,
    formOf: () => undefined,
  })
  const frozen = JSON.parse(JSON.stringify(installation.config)) as never
  const open = () => {
    const run = capabilities.open(installation)
    return { run, ...contextOf(run, installation.id, frozen) }
  }
  return {
    installation,
    act: async (item) => {
      const { run, context } = open()
      const action = Object.values(plugin.actions ?? {})[0]
      const answer = await action?.run([JSON.parse(JSON.stringify(item)) as ActionItem], context as never)
      const outcomes = (Array.isArray(answer) ? answer : [answer ?? { outcome: 'delivered' }]) as Outcome[]
      const sent = JSON.parse(JSON.stringify(outcomes)) as Outcome[]
      const [ending] = (await endingsOf(sent, { handler: run.handler, nowMs: Date.now, startUntilMs: Infinity })) ?? []
      if (ending instanceof HubError) throw ending
      return { outcome: ending as FinalOutcome, run }
    },
    open: () => capabilities.open(installation),
    handle: async (event) => {
      const { context, enqueued } = open()
      await plugin.on?.[event.type]?.(event, context as never)
      return enqueued
    },
    [Symbol.asyncDispose]: () => http.close(),
  }
}

function contextOf(run: OpenRun, installation: string, config: never) {
  const enqueued: { action: string; input: Json }[] = []
  const unused = (): never => {
    throw new Error('not part of a native run')
  }
  const context: Context = {
    config,
    run: { id: newId('run'), installation, attempt: 1, deadlineMs: Date.now() + 20_000 },
    signal: new AbortController().signal,
    enqueue: (action, input) => void enqueued.push({ action, input }),
    http: async (request) => {
      const answer = await run.handler('http', JSON.parse(JSON.stringify(request)) as Json)
      const response = JSON.parse(JSON.stringify(answer)) as Omit<HttpResponse, 'json'>
      return { ...response, json: () => JSON.parse(response.body) as Json }
    },
    email: unused,
    kv: { get: unused, set: unused, delete: unused, list: unused },
    secret: (name) => ({ $secret: name }),
    hmac: unused,
    sign: unused,
    token: unused,
    responses: { get: unused, list: unused },
    verify: unused,
    submit: unused,
    forms: { get: unused, ensure: unused },
    hooks: { list: unused, get: unused, note: unused, remove: unused },
    emit: unused,
    tally: unused,
    tallies: unused,
    log: { debug: unused, info: unused, warn: unused, error: unused },
    metric: unused,
  }
  return { context, enqueued }
}

/** An item of a delivery caused by a completed response. */
export function submittedItem(data: { readonly [key: string]: Json }, rest: Partial<HubEvent> = {}): ActionItem {
  const at = '2026-03-01T12:00:00.000Z'
  return {
    input: null,
    delivery: { id: newId('delivery'), attempt: 1, repeat: false, createdAt: at },
    event: {
      id: newId('event'),
      type: 'response.submitted',
      v: 1,
      at,
      data,
      form: {
        id: 'contact',
        name: 'Contact us',
        version: 3,
        fields: [
          { key: 'email', label: 'E-mail', type: 'email', required: true, pii: true },
          { key: 'budget', label: 'Budget', type: 'number', required: false, pii: false },
          { key: 'topics', label: 'Topics', type: 'multi_select', required: false, pii: false },
        ],
      },
      response: { id: newId('response'), status: 'completed', startedAt: null, submittedAt: at },
      meta: { ip: '203.0.113.7', user_agent: 'curl/8', utm: { source: 'ads' } },
      ...rest,
    },
  }
}
