/**
 * Program of the process of one native plugin. It runs with the rights of the hub's user and an empty environment, so that a
 * native library that crashes or blocks takes nobody with it. It ends itself when its hub is gone.
 */
import { mkdir } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type {
  ActionItem,
  FormPart,
  FormPage,
  HubEvent,
  Json,
  LadderCounts,
  LadderHeld,
  LoggedEvent,
  NativePlugin,
  Outcome,
  Plugin,
} from '../contract/index.ts'
import type { RunInput, RunValue, UnitSurface } from '../sandbox/sandbox.ts'
import { makeContext, nothingAsked } from './context.ts'
import { CpuShare } from './cpu-share.ts'
import type { ErrorText, FromNative, LogRead, NativeResult, NativeRun, ToNative } from './protocol.ts'

interface Opened {
  readonly key: string
  readonly config: { readonly [key: string]: Json }
  readonly plugin: Awaited<ReturnType<NativePlugin>>
}

const opened = new Map<string, Opened>()
/** By key, what is being opened: it can be shut only once it is there. */
const opening = new Map<string, Promise<void>>()
const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
/** By id, what ends the waiting of runs that are under way. */
const cancels = new Map<string, AbortController>()
let calls = 0
const cpuShare = new CpuShare(() => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
})

const send = (message: FromNative): void => void process.send?.(message)

const textOf = (error: unknown): ErrorText => {
  if (!(error instanceof Error)) return { message: String(error), stack: '' }
  const { code } = error as { readonly code?: unknown }
  return { message: error.message, stack: error.stack ?? '', ...(typeof code === 'string' ? { code } : {}) }
}

/** Asks the hub; rejects with a CapabilityError. */
function ask(key: string, run: string | null, { name, args }: { name: string; args: object }): Promise<unknown> {
  calls += 1
  const call = calls
  return new Promise((resolve, reject) => {
    waiting.set(call, { resolve, reject })
    send({ kind: 'call', call, key, run, name, args: args as Json })
  })
}

async function open({
  key,
  main,
  dir,
  grant,
  config: text,
}: Extract<ToNative, { kind: 'open' }>): Promise<UnitSurface> {
  const config = JSON.parse(text) as Opened['config']
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const { default: make } = (await import(main)) as { readonly default?: unknown }
  if (typeof make !== 'function') throw new Error('its main file has to export defineNative(…) as default')
  const [workspace = '', installation = ''] = key.split('/')
  const plugin = await (make as NativePlugin)({
    config,
    installation,
    workspace,
    dir,
    grant,
    log: {
      read: async (query) => logged((await ask(key, null, { name: 'log.read', args: query })) as LogRead),
      head: () => ask(key, null, { name: 'log.head', args: {} }) as Promise<number>,
    },
    forms: {
      find: async (id) => {
        const text = (await ask(key, null, { name: 'forms.find', args: { id } })) as string | null
        return text === null ? null : (JSON.parse(text) as FormPart)
      },
      list: (query) => ask(key, null, { name: 'forms.list', args: query }) as Promise<FormPage>,
    },
    cache: {
      get: (name) => ask(key, null, { name: 'cache.get', args: { key: name } }) as Promise<string | null>,
      put: async (name, text) => void (await ask(key, null, { name: 'cache.put', args: { key: name, text } })),
      textBytesMax: () => ask(key, null, { name: 'cache.max', args: {} }) as Promise<number>,
    },
    ladder: {
      read: (query) => ask(key, null, { name: 'ladder.read', args: query }) as Promise<LadderCounts | null>,
      held: () => ask(key, null, { name: 'ladder.held', args: {} }) as Promise<readonly LadderHeld[] | null>,
    },
    say: (level, message, fields = {}) => send({ kind: 'say', key, level, message, fields }),
  })
  opened.set(key, { key, config, plugin })
  return surfaceOf(plugin)
}

function logged({ texts, seqs, forms, formAt, next }: LogRead) {
  const parsed = forms.map((text) => JSON.parse(text) as NonNullable<HubEvent['form']>)
  const events = texts.map((text, n): LoggedEvent => {
    const form = parsed[formAt[n] ?? -1]
    return Object.assign(JSON.parse(text) as HubEvent, form === undefined ? null : { form }, { seq: seqs[n] ?? 0 })
  })
  return { events, next }
}

const surfaceOf = (plugin: Plugin): UnitSurface => ({
  on: Object.keys(plugin.on ?? {}),
  actions: Object.keys(plugin.actions ?? {}),
  schedules: Object.keys(plugin.schedules ?? {}),
  routes: Object.keys(plugin.routes ?? {}),
  transform: plugin.transform !== undefined,
  check: plugin.check !== undefined,
})

