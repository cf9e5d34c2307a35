/**
 * Hooks: other programs (Zapier, Make, n8n, Activepieces, or a script) that asked at `/api/v2/hooks` to be sent events of the
 * workspace. A plugin with `permissions.hooks` carries them out: it learns who wants an event, and may send to those and to
 * nobody else. It never sees where that is.
 */

/** What a hook can be about. `form.created` is the first `form.changed` of a form. */
export const HOOK_EVENTS = [
  'response.submitted',
  'response.partial',
  'form.created',
  'form.changed',
  'delivery.dead',
  'alert.raised',
] as const
export type HookEvent = (typeof HOOK_EVENTS)[number]

/** Stands for the address of a hook as the `url` of `ctx.http`; by POST only. */
export interface HookRef {
  readonly $hook: string
}

export interface HookInfo {
  readonly id: string
  readonly event: HookEvent
  /** Null: every form. */
  readonly form: string | null
  readonly source: string
  /** The hub's address as the subscriber knows it, for links; null: unknown. */
  readonly hubUrl: string | null
  /** It has expired, or its key or its form has ended: what is sent to it is refused until its subscriber asks again. */
  readonly isStill: boolean
  readonly url: HookRef
}

export interface Hooks {
  /**
   * Those that want this event of this form and were asked for before it happened, in order of id, at most 40 a call; `next` is
   * the `after` of the next page. `eventId`: `event.id`.
   */
  list(query: {
    event: HookEvent
    eventId: string
    form?: string
    after?: string
  }): Promise<{ items: HookInfo[]; next: string | null }>
  /** Undefined for one that was removed; one that has ended another way is still. */
  get(id: string): Promise<HookInfo | undefined>
  /** How sending to it went, for the people who look at its health; `reason` is what was wrong, or null. Of actions only. */
  note(id: string, reason: string | null): Promise<void>
  /**
   * The receiver, which this run has sent to, said that it is gone for good. A `hook.removed` event and an alert tell; false: it was gone
   * already, or has been asked for with another address meanwhile. Of actions only.
   */
  remove(id: string, reason: string): Promise<boolean>
}
