/** What the hub remembers of a unit and of the isolate it lives in at the moment. */
import type { HubError } from '../errors.ts'
import type { Lane } from './lane.ts'
import type { Unit, UnitStats, UnitSurface } from './sandbox.ts'
import type { Slot } from './slot.ts'
import { traceOf } from './trace.ts'

/** A loaded unit. Its instance goes and comes back; the unit stays until it is replaced or unloaded. */
export interface UnitState {
  readonly unit: Unit
  slotKey: string
  instance: Instance | null
  building: Promise<Instance> | null
  cautiousUntilMs: number
  deaths: number
  readonly heap: { lastBytes: number; peakBytes: number }
  failure: { readonly error: HubError; readonly untilMs: number } | null
  /** `new` until its first isolate is up; `retired` when replaced or unloaded. */
  phase: 'new' | 'live' | 'retired'
}

/** One isolate in one child. */
export interface Instance {
  readonly number: number
  readonly state: UnitState
  readonly slot: Slot
  readonly lanes: Map<number, Lane>
  surface: UnitSurface | null
  isGone: boolean
  /** CPU time of slices in which no run took part, since then. */
  readonly stray: { sinceMs: number; cpuUs: number }
  settle: { readonly resolve: (surface: UnitSurface) => void; readonly reject: (error: HubError) => void } | null
}

/** An isolate that is about to be built. */
export const newInstance = (number: number, state: UnitState, slot: Slot): Instance => ({
  number,
  state,
  slot,
  lanes: new Map(),
  surface: null,
  isGone: false,
  settle: null,
  stray: { sinceMs: performance.now(), cpuUs: 0 },
})

const STRAY_WINDOW_MS = 60_000

/**
 * A slice without a run fails none: a timer that was left behind, or a guest that has itself woken for no run. True when
 * that comes to more within a minute than one run may use.
 */
export function isStrayTooMuch({ stray, state }: Instance, cpuUs: number): boolean {
  const nowMs = performance.now()
  if (nowMs - stray.sinceMs > STRAY_WINDOW_MS) Object.assign(stray, { sinceMs: nowMs, cpuUs: 0 })
  stray.cpuUs += cpuUs
  return stray.cpuUs > state.unit.limits.cpuMs * 1_000
}

/** A unit that has not run yet, in the process where it belongs. */
export const newState = (unit: Unit, slotKey: string): UnitState => ({
  unit,
  slotKey,
  instance: null,
  building: null,
  cautiousUntilMs: 0,
  deaths: 0,
  heap: { lastBytes: 0, peakBytes: 0 },
  failure: null,
  phase: 'new',
})

/** A size that a child told of one of its own. */
export function noteHeap(teller: Slot, instance: Instance | undefined, bytes: number): void {
  if (instance === undefined || instance.slot !== teller || !Number.isFinite(bytes)) return
  const { heap } = instance.state
  heap.lastBytes = bytes
  heap.peakBytes = Math.max(heap.peakBytes, bytes)
}

/** Where in the plugin's own files that is, for a line of the log. */
export const placeOf = ({ unit }: UnitState, stack = ''): string | undefined =>
  traceOf(unit.bundle, stack).place ?? undefined

/** As an operator sees it. */
export const unitStats = ({ unit, heap, instance }: UnitState): UnitStats => ({
  key: unit.key,
  heapBytes: heap.lastBytes,
  heapPeakBytes: heap.peakBytes,
  processRssBytes: instance?.slot.child?.rssBytes ?? 0,
})

/** Where a unit is put that must be alone. Hardened units never share a process with others. */
const ownSlot = (unit: Unit): string => `own:${unit.key}${suffixOf(unit)}`

/** Where a unit is put that uses more than its share: alone, and behind everybody else when the processor is short. */
const apartSlot = (unit: Unit): string => `${APART}${unit.key}${suffixOf(unit)}`
const APART = 'apart:'

export const isApartSlot = (slotKey: string): boolean => slotKey.startsWith(APART)

/** Alone; who was apart stays it. */
export const aloneSlot = (unit: Unit, before: string): string => (isApartSlot(before) ? apartSlot(unit) : ownSlot(unit))

/** Others of its group may be there, too. */
export const isSharedSlot = (slotKey: string, unit: Unit): boolean => slotKey === `${unit.group}${suffixOf(unit)}`

/** The unit in another place, with what is known of its heap. */
export const elsewhere = ({ unit, heap }: UnitState, isApart: boolean): UnitState => ({
  ...newState(unit, isApart ? apartSlot(unit) : homeSlot(unit)),
  heap,
})

/** Where a unit belongs that has done nothing wrong. */
export const homeSlot = (unit: Unit): string =>
  unit.group === 'own' ? ownSlot(unit) : `${unit.group}${suffixOf(unit)}`

const suffixOf = (unit: Unit): string => (unit.hardened === true ? ' hardened' : '')

const HEAPS_TOLD_MAX = 5
const BYTES_PER_MB = 1_048_576

/** Whoever has most memory in this process, as seen last, the largest first: `default/crm 61 MB`. */
export const largestHeaps = (instances: Iterable<Instance>, within: Slot): readonly string[] =>
  [...instances]
    .filter(({ slot, isGone }) => slot === within && !isGone)
    .map(({ state }) => state)
    .toSorted((a, b) => b.heap.lastBytes - a.heap.lastBytes)
    .slice(0, HEAPS_TOLD_MAX)
    .map(({ unit, heap }) => `${unit.key} ${Math.round(heap.lastBytes / BYTES_PER_MB)} MB`)
