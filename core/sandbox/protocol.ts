/**
 * What the hub and its sandbox children say to each other. Both directions collect messages for one turn of the event
 * loop and write them at once (frames.ts). Run and report texts are JSON that the child passes on unread; only the guest and
 * the hub look inside.
 */
import type { AskedEffects } from './sandbox.ts'

/** The child's end of the pipe to its hub. */
export const CHANNEL_FD = 3

/** Everything the child needs to build one isolate. */
export interface LoadOrder {
  readonly code: string
  /** Config JSON text. */
  readonly config: string
  /** GuestSettings JSON text. */
  readonly settings: string
  readonly heapMb: number
  readonly sliceMs: number
  readonly loadMs: number
  /** One run a slice, so that a breach has one culprit. */
  readonly cautious: boolean
  /** UTF-8 bytes of one drained text; a guest that hands out more has tampered with its bridge. */
  readonly drainBytesMax: number
}

/** `unit` numbers one isolate, `lane` one sequence of runs in it; neither is ever used twice. */
export type ToChild =
  | readonly ['guest', code: string]
  | readonly ['load', unit: number, order: LoadOrder]
  /** A GuestCommand's JSON text. */
  | readonly ['step', unit: number, lane: number, command: string]
  | readonly ['cautious', unit: number]
  | readonly ['drop', unit: number]

export type BreachKind = 'slice' | 'memory' | 'oversize'

export type FromChild =
  /** What its process can do and must not; empty when it is shut in. */
  | readonly ['ready', openWalls: readonly string[]]
  /**
   * Resident bytes, so that the hub can end a child that outgrows its cap. `busy`: units inside a slice right now. `heaps`:
   * bytes of those that ran since the beat before.
   */
  | readonly [
      'beat',
      rssBytes: number,
      busy: readonly number[],
      heaps: readonly (readonly [unit: number, bytes: number])[],
    ]
  /** `cpuUs`: what the plugin's top level and the guest's own code took. */
  | readonly ['loaded', unit: number, cpuUs: number, surface: string]
  /** `cpuUs`: what it took until then. */
  | readonly ['refused', unit: number, cpuUs: number, error: GuestErrorText]
  /** `lanes` took part in the slice that used `cpuUs`. `reports` is a JSON array of GuestReports. */
  | readonly ['out', unit: number, lanes: readonly number[], cpuUs: number, reports: string]
  /** A rejection nobody handles or an error outside any run; the isolate lives on. */
  | readonly ['stray', unit: number, lanes: readonly number[], error: GuestErrorText]
  /** The isolate is gone; `lanes` took part in its last slice. */
  | readonly ['breach', unit: number, kind: BreachKind, lanes: readonly number[], last: LastSlice]
  /** The isolate cannot be ended: only killing this process helps. */
  | readonly ['stuck', unit: number, lanes: readonly number[], why: string]

/** What is known of the slice in which an isolate broke a limit. */
export interface LastSlice {
  /** Used by it, and told by no report. */
  readonly cpuUs: number
  /** Where its code stood when the time was over; empty where nobody knows, as when V8 has taken the memory away. */
  readonly stack: string
  /** What the guest had to say after it, as in `out`; empty when it can no longer speak. Only lines are taken from it. */
  readonly reports: string
}

/** What a child sent in one turn, or null when it is not what an honest one sends: then it is no longer ours. */
export function readFrame(value: unknown): readonly FromChild[] | null {
  return Array.isArray(value) && value.every(isFromChild) ? (value as readonly FromChild[]) : null
}

function isFromChild(message: unknown): boolean {
  if (!Array.isArray(message)) return false
  const [kind, ...parts] = message as unknown[]
  const shape = typeof kind === 'string' && Object.hasOwn(SHAPES, kind) ? SHAPES[kind as FromChild[0]] : undefined
  return shape !== undefined && parts.length === shape.length && shape.every((fits, n) => fits(parts[n]))
}

const isText = (part: unknown): boolean => typeof part === 'string'
const isNumber = (part: unknown): boolean => Number.isSafeInteger(part)
const isAmount = (part: unknown): boolean => typeof part === 'number' && part >= 0 && part < Number.MAX_SAFE_INTEGER
const isListOf = (fits: (part: unknown) => boolean) => (part: unknown) => Array.isArray(part) && part.every(fits)
const isNumbers = isListOf(isNumber)
const isError = (part: unknown): boolean => {
  const { name, message, stack } = (part ?? {}) as { readonly [name: string]: unknown }
  return isText(name) && isText(message) && isText(stack)
}
const isHeap = (part: unknown): boolean =>
  Array.isArray(part) && part.length === 2 && isNumber(part[0]) && isAmount(part[1])
