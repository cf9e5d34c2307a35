/**
 * One look of a transform at one response, from before it is asked until the store has said what the response became: then
 * the history of runs is told. A look that came too late is told when its run is over, so that its lines and CPU are in it.
 */
import type { Clock } from '../clock.ts'
import type { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Became } from '../ingest/transforms.ts'
import type { TransformOutcome } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { RunRecorder } from '../runs/history.ts'
import type { RunEnd } from '../runs/record.ts'
import { NO_EFFECTS } from '../delivery/effects.ts'
import type { RunResult } from '../sandbox/sandbox.ts'
import type { Passing } from './changes.ts'

/** What came of it: the response before and after, and why it failed. */
export interface LookEnd {
  readonly outcome: TransformOutcome
  readonly before: Passing
  readonly after: Passing
  readonly error: HubError | null
}

export class Look {
  /** Of the run. */
  readonly id: string
  readonly #startedAtMs: number
  readonly #startedMs: number
  #waitedMs = 0
  #mask: (text: string) => string = (text) => text
  #result: RunResult | null = null
  /** Its run is still under way when the look is over already. */
  #over: Promise<void> | null = null
  #end: LookEnd | null = null

  constructor(clock: Pick<Clock, 'nowMs' | 'monotonicMs'>) {
    this.#startedAtMs = clock.nowMs()
    this.#startedMs = clock.monotonicMs()
    this.id = newId('run', this.#startedAtMs)
  }

  /** It is about to run; `mask` takes the installation's secrets out of a text. */
  opened(mask: (text: string) => string): void {
    this.#mask = mask
  }

  /** Its run came to this. */
  ran(result: RunResult): void {
    this.#result = result
  }

  /** Nobody waits any more for its run, which `over` sees the end of. */
  left(over: Promise<void> | null, clock: Pick<Clock, 'monotonicMs'>): void {
    this.#over = over
    this.#waitedMs = clock.monotonicMs() - this.#startedMs
  }

  ended(end: LookEnd): void {
    this.#end = end
  }

  /** Why it failed; null: it did not. */
  get error(): HubError | null {
    return this.#end?.error ?? null
  }

  /** Tells the history, now or when its run is over. */
  tell(
    runs: RunRecorder,
    about: { readonly installation: Installation; readonly formId: string; readonly became: Became },
  ): void {
    const end = this.#end
    if (end === null) return
    const told = (): void => runs.record(this.#runEnd(end, about))
    if (this.#over === null) told()
    else void this.#over.then(told)
  }

  #runEnd(
    { outcome, before, after, error }: LookEnd,
    { installation, formId, became }: { installation: Installation; formId: string; became: Became },
  ): RunEnd {
    const result = this.#result
    const { responseId, eventId } = became
    return {
      id: this.id,
      installation,
      kind: 'transform',
      name: formId,
      attempt: 1,
      startedAtMs: this.#startedAtMs,
      durationMs: result?.durationMs ?? this.#waitedMs,
      items: [{ eventId, deliveryId: null, formId, responseId, outcome }],
      result,
      effects: NO_EFFECTS,
      ...(outcome === 'changed' ? { changes: { before, after } } : {}),
      exchanges: [],
      failure: error === null ? null : { code: error.code, error: error.message, cause: result?.error?.cause },
      mask: this.#mask,
    }
  }
}
