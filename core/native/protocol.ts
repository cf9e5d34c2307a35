/** What the hub and the process of a native plugin say to each other, one structured-clone message each. Both are trusted. */
import type { Json, RouteResponse } from '../contract/index.ts'
import type { RunLog } from '../model.ts'
import type { GuestEffects, RunInput, RunValue, UnitSurface } from '../sandbox/sandbox.ts'

/** An error as text, with the code of a capability that was refused. */
export interface ErrorText {
  readonly message: string
  readonly stack: string
  readonly code?: string
}

/** One run as the process gets it. */
export interface NativeRun {
  readonly id: string
  readonly attempt: number
  readonly input: RunInput
  /** Place of its event in the log. */
  readonly seq: number | null
  /** When whoever asks waits no longer; null: `wallMs` from its beginning on. */
  readonly deadlineMs: number | null
  readonly wallMs: number
}

export interface NativeResult {
  readonly value: RunValue | RouteResponse
  readonly effects: GuestEffects
  readonly logs: readonly RunLog[]
  readonly cpuMs: number
  readonly durationMs: number
  readonly error: ErrorText | null
}

/** What `log.read` answers across the pipe: texts of events, parsed where they are read. */
export interface LogRead {
  /** Without their forms. */
  readonly texts: readonly string[]
  readonly seqs: readonly number[]
  /** Each once, however many events are about it. */
  readonly forms: readonly string[]
  /** Of each event, the place of its form among them; -1: it has none, or the installation does not get it. */
  readonly formAt: readonly number[]
  readonly next: number
}

export type ToNative =
  | {
      readonly kind: 'open'
      readonly key: string
      /** URL of the plugin's main file. */
      readonly main: string
      readonly dir: string
      readonly config: string
      readonly grant: string
    }
  | { readonly kind: 'shut'; readonly key: string }
  /** Runs one after the other; each is answered as it ends. */
  | { readonly kind: 'run'; readonly key: string; readonly lane: number; readonly runs: readonly NativeRun[] }
  /** Nobody waits for this run any more. */
  | { readonly kind: 'cancel'; readonly run: string }
  /** Is answered with `here`. */
  | { readonly kind: 'there' }
  | { readonly kind: 'answer'; readonly call: number; readonly value?: unknown; readonly error?: ErrorText }

export type FromNative =
  | { readonly kind: 'opened'; readonly key: string; readonly surface?: UnitSurface; readonly error?: ErrorText }
  | { readonly kind: 'shut'; readonly key: string }
  | { readonly kind: 'here' }
  | { readonly kind: 'ran'; readonly lane: number; readonly result: NativeResult }
  /** `run`: a capability of that run; null: a service of the installation. */
  | {
      readonly kind: 'call'
      readonly call: number
      readonly key: string
      readonly run: string | null
      readonly name: string
      readonly args: Json
    }
  | {
      readonly kind: 'say'
      readonly key: string
      readonly level: 'debug' | 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: { readonly [key: string]: Json }
    }
