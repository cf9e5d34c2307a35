/** What the rooms may ask of storage about hooks and notes; a part of `Store`. */
import type { Hook, NewEvent, ResponseNote, WorkspaceId } from '../model.ts'
import type { HookQuery, Page } from './queries.ts'

/** A subscription as it is asked for; one that stands for the same takes its values and keeps its id. */
export interface NewHook extends Pick<
  Hook,
  'id' | 'workspace' | 'keyId' | 'source' | 'zapId' | 'targetUrl' | 'hubUrl' | 'event' | 'formId' | 'expiresAtMs'
> {
  readonly at: string
  /** Who asks may change the hooks of every key: an admin. */
  readonly ofAnyKey: boolean
}

/** Those that would stop with a key, or with a form. */
export interface HooksOf {
  readonly key?: string
  readonly form?: string
  /** Unix ms. */
  readonly inForceMs: number
}

/** What has to be so when it is removed. */
export interface RemoveIf {
  /** It is there still. */
  readonly targetUrl?: string
  /** Unix ms; nothing has been sent to it since. */
  readonly endedByMs?: number
}

/** How sending to a hook went; `reason` null: well. */
export interface HookNote {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly at: string
  readonly reason: string | null
}

export interface NewNote extends ResponseNote {
  readonly workspace: WorkspaceId
  readonly responseId: string
}

export interface HookStore {
  /** Makes one, or changes the one that stands for the same subscription; `conflict` when there are too many, `forbidden` for a key that is revoked. */
  saveHook(hook: NewHook): Promise<{ readonly hook: Hook; readonly created: boolean }>
  /** With `inForceMs` (unix ms) only one that may be sent to then: it has not expired, and neither has its key. */
  getHook(workspace: WorkspaceId, id: string, inForceMs?: number): Promise<Hook | undefined>
  /** Newest first. */
  listHooks(workspace: WorkspaceId, query: HookQuery): Promise<Page<Hook>>
  /** Those in force that want this event of this form (null: of no form) and were asked for before it, oldest first. */
  hooksFor(query: {
    workspace: WorkspaceId
    event: string
    eventId: string
    formId: string | null
    after: string | null
    limit: number
    nowMs: number
  }): Promise<Page<Hook>>
  /** Of the workspace, or those of them that would stop with one key or form. */
  countHooks(workspace: WorkspaceId, of?: HooksOf): Promise<number>
  /** Those that nothing has been sent to since then, the longest untouched first; of all workspaces with null. */
  endedHooks(query: { workspace: WorkspaceId | null; endedByMs: number; limit: number }): Promise<readonly Hook[]>
  /** Those that nothing is sent to any more and that `tellStopped` has not been called for since, of all workspaces. */
  untoldHooks(query: { nowMs: number; limit: number }): Promise<readonly Hook[]>
  /** Notes that the event tells of these and appends it; false, and nothing is written, when one is no more as `untoldHooks` said. */
  tellStopped(told: {
    workspace: WorkspaceId
    ids: readonly string[]
    nowMs: number
    event: NewEvent
  }): Promise<boolean>
  /** Removes it and appends `hook.removed`, and with it the alert if there is one; false when it is gone already, or not as it has to be. */
  removeHook(hook: {
    workspace: WorkspaceId
    id: string
    event: NewEvent
    alert?: NewEvent
    if: RemoveIf
  }): Promise<boolean>
  noteHooks(notes: readonly HookNote[]): Promise<void>
  /** Admin keys of the operator's but `inForce` that hooks were made with and that have not ended so far. */
  strayOperators(workspace: WorkspaceId, inForce: string | null): Promise<readonly { key: string; hooks: number }[]>
  /** Ends those, their hooks with the reason, and lets `inForce` go on; false, and no event, when none had to. */
  settleOperators(keys: {
    workspace: WorkspaceId
    inForce: string | null
    ended: readonly string[]
    reason: string
    at: string
    event: NewEvent
  }): Promise<boolean>
  /** False when there is no such response; rejects with `conflict` when it has as many as it may. */
  addNote(note: NewNote): Promise<boolean>
  /** Oldest first. */
  listNotes(workspace: WorkspaceId, responseId: string): Promise<readonly ResponseNote[]>
}
