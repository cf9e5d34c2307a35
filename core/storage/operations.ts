/** What an admin can do with the database without a hub; one implementation a backend. */
import type { Finding } from '../finding.ts'
import type { Departure } from './move/port.ts'
import type { Store } from './store.ts'

export interface SchemaStatus {
  /** 0: there is no schema yet. */
  readonly current: number
  readonly latest: number
  /** File names that the next start will run. */
  readonly pending: readonly string[]
}

export interface Restored {
  readonly events: number
  readonly responses: number
  /** Where what was there before is kept; null when it is not. */
  readonly keptAs: string | null
}

export interface LossRange {
  readonly from: number
  readonly to: number
}

export interface StorageOperations {
  /** Many processes may use it at once: its schema can be changed beside them, and it knows itself who they are. */
  readonly shared: boolean
  /** Migrates and verifies it, as a start does. */
  open(): Promise<Store>
  status(): Promise<SchemaStatus>
  /** Runs the pending steps. */
  migrate(): Promise<void>
  /** A consistent copy, also of a database in use. `progress` gets 0..1. */
  backup(file: string, progress: (fraction: number) => void): Promise<void>
  /** What restoring this file would do to what is there; null when nothing is. */
  replaces(file: string): Promise<string | null>
  restore(file: string): Promise<Restored>
  /** Gives up events that are gone; null where the database's own tools have to be used. */
  readonly acceptLoss: (() => Promise<readonly LossRange[]>) | null
  /** Where a move took everything; null when it is still here. */
  departure(): Promise<Departure | null>
  /** Opens a database again that a move has left. What came since is only where it went. */
  reclaim(): Promise<void>
  /** Hub processes that use it right now, each in words; none where that is not known here. */
  hubs(): Promise<readonly string[]>
  /** What is wrong with it besides its schema. */
  findings(): Promise<readonly Finding[]>
}

/** What `doctor` says of a database in the middle of a move, in every backend. */
export const HALF_MOVED: Finding = {
  level: 'fail',
  detail: 'it is the target of a move that is not finished',
  fix: 'run the same manifold db move again',
}

/** And of one that a move has left. */
export const departureFinding = ({ to, at }: Departure): Finding => ({
  level: 'fail',
  detail: `it was moved to ${to} (${at})`,
  fix: 'use that one; manifold db reclaim opens this older copy again',
})
