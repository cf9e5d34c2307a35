/**
 * Of plugins with `"runtime": "native"` alone: those of the hub's own whose engine is a native library. They have the
 * handlers, actions, schedules and routes of any other, run in a process of their own without walls, and keep something
 * open between runs.
 */
import type { HubEvent } from './index.ts'
import type { Json } from './json.ts'

/** An event with its place in the log. Places are gap-free and grow in the order of commits, from 1. */
export interface LoggedEvent extends HubEvent {
  readonly seq: number
}

/** What a native plugin is given when an installation of it is opened. */
export interface NativeServices<C = { readonly [key: string]: Json }> {
  /** The installation's `with`; fields with `format: secret` are references. */
  readonly config: C
  readonly installation: string
  readonly workspace: string
  /** A folder for what can be made again from the log; nobody else writes there. It may be gone at any start. */
  readonly dir: string
  /** Digest of what decides which events it gets, and what of them. What was kept under another one has to be made anew. */
  readonly grant: string
  readonly log: {
    /**
     * What the installation's handlers get or got, after this place, in order; `next` is the place up to which was looked.
     * Erased events are left out. `next === after`: there is no more.
     */
    read(query: { after: number; limit: number }): Promise<{ events: readonly LoggedEvent[]; next: number }>
    /** The last place there is. */
    head(): Promise<number>
  }
  /** A line of the hub's own log. */
  say(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: { readonly [key: string]: Json }): void
}