async function shut(key: string): Promise<void> {
  await opening.get(key)
  const unit = opened.get(key)
  opened.delete(key)
  await unit?.plugin.close?.()
}

async function runOne(unit: Opened, run: NativeRun): Promise<NativeResult> {
  const startedMs = performance.now()
  const endCpu = cpuShare.begin()
  const asked = nothingAsked()
  const { key, config } = unit
  const cancel = new AbortController()
  cancels.set(run.id, cancel)
  const ctx = makeContext(run, {
    installation: key.slice(key.indexOf('/') + 1),
    config,
    asked,
    deadlineMs: run.deadlineMs ?? Date.now() + run.wallMs,
    cancelled: cancel.signal,
    call: (name, args) => ask(key, run.id, { name, args }),
  })
  const over = (): Pick<NativeResult, 'logs' | 'cpuMs' | 'durationMs'> => ({
    logs: asked.logs,
    cpuMs: endCpu(),
    durationMs: performance.now() - startedMs,
  })
  try {
    const value = await valueOf(unit.plugin, run, ctx)
    return { value, effects: asked.effects, error: null, ...over() }
  } catch (error) {
    return { value: null, effects: nothingAsked().effects, error: textOf(error), ...over() }
  } finally {
    cancels.delete(run.id)
  }
}

async function valueOf(plugin: Plugin, run: NativeRun, ctx: ReturnType<typeof makeContext>): Promise<RunValue> {
  const { input } = run
  if (input.kind === 'event') {
    const event = { ...(JSON.parse(input.eventJson) as HubEvent), seq: run.seq } as LoggedEvent
    await plugin.on?.[input.type]?.(event, ctx)
    return null
  }
  if (input.kind === 'schedule') {
    await plugin.schedules?.[input.name]?.(input.tick, ctx)
    return null
  }
  if (input.kind === 'route') return (await plugin.routes?.[input.name]?.(input.request, ctx)) ?? {}
  if (input.kind === 'action') {
    const items = input.itemsJson.map((text) => JSON.parse(text) as ActionItem)
    return outcomesOf(await plugin.actions?.[input.name]?.run(items, ctx), items.length)
  }
  throw new Error(`a native plugin has no ${input.kind}`)
}

/** One an item: nothing means delivered, one alone stands for all. */
const outcomesOf = (value: readonly Outcome[] | Outcome | void, count: number): readonly Outcome[] =>
  Array.isArray(value)
    ? value
    : Array.from({ length: count }, () => (value as Outcome | undefined) ?? { outcome: 'delivered' })

async function receive(message: ToNative): Promise<void> {
  if (message.kind === 'answer') {
    const caller = waiting.get(message.call)
    waiting.delete(message.call)
    const { error } = message
    if (error === undefined) caller?.resolve(message.value)
    else caller?.reject(Object.assign(new Error(error.message), { name: 'CapabilityError', code: error.code }))
    return
  }
  if (message.kind === 'cancel') return cancels.get(message.run)?.abort()
  if (message.kind === 'there') return send({ kind: 'here' })
  const { key } = message
  if (message.kind === 'open') {
    const done = open(message).then(
      (surface) => send({ kind: 'opened', key, surface }),
      (error: unknown) => send({ kind: 'opened', key, error: textOf(error) }),
    )
    opening.set(key, done)
    await done
    if (opening.get(key) === done) opening.delete(key)
  } else if (message.kind === 'shut') {
    await shut(key).catch((error: unknown) =>
      send({ kind: 'say', key, level: 'warn', message: 'a native plugin did not close', fields: { ...textOf(error) } }),
    )
    send({ kind: 'shut', key })
  } else {
    const unit = opened.get(key)
    for (const run of message.runs) {
      const result = unit === undefined ? notOpen(run.input) : await runOne(unit, run)
      send({ kind: 'ran', lane: message.lane, result })
    }
  }
}

const notOpen = (input: RunInput): NativeResult => ({
  value: null,
  effects: nothingAsked().effects,
  logs: [],
  cpuMs: 0,
  durationMs: 0,
  error: { message: `the installation is not open, so its ${input.kind} cannot run`, stack: '' },
})

process.on('message', (message) => void receive(message as ToNative))
process.on('disconnect', () => process.exit(0))

/** Where the loop is blocked, nobody hears that the hub is gone: another thread looks whose child this is. */
const WATCHER = `const parent = process.ppid
setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL') }, 1_000)`
new Worker(WATCHER, { eval: true, stdout: true, stderr: true }).unref()
