/** What lists, counts and replays may be asked for. */
import type { HookEvent } from '../contract/index.ts'
import type {
  DeadReason,
  DeliveryState,
  QuarantineVerdict,
  ResponseStatus,
  RunKind,
  RunRecord,
  StoredResponse,
  WorkspaceId,
} from '../model.ts'

/** What of the events that hooks are about is no response. */
export type ToldEvent = Exclude<HookEvent, `response.${string}`>

/** A page of a list: `after` is the opaque `next` of the page before. */
export interface Page<Item> {
  readonly items: readonly Item[]
  readonly next: string | null
}

/** A page that may have ended before it was full. */
export interface SearchedPage<Item> extends Page<Item> {
  /** RFC 3339; the creation time where time was up. Null: it is full, or everything was looked through. */
  readonly searchedTo: string | null
}

export interface PageQuery {
  readonly limit: number
  readonly after?: string | undefined
}

export interface FormQuery extends PageQuery {
  /** By their ids, or those first that were made last. */
  readonly order?: 'id' | 'newest'
}

export interface DeliveryQuery extends PageQuery {
  readonly installation?: string | undefined
  readonly form?: string | undefined
  readonly response?: string | undefined
  readonly event?: string | undefined
  readonly state?: DeliveryState | undefined
  readonly reason?: DeadReason | undefined
  /** Code of the last error. */
  readonly code?: string | undefined
  /** Of `DeadGroup`. */
  readonly cause?: string | undefined
  /** Stands in ids, last error, code or host; with `inAnswers` in its input or the answers of its response as well. The case of ASCII letters does not matter. */
  readonly text?: { readonly words: string; readonly inAnswers: boolean } | undefined
  /** RFC 3339, on creation time: `since` inclusive, `until` exclusive. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export interface HookQuery extends PageQuery {
  readonly event?: string | undefined
  readonly form?: string | undefined
  readonly source?: string | undefined
  readonly targetUrl?: string | undefined
  readonly zapId?: string | undefined
  /** Id of the API key that it was made with. */
  readonly key?: string | undefined
  /** Unix ms: only those that nothing is sent to then. */
  readonly endedMs?: number | undefined
  /** Unix ms: only those that are sent to then. */
  readonly inForceMs?: number | undefined
}

/** Dead letters of one installation with the same code and the same words, but for ids, numbers and addresses in them. */
export interface DeadGroup {
  /** To ask for these deliveries. */
  readonly cause: string
  readonly installation: string
  readonly reason: DeadReason | null
  readonly code: string | null
  /** The error without what differs. */
  readonly message: string
  readonly count: number
  /** RFC 3339; creation times. */
  readonly firstAt: string
  readonly lastAt: string
  /** The newest of them, and its error in full. */
  readonly exampleId: string
  readonly exampleError: string | null
}

/** Newest first is for people, oldest first for whoever works them off. */
export type Order = 'newest' | 'oldest'

export interface ResponseQuery extends PageQuery {
  readonly form?: string | undefined
  readonly status?: ResponseStatus | undefined
  /** RFC 3339, on creation time: `since` inclusive, `until` exclusive. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** By creation time; newest when it is not said. */
  readonly order?: Order | undefined
  /** The whole of this answer, or one of several. The case of ASCII letters does not matter; a number is one however it is written. */
  readonly answer?: { readonly field: string; readonly value: string } | undefined
  /** Each of its words stands somewhere in an answer, in any case. */
  readonly text?: string | undefined
  /** Looked at one by one, outside the database: a page with it has only those for which it is true. */
  readonly matches?: ((response: StoredResponse) => boolean) | undefined
}

export interface QuarantineFilter {
  readonly form?: string | undefined
  readonly installation?: string | undefined
  readonly verdict?: QuarantineVerdict | undefined
  readonly reason?: string | undefined
  /** RFC 3339, on the time of receipt: `since` inclusive, `until` exclusive. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export interface RunQuery extends PageQuery {
  readonly installation?: string | undefined
  readonly event?: string | undefined
  readonly delivery?: string | undefined
  readonly response?: string | undefined
  readonly kind?: RunKind | undefined
  readonly outcome?: RunRecord['outcome'] | undefined
  /** RFC 3339, on the start: `since` inclusive, `until` exclusive. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

export interface ReplayQuery {
  readonly workspace: WorkspaceId
  readonly deliveryIds?: readonly string[]
  readonly installation?: string | undefined
  readonly form?: string | undefined
  readonly states: readonly DeliveryState[]
  /** Also what was erased, and has nothing left that could be sent. */
  readonly erasedToo?: true | undefined
  readonly reason?: DeadReason | undefined
  readonly code?: string | undefined
  /** Of `DeadGroup`. */
  readonly cause?: string | undefined
  readonly host?: string | undefined
  /** RFC 3339; those that ended later are not meant: nor is what dies again of a replay. */
  readonly endedBy?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** The `next` of the step before; oldest first. */
  readonly after?: string | undefined
}
