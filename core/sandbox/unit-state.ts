/** What the hub remembers of a unit and of the isolate it lives in at the moment. */
import type { HubError } from '../errors.ts'
import type { Lane } from './lane.ts'
import type { Unit, UnitSurface } from './sandbox.ts'
import type { Slot } from './slot.ts'

/** A loaded unit. Its instance goes and comes back; the unit stays until it is replaced or unloaded. */
export interface UnitState {
  readonly unit: Unit
  slotKey: string
  instance: Instance | null
  building: Promise<Instance> | null
  cautiousUntilMs: number
  deaths: number
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
  settle: { readonly resolve: (surface: UnitSurface) => void; readonly reject: (error: HubError) => void } | null
}

/** A unit that has not run yet, in the process where it belongs. */
export const newState = (unit: Unit, slotKey: string): UnitState => ({
  unit,
  slotKey,
  instance: null,
  building: null,
  cautiousUntilMs: 0,
  deaths: 0,
  failure: null,
  phase: 'new',
})

/** Where a unit is put that must be alone. */
export const ownSlot = (unit: Unit): string => `own:${unit.key}`
