/**
 * The guest's own half of the bridge: the first script of every isolate. The host holds references to what `boot`
 * answers and calls `step` with commands and `drain` for reports, both with a timeout, so that every line of plugin code
 * runs inside a timed slice. The only function that leads out is `ask`, which answers pure questions.
 */
import type { ActionItem, HubEvent, IncomingResponse, Json, Plugin, RouteRequest } from '../../contract/index.ts'
import {
  DRAIN_CHARS_SOFT,
  type DrainHeader,
  type GuestCommand,
  type GuestRunOrder,
  type GuestSettings,
} from '../protocol.ts'
import { addStructuredClone } from './clone.ts'
import { addConsole, flushEarly } from './console.ts'
import { callerFor, type ContextParts, deepFreeze, http, makeContext } from './context.ts'
import { addDomException, DOMException } from './dom-exception.ts'
import { harden } from './harden.ts'
import { addLazyWeb, web } from './lazy-web.ts'
import {
  type Ask,
  addGlobal,
  joined,
  keysOf,
  nowMs,
  parseJson,
  prototypesOfOwn,
  setAsk,
  sliced,
  toJson,
} from './natives.ts'
import { addCrypto } from './random.ts'
import { capabilityError, countOp, type GuestRun, linesSoFar, logLine, newRun, reportOf, type RunEnd } from './run.ts'
import type { KeyService } from './subtle.ts'
import { addText } from './text.ts'
import {
  addTimers,
  clearTimers,
  fireTimers,
  pause,
  startQuiet,
  type TimerOwner,
  timersOf,
  wakeTimes,
} from './timers.ts'
import { addUrl } from './url.ts'

interface Lane {
  run: GuestRun | null
  dropped: boolean
}

const lanes = new Map<number, Lane>()
let plugin: Plugin = {}
let settings: GuestSettings
let context: ContextParts
let current: GuestRun | null = null
let sliceStartMs = 0
let outbox: string[] = []
let outboxChars = 0
let lastDrain = ''

/** Prepares the realm. Answers the functions the host calls; none of them is reachable for the plugin. */
export function boot(ask: Ask, configText: string, settingsText: string): object {
  harden()
  setAsk(ask)
  settings = parseJson(settingsText) as GuestSettings
  context = { settings, call, config: deepFreeze(parseJson(configText) as { [key: string]: Json }) }
  addDomException()
  addText()
  addUrl()
  addCrypto(() => web().subtle)
  addStructuredClone()
  addConsole(settings, liveRun)
  addTimers(owner)
  addLazyWeb({
    ask,
    DOMException,
    prototypes: prototypesOfOwn(),
    startTimer: (callback, delayMs) => startQuiet(owner, callback, delayMs),
    keys: keyService,
    sender: () => {
      const run = liveRun()
      if (run === undefined) return undefined
      return { send: (request) => http(run, context, request), giveUp: () => void (run.givenUp += 1) }
    },
  })
  const originMs = nowMs()
  addGlobal('performance', { timeOrigin: originMs, now: () => nowMs() - originMs })
  addGlobal('self', globalThis)
  return { adopt, step, drain }
}

/** The run that pays for what happens now: the one being executed, else any that is still going on. */
function liveRun(): GuestRun | undefined {
  if (current !== null && !current.ended) return current
  let last: GuestRun | undefined
  for (const { run } of lanes.values()) if (run !== null && !run.ended) last = run
  return last
}

function keyService(): KeyService {
  const run = liveRun()
  if (run === undefined) throw new Error('Such a key works only while the plugin runs, not while it is being loaded')
  return { call: callerFor(run, context), countOp: () => countOp(run, settings) }
}

const owner: TimerOwner = {
  current: liveRun,
  enter: (run) => {
    current = run
  },
  fail: (run, error) => {
    if (!run.ended) return run.stop?.({ why: 'failed', error })
    // Its own run is over; the error is not lost while another can carry it.
    const other = liveRun()
    if (other !== undefined) logLine(other, settings, { level: 'error', message: error })
  },
  max: () => settings.timersMax,
}

