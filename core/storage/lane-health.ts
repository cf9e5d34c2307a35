/** How an installation fares, as it is noted beside its state. */
import type { WorkspaceId } from '../model.ts'

export interface LaneName {
  readonly workspace: WorkspaceId
  readonly installation: string
}

/** What an installation's attempts, or the looks of its transform, came to since they were last written down. */
export interface LaneHealth extends LaneName {
  readonly successAt: string | null
  /** When a receiver last took what the installation proves itself with, in a run that went well. */
  readonly provenAt: string | null
  readonly failureAt: string | null
  readonly error: string | null
  readonly code: string | null
  /** Whose failure was the last: a delivery, or a response at which a transform looked. */
  readonly aboutId: string | null
  /** Failures since the last success that was noted here. */
  readonly failuresInARow: number
}

/** What a receiver said of a delivery goes when the delivery's data does. */
export interface WordsOf {
  readonly deliveryId: string | null
  readonly responseId: string | null
}