const isBreach = (part: unknown): boolean => part === 'slice' || part === 'memory' || part === 'oversize'
const isLastSlice = (part: unknown): boolean => {
  const { cpuUs, stack, reports } = (part ?? {}) as { readonly [name: string]: unknown }
  return isAmount(cpuUs) && isText(stack) && isText(reports)
}

const SHAPES: Readonly<Record<FromChild[0], readonly ((part: unknown) => boolean)[]>> = {
  ready: [isListOf(isText)],
  beat: [isAmount, isNumbers, isListOf(isHeap)],
  loaded: [isNumber, isAmount, isText],
  refused: [isNumber, isAmount, isError],
  out: [isNumber, isNumbers, isAmount, isText],
  stray: [isNumber, isNumbers, isError],
  breach: [isNumber, isBreach, isNumbers, isLastSlice],
  stuck: [isNumber, isNumbers, isText],
}

/** An error as text: the guest's objects never cross. */
export interface GuestErrorText {
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly code?: string
}

/** What the guest's own code is told when it starts. */
export interface GuestSettings {
  readonly installation: string
  /** What would be buffered beyond it is refused at once, where it is asked for; null: the hub does that alone. */
  readonly asks: AskedEffects | null
  readonly hostOpsMax: number
  readonly httpCallsMax: number
  readonly logLinesMax: number
  readonly logLineCharsMax: number
  readonly timersMax: number
  readonly resultBytesMax: number
  readonly routeBodyBytesMax: number
  readonly httpRequestBytesMax: number
  readonly kvKeyCharsMax: number
  readonly kvValueBytesMax: number
  /** A batch pauses when it has used this much of its slice, so that honest work never breaches by being many. */
  readonly sliceBudgetMs: number
}

/** One run inside a `run` command. `input`: event, items, tick, request or response. */
export interface GuestRunOrder {
  readonly id: string
  readonly attempt: number
  readonly kind: 'event' | 'action' | 'schedule' | 'route' | 'transform' | 'check'
  readonly name: string
  readonly wallMs: number
  readonly input: unknown
}

export type GuestCommand =
  | { readonly k: 'run'; readonly l: number; readonly runs: readonly GuestRunOrder[] }
  /** The answer to call `c` of run `r`: a value, nothing, or an error. */
  | {
      readonly k: 'settle'
      readonly l: number
      readonly r: number
      readonly c: number
      readonly v?: unknown
      readonly e?: { code: string; message: string }
    }
  /** Run `r` is to end for the hub (a limit); it says where it stands, and the lane goes on with the next. */
  | { readonly k: 'skip'; readonly l: number; readonly r: number }
  /** The lane is over for the hub. */
  | { readonly k: 'drop'; readonly l: number }
  /** Some timer of this lane is due. */
  | { readonly k: 'timers'; readonly l: number }

/** First line of what the guest's `drain` answers; the reports follow after a line break. */
export interface DrainHeader {
  /** Earliest timer of each lane: [lane, delayMs]. */
  readonly w?: readonly (readonly [number, number])[]
  /** More reports are waiting: drain again. */
  readonly m?: 1
}

/**
 * A capability call (`c`, `n`, `a`), lines of a run that goes on (`o`, `g`) or the end of run `r` (the rest). Read by
 * `report.ts`, which trusts nothing.
 */
export interface GuestReport {
  readonly l: number
  readonly r: number
  readonly c?: number
  readonly n?: string
  readonly a?: unknown
  readonly v?: unknown
  readonly e?: {
    readonly q?: unknown
    readonly k?: unknown
    readonly m?: unknown
    readonly t?: unknown
    readonly p?: unknown
  }
  readonly o?: 1
  readonly g?: readonly unknown[]
  readonly d?: number
  /** Of a run that was skipped: the last call it made, whether that was answered, and the stack of whoever made it. */
  readonly w?: readonly [name: string, isAnswered: boolean, stack: string]
  readonly x?: GuestErrorText
}

/** The lane of code that runs outside any run (while loading). */
export const NO_LANE = 0

/** Follows the name of a capability: said by the guest for what leaves something behind, by the hub for the rest. */
export const NOT_IN_TRANSFORM =
  'cannot be used in a transform: it runs before anything is stored, in the time of the sender. React to response.submitted instead'

/** The same for checks. */
export const NOT_IN_CHECK = 'cannot be used in a check: it only looks, and changes nothing in the hub'

/** Names under which scripts show in stack traces inside the guest. */
export const PLUGIN_FILE = 'plugin.js'
export const GUEST_FILE = 'manifold.js'

/** Stands between the guest's two scripts … */
export const GUEST_SPLIT = '\n//# web\n'
/** … and this is the question whose answer is the second. */
export const WEB_QUESTION = 'web'

/** The guest stops filling a drain here and says that more is waiting. */
export const DRAIN_CHARS_SOFT = 1_048_576
