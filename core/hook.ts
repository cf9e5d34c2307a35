/** Hooks, and notes that people or programs write to responses: words of the model. */
import type { HookEvent } from './contract/index.ts'
import type { WorkspaceId } from './model.ts'

/** A note that somebody wrote to a response. */
export interface ResponseNote {
  readonly id: string
  /** Name of the key that it came with. */
  readonly author: string
  readonly at: string
  readonly text: string
}

/** Whose programs subscribe. */
export const HOOK_SOURCES = ['zapier', 'make', 'n8n', 'activepieces', 'other'] as const
export type HookSource = (typeof HOOK_SOURCES)[number]

/** A program outside that asked to be sent events. */
export interface Hook {
  readonly id: string
  readonly workspace: WorkspaceId
  /** The API key that it was made with. */
  readonly keyId: string
  readonly source: HookSource
  /** The subscriber's own name for it; of Zapier the id of the Zap. */
  readonly zapId: string | null
  readonly targetUrl: string
  /** The hub's address as the subscriber knows it. */
  readonly hubUrl: string | null
  readonly event: HookEvent
  /** Null: every form. */
  readonly formId: string | null
  readonly createdAt: string
  readonly updatedAt: string
  /** Unix ms; nothing is sent from then on. */
  readonly expiresAtMs: number | null
  readonly lastSuccessAt: string | null
  readonly lastFailureAt: string | null
  /** What the last failure was. */
  readonly lastReason: string | null
  /** When its form was deleted; one that has the id later is another form. */
  readonly formGoneAt: string | null
  /** What is stored of its key; null: a token, or an admin key that hubs are given. */
  readonly key: {
    readonly name: string
    /** An admin key that hubs were given once. */
    readonly isOperator: boolean
    readonly revokedAt: string | null
    readonly expiresAt: string | null
  } | null
}
