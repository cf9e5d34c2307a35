/** What one run of the action knows: its requests are counted, and each row gets its outcome once. */
import { retry } from 'manifold/plugin'
import type { ContextOf, FinalOutcome } from 'manifold/plugin'
import type { RowEvent } from './columns.ts'
import type { Plugin } from './types.d.ts'

/** A response that wants a row. */
export interface WantedRow {
  /** Of the item in its batch. */
  readonly place: number
  readonly event: RowEvent
  /** An earlier attempt may have brought it, and none was under way after this, Unix ms. Null: there was none. */
  readonly sentBeforeMs: number | null
}

export type RunContext = Pick<ContextOf<Plugin>, 'config' | 'http' | 'token' | 'kv' | 'log' | 'run'>

/** The hub allows a run 20 requests; one is kept for a token that is refused. */
const CALLS_MAX = 19
/** A request needs so long at most, usually; with less left the rest goes in the next run. */
const CALL_MS = 5_000
const KNOWN_KEY = 'headers'

export class Run {
  readonly ctx: RunContext
  /** By place. */
  readonly outcomes = new Map<number, FinalOutcome>()
  #callsLeft = CALLS_MAX
  #known: ReadonlySet<string> | null = null

  constructor(ctx: RunContext) {
    const { config, token, kv, log, run } = ctx
    const http: RunContext['http'] = (request) => {
      this.#callsLeft -= 1
      return ctx.http(request)
    }
    this.ctx = { config, token, kv, log, run, http }
  }

  /** Those that have no outcome yet. */
  open(rows: readonly WantedRow[]): readonly WantedRow[] {
    return rows.filter(({ place }) => !this.outcomes.has(place))
  }

  /** The outcome of those that have none yet. */
  settle(rows: readonly WantedRow[], outcome: FinalOutcome): void {
    for (const { place } of this.open(rows)) this.outcomes.set(place, outcome)
  }

  /**
   * Nothing was written. What stops the installation takes one delivery, which says why; the others go on when it does. A
   * credential's refusal takes none.
   */
  stop(rows: readonly WantedRow[], outcome: FinalOutcome): void {
    if (outcome.outcome !== 'dead') return this.settle(rows, outcome)
    this.settle(this.open(rows).slice(0, 1), outcome)
    this.settle(rows, retry(outcome.message, { code: outcome.code, untouched: true }))
  }

  /** Unix ms from when on nothing that was sent before that time is still under way at Google. */
  settledMs(sentBeforeMs: number): number {
    return sentBeforeMs + this.ctx.config.settleS * 1000
  }

  /** There is time and room for so many requests more. */
  hasRoomFor(calls: number): boolean {
    return this.#callsLeft >= calls && Date.now() < this.ctx.run.deadlineMs - CALL_MS
  }

  /** Headers that were in the tab before. */
  async known(): Promise<ReadonlySet<string>> {
    this.#known ??= new Set((await this.ctx.kv.get(KNOWN_KEY)) as readonly string[] | undefined)
    return this.#known
  }

  async learn(headers: Iterable<string>): Promise<void> {
    const known = await this.known()
    const all = new Set([...known, ...headers])
    if (all.size === known.size) return
    this.#known = all
    this.ctx.kv.set(KNOWN_KEY, [...all])
  }
}