/** Takes over what the plugin's script evaluated to; answers its surface as JSON text. */
function adopt(module: { default?: unknown } | undefined): string {
  const found = module?.default
  if (typeof found !== 'object' || found === null) {
    throw new TypeError('The plugin must have a default export made with definePlugin({…})')
  }
  plugin = found
  const names = (part: 'on' | 'schedules' | 'routes'): string[] => {
    const table = plugin[part] ?? {}
    return keysOf(table).map((name) => need(table[name], `${part}["${name}"]`, name))
  }
  const actions = plugin.actions ?? {}
  const actionNames = keysOf(actions).map((name) => need(actions[name]?.run, `actions["${name}"].run`, name))
  const { transform, check } = plugin
  if (transform !== undefined) need(transform, 'transform', '')
  if (check !== undefined) need(check, 'check', '')
  return toJson({
    on: names('on'),
    actions: actionNames,
    schedules: names('schedules'),
    routes: names('routes'),
    transform: transform !== undefined,
    check: check !== undefined,
  })
}

function need(handler: unknown, where: string, name: string): string {
  if (typeof handler !== 'function') throw new TypeError(`${where} of the plugin must be a function`)
  return name
}

/** Executes the host's commands; everything that follows from them runs before the slice ends. */
function step(text: string): void {
  sliceStartMs = nowMs()
  for (const command of parseJson(text) as GuestCommand[]) {
    if (command.k === 'run') void runLane(command.l, command.runs)
    else if (command.k === 'timers') fireTimers(command.l, owner)
    else if (command.k === 'settle') settle(command)
    else {
      const lane = lanes.get(command.l)
      if (lane === undefined) continue
      if (command.k === 'drop') lane.dropped = true
      if (command.k === 'drop' || lane.run?.index === command.r) lane.run?.stop?.({ why: 'skipped' })
    }
  }
}

/** Runs in order. Between two runs it leaves the slice when its budget is used up, so that many are no breach. */
async function runLane(id: number, orders: readonly GuestRunOrder[]): Promise<void> {
  const lane: Lane = { run: null, dropped: false }
  lanes.set(id, lane)
  for (let index = 0; index < orders.length; index++) {
    if (index > 0 && (nowMs() - sliceStartMs > settings.sliceBudgetMs || outboxChars > DRAIN_CHARS_SOFT))
      await pause(id)
    if (lane.dropped) break
    const run = newRun(id, index, orders[index] as GuestRunOrder)
    lane.run = run
    flushEarly(run, settings)
    const end = await execute(run)
    if (end.why !== 'skipped') tellOfTimers(run)
    if (end.why === 'done') tellOfCalls(run)
    const report = lane.dropped ? '' : reportOf(run, end, settings)
    run.ended = true
    if (report !== '') push(report)
  }
  lanes.delete(id)
  if (lanes.size === 0) clearTimers()
}

/** What they were to do is lost, or done in the time of another run: an author should hear of it. */
function tellOfTimers(run: GuestRun): void {
  const left = timersOf(run)
  if (left === 0) return
  const message = `${left} ${left === 1 ? 'timer was' : 'timers were'} still waiting when the run ended; await what they do.`
  logLine(run, settings, { level: 'warn', message, fields: { timers_left: left } })
}

/** What they answer, nobody hears; whether they failed either. Those that a signal gave up are left on purpose. */
function tellOfCalls(run: GuestRun): void {
  const left = (run.calls?.size ?? 0) - run.givenUp
  if (left <= 0) return
  const message = `${left} ${left === 1 ? 'call of ctx or fetch was' : 'calls of ctx or fetch were'} still going on when the run ended; await what they answer.`
  logLine(run, settings, { level: 'warn', message, fields: { calls_left: left } })
}

