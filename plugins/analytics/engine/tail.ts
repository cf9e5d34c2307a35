/** Keeps the projection at the end of the log: woken when something comes, with a look of its own from time to time. */
import type { LoggedEvent, NativeServices } from 'manifold/plugin'
import type { Projection } from './projection.ts'

const READ_MAX = 5_000
/** Under load, changes are gathered so long: a write of the engine costs little more for many rows than for one. */
const GATHER_MS = 100
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

type Services = Pick<NativeServices, 'log' | 'say'>

/** A sleep that can be ended early; it keeps no process alive. */
class Rest {
  #wake: (() => void) | null = null

  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms).unref()
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }

  wake(): void {
    this.#wake?.()
  }
}

export function openTail({ log, say }: Services, projection: Pick<Projection, 'applied' | 'apply'>): Tail {
  let isClosed = false
  const rest = new Rest()
  let isPoked = true
  let held: PromiseWithResolvers<void> | null = null
  let parked: (() => void) | null = null
  let waiting: { readonly seq: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  const settle = (): void => {
    const applied = projection.applied()
    for (const { seq, resolve } of waiting) if (seq <= applied) resolve()
    waiting = waiting.filter(({ seq }) => seq > applied)
  }
  const poke = (): void => {
    isPoked = true
    rest.wake()
  }
  const step = async (most = Infinity): Promise<boolean> => {
    const after = projection.applied()
    const { events, next } = await log.read({ after, limit: READ_MAX })
    const reached = Math.min(next, most)
    if (reached <= after) return false
    const within = events.filter(({ seq }) => seq <= reached)
    await applyByHalves({ projection, say }, within, reached)
    settle()
    return true
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
        if (await step()) {
          const restMs = GATHER_MS - (performance.now() - startedMs)
          // Whoever asks waits for the next write, so it comes at once.
          if (restMs > 0 && waiting.length === 0 && isPoked) await rest.sleep(restMs)
          continue
        }
        if (!isPoked) await rest.sleep(LOOK_EVERY_MS)
      } catch (error) {
        if (isClosed) return
        say('error', 'the projection cannot follow the log; it tries again', { error: String(error) })
        for (const { reject } of waiting) reject(error instanceof Error ? error : new Error(String(error)))
        waiting = []
        await rest.sleep(AGAIN_AFTER_MS)
      }
    }
  }
  const working = work()
  return {
    poke,
    reached: (seq) => {
      if (seq <= projection.applied()) return Promise.resolve()
      if (isClosed) return Promise.reject(new Error('the projection is closed'))
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ seq, resolve, reject })
      poke()
      return promise
    },
    hold: async () => {
      const hold = Promise.withResolvers<void>()
      const resting = Promise.withResolvers<void>()
      held = hold
      parked = resting.resolve
      poke()
      await Promise.race([resting.promise, working])
      return () => {
        held = null
        hold.resolve()
      }
    },
    follow: async (seq) => {
      while (projection.applied() < seq && (await step(seq)));
    },
    close: async () => {
      isClosed = true
      held?.resolve()
      rest.wake()
      for (const { reject } of waiting) reject(new Error('the projection is closed'))
      waiting = []
      await working
    },
  }
}

interface Applying {
  readonly projection: Pick<Projection, 'applied' | 'apply'>
  readonly say: Services['say']
}

/** One that the engine does not take is found by halves and left out: it must not stand in the way of all behind it. */
async function applyByHalves(to: Applying, given: readonly LoggedEvent[], reached: number): Promise<void> {
  const { projection, say } = to
  // Of a batch that failed half-way the first half may be there.
  const events = given.filter(({ seq }) => seq > projection.applied())
  try {
    return await projection.apply(events, reached)
  } catch (error) {
    const [first] = events
    // Not for what was in it.
    if (first === undefined) throw error
    if (events.length === 1) {
      await projection.apply([], reached)
      return say('error', 'an event is left out of the projection: the engine does not take it', { seq: first.seq })
    }
    const half = Math.floor(events.length / 2)
    await applyByHalves(to, events.slice(0, half), events[half - 1]?.seq ?? reached)
    await applyByHalves(to, events.slice(half), reached)
  }
}
