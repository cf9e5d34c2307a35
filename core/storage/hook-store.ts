/** What the rooms may ask of storage about hooks and notes; a part of `Store`. */
import type { Hook, NewEvent, ResponseNote, WorkspaceId } from '../model.ts'
import type { HookQuery, Page } from './queries.ts'

/** A subscription as it is asked for; one that stands for the same takes its values and keeps its id. */
export interface NewHook extends Pick<
  Hook,
  'id' | 'workspace' | 'keyId' | 'source' | 'zapId' | 'targetUrl' | 'hubUrl' | 'event' | 'formId' | 'expiresAtMs'
> {
  readonly at: string
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
  /** Makes one, or changes the one that stands for the same subscription; `conflict` when there are too many. */
  saveHook(hook: NewHook): Promise<{ readonly hook: Hook; readonly created: boolean }>
  /** With `inForceMs` (unix ms) only one that may be sent to then: it has not expired, and neither has its key. */
  getHook(workspace: WorkspaceId, id: string, inForceMs?: number): Promise<Hook | undefined>
  /** Newest first. */
  listHooks(workspace: WorkspaceId, query: HookQuery): Promise<Page<Hook>>
  /** Those in force that want this event of this form (null: of no form), oldest first. */
  hooksFor(query: {
    workspace: WorkspaceId
    event: string
    formId: string | null
    after: string | null
    limit: number
    nowMs: number
  }): Promise<Page<Hook>>
  /** Of the workspace, or those of them that were made with one key. */
  countHooks(workspace: WorkspaceId, key?: string): Promise<number>
  /** Removes it and appends `hook.removed`; false when it is gone already. */
  removeHook(workspace: WorkspaceId, id: string, event: NewEvent): Promise<boolean>
  noteHooks(notes: readonly HookNote[]): Promise<void>
  /** False when there is no such response; rejects with `conflict` when it has as many as it may. */
  addNote(note: NewNote): Promise<boolean>
  /** Oldest first. */
  listNotes(workspace: WorkspaceId, responseId: string): Promise<readonly ResponseNote[]>
}
