/**
 * What the hub and its sandbox children say to each other. Both directions collect messages for one turn of the event
 * loop and send them as one array. Run and report texts are JSON that the child passes on unread; only the guest and the
 * hub look inside.
 */

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
  | readonly ['ready']
  /** Resident bytes, so that the hub can end a child that outgrows its cap. `busy`: units inside a slice right now. */
  | readonly ['beat', rssBytes: number, busy: readonly number[]]
  | readonly ['loaded', unit: number, surface: string]
  | readonly ['refused', unit: number, error: GuestErrorText]
  /** `lanes` took part in the slice that used `cpuUs`. `reports` is a JSON array of GuestReports. */
  | readonly ['out', unit: number, lanes: readonly number[], cpuUs: number, reports: string]
  /** A rejection nobody handles or an error outside any run; the isolate lives on. */
  | readonly ['stray', unit: number, lanes: readonly number[], error: GuestErrorText]
  /** The isolate is gone; `lanes` took part in its last slice. */
  | readonly ['breach', unit: number, kind: BreachKind, lanes: readonly number[]]
  /** The isolate cannot be ended: only killing this process helps. */
  | readonly ['stuck', unit: number, lanes: readonly number[], why: string]

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

/** One run inside a `run` command. `input`: event, items, tick or request. */
export interface GuestRunOrder {
  readonly id: string
  readonly attempt: number
  readonly kind: 'event' | 'action' | 'schedule' | 'route'
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
  /** Run `r` is over for the hub (wall limit); the lane goes on with the next. */
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

/** A capability call (`c`, `n`, `a`) or the end of run `r` (the rest). Read by `report.ts`, which trusts nothing. */
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
  readonly g?: readonly unknown[]
  readonly d?: number
  readonly x?: GuestErrorText
}

/** The lane of code that runs outside any run (while loading). */
export const NO_LANE = 0

/** Names under which scripts show in stack traces inside the guest. */
export const PLUGIN_FILE = 'plugin.js'
export const GUEST_FILE = 'manifold.js'

/** One drained text; a guest that hands out more has tampered with its bridge. */
export const DRAIN_CHARS_MAX = 8_388_608
/** The guest stops filling a drain here and says that more is waiting. */
export const DRAIN_CHARS_SOFT = 1_048_576
