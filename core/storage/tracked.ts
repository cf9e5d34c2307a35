/** Behaviour events as they come in to be stored, and what becomes of them. */
import type { LogEvent, NewEvent, WorkspaceId } from '../model.ts'

/** One behaviour event, checked and enriched. JSON is text already. */
export interface TrackedEvent extends Omit<NewEvent, 'responseId' | 'hops'> {
  readonly workspace: WorkspaceId
  /** JSON object text: what the connection says. */
  readonly meta: string
  /** The sender's own id, marked by ingest: unique per workspace as long as what the event says is kept. */
  readonly clientId: string | null
}

export type TrackResult =
  | { readonly kind: 'stored'; readonly event: LogEvent }
  /** The sender's id was here before; nothing was written; this is the event that was. */
  | { readonly kind: 'duplicate'; readonly id: string; readonly type: string; readonly at: string }
