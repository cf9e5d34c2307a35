/** One run inside the guest: its counters, its buffered effects and log, and the words in which it ends. */
import { GUEST_FILE, PLUGIN_FILE } from '../protocol.ts'
import type { GuestErrorText, GuestRunOrder, GuestSettings } from '../protocol.ts'
import { isArray, joined, keysOf, NativeError, nowMs, sliced, toJson } from './natives.ts'

const NAME_CHARS_MAX = 100
const MESSAGE_CHARS_MAX = 2_000
const STACK_CHARS_MAX = 8_000
const FIELDS_CHARS_MAX = 4_096
/** So many that a package's own wrapper around the log does not hide who called it. */
const PLACE_FRAMES_MAX = 4
const PLACE_CHARS_MAX = 1_000

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
  /** The call it made last. */
  lastCall: { readonly id: number; readonly name: string; readonly caller: Error } | null
  nextCall: number
  /** Calls for whose answer nobody waits any more, on purpose. */
  givenUp: number
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
  lastCall: null,
  nextCall: 1,
  givenUp: 0,
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
  text += `,"at":${toJson(place())}`
  run.logs ??= []
  run.logs[run.logs.length] = `${text}}`
}

/** Where in the plugin's script this happens, as lines of a stack. */
function place(): string {
  const { stack } = new NativeError()
  if (typeof stack !== 'string') return ''
  const frames = stack.split('\n').filter((line) => line.includes(`${PLUGIN_FILE}:`))
  return cut(joined(sliced(frames, 0, PLACE_FRAMES_MAX), '\n'), PLACE_CHARS_MAX)
}

/** Any value as text, for console and log. */
export function inspect(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return errorText(value)
  try {
    return toJson(value, shown) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

/** What JSON would leave out or show as an empty object. */
function shown(_key: string, item: unknown): unknown {
  if (typeof item === 'bigint') return `${item}n`
  if (item instanceof Error) return errorText(item)
  return item instanceof Map || item instanceof Set ? Array.from(item) : item
}

const errorText = (error: Error): string => {
  const { stack, message } = describe(error)
  return stack || message
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
    message: cut(wordsOf(error, CAUSES_DEPTH_MAX), MESSAGE_CHARS_MAX),
    // Those of its causes as well: an error of many has no place of its own.
    stack: cut(stacksOf(error, CAUSES_DEPTH_MAX), STACK_CHARS_MAX),
    ...(code === '' ? {} : { code }),
  }
}

const CAUSES_DEPTH_MAX = 3
const CAUSES_MAX = 5

/** What led to it: its cause, or the errors that it stands for. */
function causesOf(error: object, depth: number): readonly unknown[] {
  if (depth === 0) return []
  try {
    const { cause, errors } = error as { readonly cause?: unknown; readonly errors?: unknown }
    const all = [...(cause === undefined || cause === null ? [] : [cause]), ...(isArray(errors) ? errors : [])]
    return sliced(all, 0, CAUSES_MAX)
  } catch {
    return []
  }
}

/** `it failed (because of TypeError: no number)`. */
function wordsOf(error: object, depth: number): string {
  const own = part(error, 'message', MESSAGE_CHARS_MAX) || (error instanceof Error ? '' : inspect(error))
  const causes = causesOf(error, depth)
    .map((cause) => {
      const isObject = typeof cause === 'object' && cause !== null
      const words = isObject ? wordsOf(cause, depth - 1) : inspect(cause)
      const name = isObject ? part(cause, 'name', NAME_CHARS_MAX) : ''
      return own.includes(words) ? '' : name === '' || name === 'Error' ? words : `${name}: ${words}`
    })
    .filter((words) => words !== '')
  return causes.length === 0 ? own : `${own} (because of ${causes.join('; ')})`
}

/** The sandbox's own frames are nobody's business. */
const OWN_FRAME = new RegExp(`^ +at .*${GUEST_FILE.replace('.', '\\.')}:\\d+:\\d+\\)?$`)
const ownStack = (error: object): string =>
  part(error, 'stack', STACK_CHARS_MAX)
    .split('\n')
    .filter((line) => !OWN_FRAME.test(line))
    .join('\n')

const stacksOf = (error: object, depth: number): string =>
  [
    ownStack(error),
    ...causesOf(error, depth).map((cause) =>
      typeof cause === 'object' && cause !== null ? stacksOf(cause, depth - 1) : '',
    ),
  ]
    .filter((stack) => stack !== '')
    .join('\n')

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
  let text = headOf(run)
  const failed = (error: GuestErrorText): string => `,"x":${toJson(error)}`
  if (end.why === 'failed') text += failed(describe(end.error))
  else if (end.why === 'skipped') text += whereabouts(run)
  else {
    const body = resultOf(run, end.value, settings)
    text += 'error' in body ? failed(body.error) : body.text
  }
  return `${text}${linesOf(run)}}`
}

const headOf = (run: GuestRun): string => `{"l":${run.lane},"r":${run.index}`

/** What it has logged and nobody was told. */
function linesOf(run: GuestRun): string {
  let text = ''
  if (run.logs !== null) text += `,"g":[${joined(run.logs)}]`
  if (run.logsDropped > 0) text += `,"d":${run.logsDropped}`
  run.logs = null
  run.logsDropped = 0
  return text
}

/** Its lines so far as report text, so that they are not lost with the isolate; empty when there are none. */
export function linesSoFar(run: GuestRun): string {
  return run.ended || run.logs === null ? '' : `${headOf(run)},"o":1${linesOf(run)}}`
}

function whereabouts({ lastCall, calls }: GuestRun): string {
  if (lastCall === null) return ''
  const { id, name, caller } = lastCall
  return `,"w":${toJson([name, calls?.has(id) !== true, part(caller, 'stack', STACK_CHARS_MAX)])}`
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
    const { outcome, request } = (answer ?? {}) as {
      outcome?: unknown
      request?: { body?: unknown; json?: unknown; form?: unknown }
    }
    if (outcome !== 'send' || typeof request !== 'object' || request === null) continue
    const { body, json, form } = request
    const text = typeof body === 'string' ? body : jsonOf(json ?? form ?? null, 'The body of send')
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
  if (kind !== 'event' && kind !== 'schedule') {
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
    if (list !== null) effects += `${effects === '' ? '' : ','}"${name}":[${joined(list)}]`
  }
  return { text: effects === '' ? text : `${text},"e":{${effects}}` }
}
