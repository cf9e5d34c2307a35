/** Small decisions of the sandbox as pure functions: what goes together, what the guest is told, what a breach is called. */
import type { ErrorCode, HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { errorOf } from './run-error.ts'
import type { BreachKind, GuestErrorText, GuestReport, GuestSettings, LoadOrder } from './protocol.ts'
import { isEnd, readError } from './report.ts'
import type { Run, RunInput, Unit } from './sandbox.ts'

const BATCH_CHARS_MAX = 1_048_576
const BATCH_RUNS_MAX = 200

/** What an isolate broke, and how much CPU time nobody has reported yet. */
export interface BreachNews {
  readonly code: ErrorCode
  readonly message: string
  readonly cpuUs?: number
  /** Where its code stood, as the guest's own stack; empty or absent where nobody knows. */
  readonly stack?: string
  /** No honest code does this: its half of the bridge was tampered with. */
  readonly isHostile?: boolean
}

/** The guest sent what the code of the bridge never does. */
export const hostile = (message: string): BreachNews => ({ code: 'plugin_invalid_result', message, isHostile: true })

/** Code and words for a limit that an isolate broke. */
export function breachError(kind: BreachKind, unit: Unit): BreachNews {
  const { sliceMs, heapMb } = unit.limits
  if (kind === 'slice')
    return { code: 'plugin_cpu', message: `the plugin kept the CPU for more than ${sliceMs} ms without a pause` }
  if (kind === 'memory') return { code: 'plugin_memory', message: `the plugin used more than ${heapMb} MB of memory` }
  return hostile('the guest sent more than any run may')
}

/** Why a unit cannot be loaded. */
export function loadError(unit: Unit, raw: GuestErrorText): HubError {
  const thrown = readError(raw) ?? { name: 'Error', message: 'it failed to load', stack: '' }
  const message = thrown.name === 'Error' ? thrown.message : `${thrown.name}: ${thrown.message}`
  return errorOf({ unit, code: 'plugin_load', message, stack: thrown.stack })
}

/** The next runs to send together: bounded by count and by size, and one at a time when somebody has to be found. */
export function nextPart(runs: readonly Run[], from: number, isSolo: boolean): readonly Run[] {
  if (isSolo) return runs.slice(from, from + 1)
  let chars = 0
  let to = from
  while (to < runs.length && to - from < BATCH_RUNS_MAX) {
    const { input } = runs[to] as Run
    chars +=
      input.kind === 'event'
        ? input.eventJson.length
        : input.kind === 'transform'
          ? input.responseJson.length
          : input.kind === 'action'
            ? input.itemsJson.reduce((sum, item) => sum + item.length, 0)
            : 1_024
    if (to > from && chars > BATCH_CHARS_MAX) break
    to += 1
  }
  return runs.slice(from, to)
}

/** What the run is given, as JSON. */
export function inputText(input: RunInput): string {
  if (input.kind === 'event') return input.eventJson
  if (input.kind === 'transform') return input.responseJson
  if (input.kind === 'check') return 'null'
  if (input.kind === 'action') return `[${input.itemsJson.join()}]`
  return JSON.stringify(input.kind === 'schedule' ? input.tick : input.request)
}

/** What the child needs to build the unit. */
export const loadOrder = (unit: Unit, bounds: Limits, cautious: boolean): LoadOrder => ({
  code: unit.bundle.code,
  config: unit.config,
  settings: JSON.stringify(settingsOf(unit, bounds)),
  heapMb: unit.limits.heapMb,
  sliceMs: unit.limits.sliceMs,
  loadMs: unit.limits.loadMs ?? bounds.pluginLoadMs,
  cautious,
  drainBytesMax: bounds.childMessageBytesMax,
})

/** What the guest's own half of the bridge has to know. */
function settingsOf(unit: Unit, bounds: Limits): GuestSettings {
  const { hostOpsMax, httpCallsMax, logLinesMax, sliceMs } = unit.limits
  return {
    installation: unit.key.slice(unit.key.indexOf('/') + 1),
    asks: unit.asks ?? null,
    hostOpsMax,
    httpCallsMax,
    logLinesMax,
    logLineCharsMax: bounds.pluginLogLineCharsMax,
    timersMax: bounds.pluginTimersMax,
    resultBytesMax: bounds.pluginResultBytesMax,
    routeBodyBytesMax: bounds.pluginRouteBodyBytesMax,
    httpRequestBytesMax: unit.limits.httpRequestBytesMax ?? bounds.pluginHttpRequestBytesMax,
    kvKeyCharsMax: bounds.pluginKvKeyCharsMax,
    kvValueBytesMax: bounds.pluginKvValueBytesMax,
    sliceBudgetMs: sliceMs / 2,
  }
}

/** What one run of a slice cost: of `shareUs` it is charged `readingUs` for reading. */
export interface SliceCpu {
  readonly shareUs: number
  readonly readingUs: number
  /** The slice executed one run only, so the time is certainly its own. */
  readonly isAlone: boolean
}

/** What one slice reported, by lane, and what one run of it cost. */
export interface SliceShare {
  readonly byLane: ReadonlyMap<number, readonly GuestReport[]>
  readonly cpu: SliceCpu
}

/**
 * A slice executed the runs that ended in it and, in each lane that goes on, one more; they share its CPU time. A guest
 * that tells of ends which there cannot have been makes nothing cheaper.
 */
export function shareOut(slice: {
  readonly reports: readonly GuestReport[]
  readonly lanes: readonly number[]
  readonly cpuUs: number
  readonly readingUs: number
  readonly open: ReadonlyMap<number, { readonly remaining: number }>
}): SliceShare {
  const byLane = new Map<number, GuestReport[]>(slice.lanes.map((id) => [id, []]))
  const endedByLane = new Map<number, number>()
  for (const report of slice.reports) {
    const list = byLane.get(report.l)
    if (list === undefined) byLane.set(report.l, [report])
    else list.push(report)
    if (isEnd(report)) endedByLane.set(report.l, (endedByLane.get(report.l) ?? 0) + 1)
  }
  let executed = 0
  for (const id of byLane.keys()) {
    const remaining = slice.open.get(id)?.remaining ?? 0
    const ended = Math.min(endedByLane.get(id) ?? 0, remaining)
    executed += ended + (ended < remaining ? 1 : 0)
  }
  const runs = Math.max(1, executed)
  return {
    byLane,
    cpu: { shareUs: slice.cpuUs / runs, readingUs: slice.readingUs / runs, isAlone: executed <= 1 },
  }
}

/** How long it may take. */
export function wallMsOf(input: RunInput, unit: Unit): number {
  const { eventWallMs, actionWallMs, scheduleWallMs, routeWallMs, transformWallMs } = unit.limits
  return {
    event: eventWallMs,
    action: actionWallMs,
    schedule: scheduleWallMs,
    route: routeWallMs,
    transform: transformWallMs,
    check: actionWallMs,
  }[input.kind]
}
