/** What comes in to be stored, and what becomes of it. */
import type { Delivery, LogEvent, NewDelivery, QuarantineVerdict, ResponseStatus, WorkspaceId } from '../model.ts'

/** One submission with its event, validated and normalised. JSON is text already: it is written as it came. */
export interface Submission {
  readonly workspace: WorkspaceId
  readonly responseId: string
  readonly formId: string
  readonly formVersion: number
  readonly status: ResponseStatus
  readonly data: string
  readonly meta: string
  /** The sender's own id, marked by ingest: unique per form. A later completed one with the same id completes a partial one. */
  readonly clientId: string | null
  readonly startedAt: string | null
  /** RFC 3339; the time of receipt. */
  readonly at: string
  readonly eventId: string
  /** Of the `Idempotency-Key` header, unique per workspace; `bodyHash` tells a repeat from a misuse. */
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null
  /** When it was sent, where that is not `at`: it is released later, or imported by somebody who knows. */
  readonly submittedAt?: string
  /** The answers as they came, where a transform changed them: what a repeat is compared with. */
  readonly received?: string
  /** It is put into quarantine instead. */
  readonly aside?: Aside
  /**
   * Deliveries written in the same transaction when the response is. A reader of the log that asks for them again (same
   * key) makes no second one.
   */
  readonly forwards?: readonly Forward[]
}

/** Why a submission is put aside, and whose word it was. */
export interface Aside {
  readonly verdict: QuarantineVerdict
  readonly code: string
  readonly message: string | null
  readonly installation: string
  readonly plugin: string
  /** Of the `response.quarantined` event that is appended. */
  readonly eventId: string
}

/** What a refused sender is told. */
export interface Rejection {
  readonly code: string
  readonly message: string
}

/** What an installation that needs no handler gets of a response. */
export interface Forward {
  readonly installation: string
  readonly plugin: string
  /** Its `eventSeq` is filled in when the sequence is known. */
  readonly delivery: NewDelivery
}

export type AcceptResult =
  /** Written. `event` is the log entry with its sequence. `completed`: it completed an earlier partial response. */
  | {
      readonly kind: 'stored' | 'completed'
      readonly responseId: string
      readonly event: LogEvent
      /** Those of `forwards` that were made, in order. */
      readonly deliveries: readonly Delivery[]
    }
  /** Put aside. `responseId`: as if it had been stored, and so `completes`. `event`: `response.quarantined`. */
  | {
      readonly kind: 'quarantined'
      readonly responseId: string
      readonly completes: boolean
      readonly event: LogEvent
    }
  /** The same key or client id was here before; nothing was written; this is what it became then. */
  | {
      readonly kind: 'duplicate'
      readonly responseId: string
      readonly status: ResponseStatus
      readonly at: string
      readonly eventId?: string
      /** The client id's response was completed with other answers than these completed ones. */
      readonly differs?: true
      /** It was refused then. */
      readonly rejection?: Rejection
    }
  /** The same Idempotency-Key with another body; nothing was written. */
  | { readonly kind: 'mismatch' }
