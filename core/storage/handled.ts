/** What runs hand over to be committed: what they asked for, how far a handler has read, and how attempts ended. */
import type {
  Attempt,
  DeadReason,
  Delivery,
  DeliveryState,
  LogEvent,
  NewDelivery,
  NewEvent,
  WorkspaceId,
} from '../model.ts'

/** What a run asked for, committed at once or not at all. */
export interface Effects {
  readonly deliveries: readonly NewDelivery[]
  /** `value: null` text means the JSON null; `undefined` deletes the key. */
  readonly kv: readonly {
    readonly key: string
    readonly value: string | undefined
    readonly expiresAtMs: number | null
  }[]
  readonly events: readonly NewEvent[]
  readonly tallies: readonly { readonly name: string; readonly by: number }[]
}

export interface HandledBatch {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  /** Compare-and-set: nothing is written when the stored cursor is another. */
  readonly fromCursor: number
  readonly toCursor: number
  readonly effects: Effects
  /** A handler did all that its plugin is for: the installation's last success is now. */
  readonly ranWell?: boolean
  /** And a receiver took what the installation proves itself with. */
  readonly hasProven?: boolean
}

export type HandledResult =
  | { readonly kind: 'committed'; readonly deliveries: readonly Delivery[]; readonly events: readonly LogEvent[] }
  | { readonly kind: 'moved'; readonly cursor: number }

/** The end of one attempt: the delivery's next state, its log row and what the action asked for. */
export interface FinishedAttempt {
  readonly workspace: WorkspaceId
  readonly deliveryId: string
  readonly installation: string
  readonly plugin: string
  /** How many were made before, as its runner knows: one that was written already is refused the second time. */
  readonly attemptsBefore?: number
  readonly state: DeliveryState
  readonly scheduleStep: number
  readonly dueAtMs: number
  readonly reason: DeadReason | null
  readonly errorCode: string | null
  readonly error: string | null
  readonly host: string | null
  /** It went well, and a receiver took what the installation proves itself with. */
  readonly hasProven?: boolean
  readonly attempt: Omit<Attempt, 'deliveryId' | 'n'>
  /** Those of a `batch` come with each of its entries and happen once, with the first that is not refused. */
  readonly effects: Effects
  /** The same for all deliveries of one run; its entries come in one call, and what is erased of one is erased of the run. */
  readonly batch?: string
}
