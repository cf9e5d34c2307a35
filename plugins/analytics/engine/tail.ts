/** Keeps the projection at the end of the log: woken when something comes, with a look of its own from time to time. */
import type { LoggedEvent, NativeServices } from 'manifold/plugin'
import { cureOf, isOfMemory, isOfRows } from './ailment.ts'
import type { Projection } from './projection.ts'

const READ_MAX = 5_000
/** Changes are gathered so long, unless somebody waits: a write of the engine costs little more for many rows than for one. */
const GATHER_MS = 250
const LOOK_EVERY_MS = 5_000
const AGAIN_AFTER_MS = 1_000

export interface Tail {
  /** Something was written to the log. */
  poke(): void
  /** Everything up to this place is in the projection. Rejects when that fails or the tail was closed. */
  reached(seq: number): Promise<void>
  /** Stops after what is under way, until what it resolves with is called. Who waits for a place goes on waiting. */
  hold(): Promise<() => void>
  /** While it is held: on to this place, which the log has, and no further. */
  follow(seq: number): Promise<void>
  close(): Promise<void>
}

export interface TailServices extends Pick<NativeServices, 'log' | 'say'> {
  /** The engine is done for: it has to be opened again, and this tail closed. */
  readonly lost: (error: unknown) => void
}

/** `nothing`: there was no more to read; `company`: more comes anyway, and is gathered; `failure`: it went wrong. */
type Why = 'nothing' | 'company' | 'failure'

/** A sleep that can be ended early; it keeps no process alive. */
class Rest {
  #wake: (() => void) | null = null
  #why: Why = 'nothing'

  async sleep(ms: number, why: Why): Promise<void> {
    this.#why = why
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }

  wake(of: readonly Why[]): void {
    if (of.includes(this.#why)) this.#wake?.()
  }
}

const ANY: readonly Why[] = ['nothing', 'company', 'failure']

/** Those who want to know when a place is reached. */
class Waiting {
  #all: { readonly seq: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  for(seq: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#all.push({ seq, resolve, reject })
    return promise
  }

  reached(applied: number): void {
    for (const { seq, resolve } of this.#all) if (seq <= applied) resolve()
    this.#all = this.#all.filter(({ seq }) => seq > applied)
  }

  fail(error: Error): void {
    for (const { reject } of this.#all) reject(error)
    this.#all = []
  }
}

export function openTail({ log, say, lost }: TailServices, projection: Pick<Projection, 'applied' | 'apply'>): Tail {
  let isClosed = false
  const rest = new Rest()
  let isPoked = true
  let held: PromiseWithResolvers<void> | null = null
  let parked: (() => void) | null = null
  const waiting = new Waiting()
  const poke = (): void => {
    isPoked = true
    // Of those that come meanwhile, the next write takes all.
    rest.wake(['nothing'])
  }
  /** Somebody waits. What has just failed is not tried as often as that. */
  const rush = (): void => {
    isPoked = true
    rest.wake(['nothing', 'company'])
  }
  /** Over how many entries it went on. */
  const step = async (most = Infinity): Promise<number> => {
    const after = projection.applied()
    const { events, next } = await log.read({ after, limit: READ_MAX })
    const reached = Math.min(next, most)
    if (reached <= after) return 0
    const within = events.filter(({ seq }) => seq <= reached)
    await applyByHalves({ projection, say }, within, reached)
    waiting.reached(projection.applied())
    return reached - after
  }
  const work = async (): Promise<void> => {
    while (!isClosed) {
      if (held !== null) {
        parked?.()
        await held.promise
        continue
      }
      isPoked = false
      try {
        const startedMs = performance.now()
        const entries = await step()
        const restMs = GATHER_MS - (performance.now() - startedMs)
        if (isClosed || held !== null) continue
        if (entries === 0) {
          if (!isPoked) await rest.sleep(LOOK_EVERY_MS, 'nothing')
        } else if (restMs > 0 && entries < READ_MAX && waiting.isEmpty) await rest.sleep(restMs, 'company')
      } catch (error) {
        if (isClosed) return
        say('error', 'the projection cannot follow the log; it tries again', { error: String(error) })
        waiting.fail(error instanceof Error ? error : new Error(String(error)))
        if (cureOf(error) !== null) lost(error)
        await rest.sleep(AGAIN_AFTER_MS, 'failure')
      }
    }
  }
  const working = work()
  return {
    poke,
    reached: (seq) => {
      if (seq <= projection.applied()) return Promise.resolve()
      if (isClosed) return Promise.reject(new Error('the projection is closed'))
      const reached = waiting.for(seq)
      rush()
      return reached
    },
    hold: async () => {
      const hold = Promise.withResolvers<void>()
      const resting = Promise.withResolvers<void>()
      held = hold
      parked = resting.resolve
      rush()
      await Promise.race([resting.promise, working])
      return () => {
        held = null
        hold.resolve()
      }
    },
    follow: async (seq) => {
      while (projection.applied() < seq && (await step(seq)) > 0);
    },
    close: async () => {
      isClosed = true
      held?.resolve()
      rest.wake(ANY)
      waiting.fail(new Error('the projection is closed'))
      await working
    },
  }
}

interface Applying {
  readonly projection: Pick<Projection, 'applied' | 'apply'>
  readonly say: TailServices['say']
}

/**
 * One that the engine does not take for what is in it is found by halves and left out: it must not stand in the way of all
 * behind it. What fails for want of memory, disk or anything else that may come back is left to be tried again.
 */
async function applyByHalves(to: Applying, given: readonly LoggedEvent[], reached: number): Promise<void> {
  const { projection, say } = to
  // Of a batch that failed half-way the first half may be there.
  const events = given.filter(({ seq }) => seq > projection.applied())
  try {
    return await projection.apply(events, reached)
  } catch (error) {
    const [first] = events
    if (first === undefined || cureOf(error) !== null || !(isOfRows(error) || isOfMemory(error))) throw error
    if (events.length === 1) {
      if (isOfMemory(error)) throw error
      await projection.apply([], reached)
      return say('error', 'an event is left out of the projection: the engine does not take it', { seq: first.seq })
    }
    const half = Math.floor(events.length / 2)
    await applyByHalves(to, events.slice(0, half), events[half - 1]?.seq ?? reached)
    await applyByHalves(to, events.slice(half), reached)
  }
}