const execute = (run: GuestRun): Promise<RunEnd> =>
  new Promise((resolve) => {
    run.stop = resolve
    current = run
    try {
      const value = invoke(run)
      if (typeof value === 'object' && value !== null && 'then' in value) void follow(value, resolve)
      else resolve({ why: 'done', value })
    } catch (error) {
      resolve({ why: 'failed', error })
    }
  })

async function follow(value: unknown, resolve: (end: RunEnd) => void): Promise<void> {
  try {
    resolve({ why: 'done', value: await value })
  } catch (error) {
    resolve({ why: 'failed', error })
  }
}

function invoke(run: GuestRun): unknown {
  const { kind, name, input } = run.order
  const ctx = makeContext(run, context)
  if (kind === 'event') {
    const table = plugin.on ?? {}
    const key = Object.hasOwn(table, name) ? name : '*'
    if (Object.hasOwn(table, key)) return table[key]?.(input as HubEvent, ctx)
  } else if (kind === 'action') {
    const table = plugin.actions ?? {}
    if (Object.hasOwn(table, name)) return table[name]?.run(input as ActionItem[], ctx)
  } else if (kind === 'schedule') {
    const table = plugin.schedules ?? {}
    if (Object.hasOwn(table, name)) return table[name]?.(input as { at: string; missed: number }, ctx)
  } else if (kind === 'transform') {
    if (plugin.transform !== undefined) return plugin.transform(input as IncomingResponse, ctx)
  } else if (kind === 'check') {
    if (plugin.check !== undefined) return plugin.check(ctx)
  } else {
    const table = plugin.routes ?? {}
    if (Object.hasOwn(table, name)) return table[name]?.(input as RouteRequest, ctx)
  }
  throw capabilityError('plugin_invalid_result', `The plugin has no ${kind} handler named "${name}"`)
}

function call(run: GuestRun, name: string, args: string): Promise<unknown> {
  const id = run.nextCall++
  const caller = new Error()
  const answer = new Promise<unknown>((resolve, reject) => {
    run.calls ??= new Map()
    run.calls.set(id, { caller, resolve, reject })
    run.lastCall = { id, name, caller }
  })
  // First in line: whatever the plugin does after its await belongs to this run again.
  const enter = (): void => {
    current = run
  }
  answer.then(enter, enter)
  push(`{"l":${run.lane},"r":${run.index},"c":${id},"n":"${name}","a":${args}}`)
  return answer
}

function settle(command: Extract<GuestCommand, { k: 'settle' }>): void {
  const run = lanes.get(command.l)?.run
  if (run === null || run === undefined || run.index !== command.r) return
  const waiting = run.calls?.get(command.c)
  if (waiting === undefined) return
  run.calls?.delete(command.c)
  current = run
  if (command.e === undefined) return waiting.resolve(command.v)
  const error = capabilityError(command.e.code, command.e.message)
  error.stack = String(waiting.caller.stack).replace('Error', () => `CapabilityError: ${command.e?.message}`)
  waiting.reject(error)
}

function push(report: string): void {
  outbox[outbox.length] = report
  outboxChars += report.length
}

/** What has happened since the last call: header line, then reports. `again`: the last answer was lost on its way. */
function drain(again: boolean): string {
  if (again && lastDrain !== '') return lastDrain
  for (const { run } of lanes.values()) {
    const lines = run === null ? '' : linesSoFar(run)
    if (lines !== '') push(lines)
  }
  let count = 0
  let chars = 0
  while (count < outbox.length && chars < DRAIN_CHARS_SOFT) chars += (outbox[count++] as string).length
  const isAll = count === outbox.length
  const reports = isAll ? outbox : sliced(outbox, 0, count)
  outbox = isAll ? [] : sliced(outbox, count)
  outboxChars -= chars
  const wakes = wakeTimes()
  const header: DrainHeader = { ...(wakes === null ? {} : { w: wakes }), ...(isAll ? {} : { m: 1 as const }) }
  lastDrain = wakes === null && isAll ? '' : toJson(header)
  lastDrain += reports.length === 0 ? '\n' : `\n[${joined(reports)}]`
  return lastDrain
}
