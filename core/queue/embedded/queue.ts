/**
 * The queue inside the process: wake-ups in a heap with one timer. It stores nothing of its own. The work is rows of
 * storage already, so at each start every lane that exists is woken once and says itself when to come back.
 */
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../observe/observe.ts'
import type { Lane, LaneKind, LaneWorker, Queue } from '../queue.ts'
import { createWakeHeap } from './wake-heap.ts'

export interface EmbeddedQueueDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** Lanes that exist when the queue starts; a wake-up of one that was lost with the last process is made up for. */
  readonly lanes: () => Promise<readonly Lane[]> | readonly Lane[]
  /** Lanes worked at the same time; the others wait their turn. */
  readonly concurrency?: number
  /** How long `stop` waits for what is being worked. */
  readonly drainGraceMs?: number
}

const CONCURRENCY = 256
const DRAIN_GRACE_MS = 10_000
const RETRY_MS = 50
const RETRY_MS_MAX = 30_000

interface Entry {
  readonly lane: Lane
  readonly key: string
  /** In line for a worker. */
  ready: boolean
  running: boolean
  /** Woken while running: its turn comes again. */
  again: boolean
  dropped: boolean
  failures: number
}

/** A queue that calls nobody until it is started. */
export function createEmbeddedQueue(deps: EmbeddedQueueDeps): Queue {
  return new EmbeddedQueue(deps)
}

const keyOf = ({ kind, workspace, installation }: Lane): string => `${kind}:${workspace}/${installation}`

class EmbeddedQueue implements Queue {
  readonly #deps: EmbeddedQueueDeps
  readonly #entries = new Map<string, Entry>()
  /** Times are monotonic: a wall clock that jumps delays nothing. */
  readonly #later = createWakeHeap()
  readonly #line: Entry[] = []
  #worker: LaneWorker | null = null
  #running = 0
  #stopping = false
  #stopped: (() => void) | null = null
  #cancelTimer: (() => void) | null = null
  #timerAtMs = Number.POSITIVE_INFINITY

  constructor(deps: EmbeddedQueueDeps) {
    this.#deps = deps
  }

  async start(worker: LaneWorker): Promise<void> {
    this.#worker = worker
    for (const lane of await this.#deps.lanes()) this.wake(lane)
    this.#next()
    this.#setTimer()
  }

  wake(lane: Lane, atMs?: number): void {
    if (this.#stopping) return
    const entry = this.#entryOf(lane)
    const delayMs = atMs === undefined ? 0 : atMs - this.#deps.clock.nowMs()
    if (!(delayMs > 0)) return this.#ready(entry)
    this.#later.put(entry.key, this.#deps.clock.monotonicMs() + delayMs)
    this.#setTimer()
  }

  drop(lane: Lane): void {
    const key = keyOf(lane)
    this.#later.remove(key)
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    entry.dropped = true
    this.#entries.delete(key)
  }

  depth(): Readonly<Record<LaneKind, number>> {
    const depth = { pump: 0, deliver: 0, schedule: 0 }
    for (const entry of this.#entries.values()) {
      if (entry.ready || entry.again || this.#later.has(entry.key)) depth[entry.lane.kind] += 1
    }
    return depth
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#line.length = 0
    this.#later.clear()
    this.#cancelTimer?.()
    if (this.#running === 0) return
    const { clock, logger, drainGraceMs = DRAIN_GRACE_MS } = this.#deps
    let cancel = (): void => {}
    const isIdle = await new Promise<boolean>((resolve) => {
      this.#stopped = () => resolve(true)
      cancel = clock.after(drainGraceMs, () => resolve(false))
    })
    cancel()
    if (!isIdle) logger.warn({ running: this.#running }, 'lanes are still being worked; going on without them')
  }

  #entryOf(lane: Lane): Entry {
    const key = keyOf(lane)
    const known = this.#entries.get(key)
    if (known !== undefined) return known
    const entry: Entry = { lane, key, ready: false, running: false, again: false, dropped: false, failures: 0 }
    this.#entries.set(key, entry)
    return entry
  }

  #ready(entry: Entry): void {
    if (entry.running) {
      entry.again = true
      return
    }
    if (entry.ready) return
    entry.ready = true
    this.#line.push(entry)
    this.#next()
  }

  #next(): void {
    if (this.#worker === null || this.#stopping) return
    while (this.#running < (this.#deps.concurrency ?? CONCURRENCY)) {
      const entry = this.#line.shift()
      if (entry === undefined) return
      entry.ready = false
      if (!entry.dropped) void this.#run(entry, this.#worker)
    }
  }

  async #run(entry: Entry, worker: LaneWorker): Promise<void> {
    entry.running = true
    this.#running += 1
    let nextMs: number | null = null
    try {
      nextMs = await worker(entry.lane)
      entry.failures = 0
    } catch (error) {
      nextMs = this.#failed(entry, error)
    }
    entry.running = false
    this.#running -= 1
    if (this.#stopping) {
      if (this.#running === 0) this.#stopped?.()
      return
    }
    if (!entry.dropped) {
      if (nextMs !== null) this.wake(entry.lane, nextMs)
      if (entry.again) {
        entry.again = false
        this.#ready(entry)
      }
    }
    this.#next()
  }

  #failed(entry: Entry, error: unknown): number {
    entry.failures += 1
    // Woken meanwhile or not: a lane that fails comes back by its backoff only.
    entry.again = false
    const delayMs = Math.min(RETRY_MS * 2 ** (entry.failures - 1), RETRY_MS_MAX)
    this.#deps.logger.error(
      { err: error, lane: entry.key, failures: entry.failures, retry_ms: delayMs },
      'lane failed; trying again',
    )
    return this.#deps.clock.nowMs() + delayMs
  }

  #setTimer(): void {
    if (this.#worker === null || this.#stopping) return
    const first = this.#later.peekMs()
    if (first === null || (first >= this.#timerAtMs && this.#cancelTimer !== null)) return
    this.#cancelTimer?.()
    this.#timerAtMs = first
    this.#cancelTimer = this.#deps.clock.after(first - this.#deps.clock.monotonicMs(), () => this.#due())
  }

  #due(): void {
    this.#cancelTimer = null
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const nowMs = this.#deps.clock.monotonicMs()
    for (let key = this.#later.take(nowMs); key !== null; key = this.#later.take(nowMs)) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) this.#ready(entry)
    }
    this.#setTimer()
  }
}
