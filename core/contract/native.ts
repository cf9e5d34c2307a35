/**
 * Of plugins with `"runtime": "native"` alone: those of the hub's own whose engine is a native library. They have the
 * handlers, actions, schedules and routes of any other, run in a process of their own without walls, and keep something
 * open between runs.
 */
import type { HubEvent } from './index.ts'
import type { Json } from './json.ts'

/** A form as events carry it. */
export type FormPart = NonNullable<HubEvent['form']>

/** An event with its place in the log. Places are gap-free and grow in the order of commits, from 1. */
export interface LoggedEvent extends HubEvent {
  readonly seq: number
}

/** From the finest on. */
export type LadderRung = 'minute' | 'hour' | 'day' | 'month'

/** What happened from one time up to another, of events that are forgotten. */
export interface LadderRow {
  readonly rung: LadderRung
  readonly startMs: number
  readonly endMs: number
  readonly events: number
  readonly conversions: number
  /** By currency (empty: none was said) conversions with a value, and its sum; null: nobody counted it then. */
  readonly worth: { readonly [currency: string]: readonly [conversions: number, value: number] } | null
  /** By division (`type`, `name`, `source`, `device`, `country`, `form`); `rest` counts values that there was no room for. */
  readonly by: {
    readonly [division: string]: {
      readonly of: { readonly [value: string]: readonly [events: number, conversions: number] }
      readonly rest: readonly [events: number, conversions: number]
    }
  }
}

/** Who did anything on a day, or converted, of events that are forgotten: how many, and who is in both of two, but no names. */
export interface LadderVisitors {
  readonly kind: 'all' | 'converted'
  readonly startMs: number
  readonly endMs: number
  /** Those with the same may be merged; empty: with nothing. */
  readonly salt: string
  /** For `readSketch`. */
  readonly registers: string
}

export interface LadderCounts {
  /** The entry of the log that told last what was forgotten: whoever followed the log so far has exactly the rest. */
  readonly expiredSeq: number
  readonly rows: readonly LadderRow[]
  readonly visitors: readonly LadderVisitors[]
  /** By salt: what visitors are hashed behind (SHA-256), as long as it is known. */
  readonly prefixes: { readonly [salt: string]: string }
}

/** What one rung holds. */
export interface LadderHeld {
  readonly rung: LadderRung
  readonly rows: number
  readonly events: number
  readonly fromMs: number
  readonly toMs: number
}

/** `forms` may be fewer than were asked for, though there is a next page. */
export interface FormPage {
  readonly forms: readonly Pick<FormPart, 'id' | 'name' | 'timezone'>[]
  readonly next: string | null
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
  /** Forms that the installation is shown, as they are now, answered or not. */
  readonly forms: {
    /** Null: there is none of this id. */
    find(id: string): Promise<FormPart | null>
    /** In the order of their ids, behind the one `after` (null: from the first on). `next`: behind what the next page begins; null: there is no more. */
    list(query: { after: string | null; limit: number }): Promise<FormPage>
  }
  /**
   * What the processes of a hub share where there is Redis; elsewhere, and at any time, there is nothing. Under a key stands only
   * what is true for ever: it names all that the text was made from.
   */
  readonly cache: {
    /** Null: it has to be made. Never rejects. */
    get(key: string): Promise<string | null>
    /** What is too long, or too much at a time, is not kept. Never rejects. */
    put(key: string, text: string): Promise<void>
    /** Bytes that a text may have at most; 0: this hub shares nothing. */
    textBytesMax(): Promise<number>
  }
  /** Counts of behaviour events that say nothing any more. Null: of an installation that is not shown all of them. */
  readonly ladder: {
    /** All that lies in this time, also in part; of one moment. */
    read(query: { fromMs: number; toMs: number }): Promise<LadderCounts | null>
    held(): Promise<readonly LadderHeld[] | null>
  }
  /** A line of the hub's own log. */
  say(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields?: { readonly [key: string]: Json }): void
}
