/** What the store's threads say to each other. */
import type { Limits } from '../../limits.ts'
import type { Failure } from './failures.ts'

export interface ThreadData {
  readonly dir: string
  readonly limits: Limits
}

export interface Call {
  readonly verb: string
  readonly input: unknown
}

export type ToThread =
  | { readonly kind: 'open' }
  | { readonly kind: 'calls'; readonly calls: readonly Call[] }
  | { readonly kind: 'close' }

export type FromThread =
  /** `notes` are for the log: migrations that ran, recovered damage. `head`: the last sequence; of the writer alone. */
  | { readonly kind: 'ready'; readonly notes: readonly string[]; readonly head?: number }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** In the order of the calls; `failures` is null when all went well. */
  | {
      readonly kind: 'results'
      readonly values: readonly unknown[]
      readonly failures: readonly (Failure | undefined)[] | null
      /** The last sequence that is committed; only after a commit of the writer. */
      readonly head?: number
    }
  | { readonly kind: 'fatal'; readonly failure: Failure }
  | { readonly kind: 'closed' }
