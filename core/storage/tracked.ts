/** Behaviour events as they come in to be stored, and what becomes of them. */
import type { LogEvent, NewEvent, WorkspaceId } from '../model.ts'
import type { CountInput } from './procedures/ladder.ts'

/** One behaviour event, checked and enriched. JSON is text already. */
export interface TrackedEvent extends Omit<NewEvent, 'responseId' | 'hops'> {
  readonly workspace: WorkspaceId
  /** JSON object text: what the connection says. */
  readonly meta: string
  /** The sender's own id, marked by ingest: unique per workspace as long as what the event says is kept. */
  readonly clientId: string | null
}

/** One that its family does not take. JSON is text already. */
export interface AsideEvent {
  /** Its id as an event, when it is stored. */
  readonly id: string
  readonly receivedAt: string
  readonly formId: string | null
  /** The family that it named, without `track.`. */
  readonly type: string
  /** Why, in a word. */
  readonly code: string
  /** JSON array of `{pointer, detail}`. */
  readonly problems: string
  /** JSON object as its sender wrote it, without what nobody should know. */
  readonly event: string
  /** The sender's own id as it is stored; without one, the id here. */
  readonly clientId: string
}

/** What was received before `before` is forgotten, now. */
export interface ExpireTracked {
  readonly before: string
  readonly at: string
  /** How it is counted. */
  readonly counting: CountInput
}

export type TrackResult =
  | { readonly kind: 'stored'; readonly event: LogEvent }
  /** The sender's id was here before; nothing was written; this is the event that was. */
  | { readonly kind: 'duplicate'; readonly id: string; readonly type: string; readonly at: string }
