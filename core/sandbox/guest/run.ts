/** One run inside the guest: its counters, its buffered effects and log, and the words in which it ends. */
import type { GuestErrorText, GuestRunOrder, GuestSettings } from '../protocol.ts'
import { isArray, keysOf, nowMs, toJson } from './natives.ts'

const NAME_CHARS_MAX = 100
const MESSAGE_CHARS_MAX = 2_000
const STACK_CHARS_MAX = 8_000
const FIELDS_CHARS_MAX = 4_096

export type EffectKind = 'q' | 'k' | 'm' | 't' | 'p'

export interface Waiting {
  /** Where the plugin called, for an error that comes back. */
  readonly caller: Error
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Everything the bridge remembers of a run until its report is out. */
export interface GuestRun {
  readonly lane: number
  readonly index: number
  readonly order: GuestRunOrder
  readonly deadlineMs: number
  ended: boolean
  ops: number
  httpCalls: number
  bytes: number
  readonly effects: { [kind in EffectKind]: string[] | null }
  /** The run's own writes, for reads that follow: JSON text, or null for a deletion. */
  kv: Map<string, string | null> | null
  logs: string[] | null
  logCount: number
  logsDropped: number
  calls: Map<number, Waiting> | null
  nextCall: number
  /** Ends the run from outside its handler: wall limit, or an error in a timer. */
  stop: ((end: RunEnd) => void) | null
}

export type RunEnd =
  | { readonly why: 'done'; readonly value: unknown }
  | { readonly why: 'failed'; readonly error: unknown }
  | { readonly why: 'skipped' }

export const newRun = (lane: number, index: number, order: GuestRunOrder): GuestRun => ({
  lane,
  index,
  order,
  deadlineMs: nowMs() + order.wallMs,
  ended: false,
  ops: 0,
  httpCalls: 0,
  bytes: 0,
  effects: { q: null, k: null, m: null, t: null, p: null },
  kv: null,
  logs: null,
  logCount: 0,
  logsDropped: 0,
  calls: null,
  nextCall: 1,
  stop: null,
})

/** An error of a capability, as plugins may catch it. */
export function capabilityError(code: string, message: string): Error {
  const error = new Error(message) as Error & { code: string }
  error.name = 'CapabilityError'
  error.code = code
  return error
}

/** Counts one host operation; every capability, buffered or not, passes here first. */
export function countOp(run: GuestRun, settings: GuestSettings): void {
  if (run.ended) throw capabilityError('capability_limit', 'The run has ended; its context can no longer be used')
  run.ops += 1
  if (run.ops > settings.hostOpsMax) {
    throw capabilityError('capability_limit', `A run may use ${settings.hostOpsMax} host operations`)
  }
}

/** Buffers an effect. Its JSON is made now: later changes to the object do not count. */
export function buffer(run: GuestRun, kind: EffectKind, text: string): void {
  run.bytes += text.length
  const list = run.effects[kind]
  if (list === null) run.effects[kind] = [text]
  else list[list.length] = text
}

/** JSON text of a plugin's value; says what is wrong instead of leaving it out silently. */
export function jsonOf(value: unknown, what: string): string {
  let text: string | undefined
  try {
    text = toJson(value)
  } catch (error) {
    throw capabilityError('capability_input', `${what} is not JSON: ${describe(error).message}`)
  }
  if (text === undefined) throw capabilityError('capability_input', `${what} must be JSON, not ${typeof value}`)
  return text
}

/** Adds a line to the run's log; over the limit it is only counted. */
export function logLine(
  run: GuestRun,
  settings: GuestSettings,
  line: { level: string; message: unknown; fields?: unknown },
): void {
  if (run.ended) return
  run.logCount += 1
  if (run.logCount > settings.logLinesMax) {
    run.logsDropped += 1
    return
  }
  const message = cut(typeof line.message === 'string' ? line.message : inspect(line.message), settings.logLineCharsMax)
  let text = `{"level":"${line.level}","message":${toJson(message)}`
  if (typeof line.fields === 'object' && line.fields !== null && keysOf(line.fields).length > 0) {
    const fields = inspect(line.fields)
    text += `,"fields":${fields.length > FIELDS_CHARS_MAX || !fields.startsWith('{') ? '{"truncated":true}' : fields}`
  }
  run.logs ??= []
  run.logs[run.logs.length] = `${text}}`
}

/** Any value as one line of text, for console and log. */
export function inspect(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return describe(value).stack || describe(value).message
  try {
    return toJson(value, (_key, item: unknown) => (typeof item === 'bigint' ? `${item}n` : item)) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** An error's own words, whatever was thrown. A getter that throws costs only that part. */
export function describe(error: unknown): GuestErrorText {
  if (typeof error !== 'object' || error === null) {
    return {
      name: 'Error',
      message: cut(typeof error === 'symbol' ? 'a symbol was thrown' : String(error), MESSAGE_CHARS_MAX),
      stack: '',
    }
  }
  const code = part(error, 'code', NAME_CHARS_MAX)
  return {
    name: part(error, 'name', NAME_CHARS_MAX) || 'Error',
    message: part(error, 'message', MESSAGE_CHARS_MAX),
    stack: part(error, 'stack', STACK_CHARS_MAX),
    ...(code === '' ? {} : { code }),
  }
}

function part(error: object, name: string, charsMax: number): string {
  try {
    const value = (error as Record<string, unknown>)[name]
    return typeof value === 'string' ? cut(value, charsMax) : ''
  } catch {
    return ''
  }
}

const cut = (text: string, charsMax: number): string => (text.length > charsMax ? `${text.slice(0, charsMax)}…` : text)

/** The end of a run as report text. */
export function reportOf(run: GuestRun, end: RunEnd, settings: GuestSettings): string {
  let text = `{"l":${run.lane},"r":${run.index}`
  const failed = (error: GuestErrorText): string => `,"x":${toJson(error)}`
  if (end.why === 'failed') text += failed(describe(end.error))
  else {
    const body = end.why === 'done' ? resultOf(run, end.value, settings) : { text: '' }
    text += 'error' in body ? failed(body.error) : body.text
  }
  if (run.logs !== null) text += `,"g":[${run.logs.join()}]`
  if (run.logsDropped > 0) text += `,"d":${run.logsDropped}`
  return `${text}}`
}

/**
 * How much of an answer is what it carries to the outside beside the run's own words: a page, or bodies of requests.
 * Throws when a body is longer than a request may have.
 */
function carriedChars(kind: GuestRunOrder['kind'], value: unknown, settings: GuestSettings): number {
  if (kind === 'route') return settings.routeBodyBytesMax
  if (kind !== 'action') return 0
  let chars = 0
  for (const answer of isArray(value) ? value : [value]) {
    const { outcome, request } = (answer ?? {}) as { outcome?: unknown; request?: { body?: unknown; json?: unknown } }
    if (outcome !== 'send' || typeof request !== 'object' || request === null) continue
    const { body, json } = request
    const text = typeof body === 'string' ? body : jsonOf(json ?? null, 'json of send')
    if (text.length > settings.httpRequestBytesMax)
      throw capabilityError('capability_limit', `A request body may have ${settings.httpRequestBytesMax} bytes`)
    chars += typeof body === 'string' ? toJson(body).length : text.length
  }
  return chars
}

function resultOf(
  run: GuestRun,
  value: unknown,
  settings: GuestSettings,
): { text: string } | { error: GuestErrorText } {
  const { kind } = run.order
  let text = ''
  if (kind === 'action' || kind === 'route') {
    try {
      text = value === undefined ? '' : `,"v":${jsonOf(value, `The answer of ${kind} "${run.order.name}"`)}`
    } catch (error) {
      return { error: { ...describe(error), code: 'plugin_invalid_result' } }
    }
  }
  const bytes = text.length + run.bytes
  let bytesMax = settings.resultBytesMax
  if (bytes > bytesMax) {
    try {
      bytesMax += carriedChars(kind, value, settings)
    } catch (error) {
      return { error: describe(error) }
    }
  }
  if (bytes > bytesMax) {
    const message = `Answer and effects of the run have ${bytes} characters, at most ${bytesMax} are allowed`
    return { error: { name: 'Error', message, stack: '', code: 'plugin_invalid_result' } }
  }
  let effects = ''
  for (const name of keysOf(run.effects) as EffectKind[]) {
    const list = run.effects[name]
    if (list !== null) effects += `${effects === '' ? '' : ','}"${name}":[${list.join()}]`
  }
  return { text: effects === '' ? text : `${text},"e":{${effects}}` }
}
