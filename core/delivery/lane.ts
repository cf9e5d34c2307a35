/**
 * The lane of one installation: its due deliveries in memory, bounded, and the decision which of them run now. It keeps
 * to the concurrency cap, the rate limit, the order of keys and the breakers; everything else waits in storage.
 */
import type { Clock } from '../clock.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, InstallationState } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'
import type { Breakers } from './breaker.ts'
import { createLaneMemory } from './lane-memory.ts'
import type { LaneMemory } from './lane-memory.ts'
import type { BatchRule } from './name-line.ts'
import { isRunnable } from './ports.ts'
import { createTokenBucket } from './token-bucket.ts'
import type { TokenBucket } from './token-bucket.ts'

export interface LaneDeps {
  readonly store: Pick<Store, 'loadDue' | 'nextDue'>
  readonly breakers: Breakers
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  /** Deliveries of events with a lesser id are not fresh: the log had them before this process began. */
  readonly freshFrom: string
  /** Runs the deliveries; the engine calls `ended` and `left` when they are through. */
  readonly start: (lane: Lane, deliveries: readonly Delivery[], runId: string) => void
  /** Calls `turn` again at that time, at the latest. */
  readonly wakeAt: (atMs: number) => void
}

/** Load from storage again when this share of the memory is left. */
const REFILL_FRACTION = 0.25
const LOAD_RETRY_MS = 1_000
const INTERRUPTED_WAIT_MS = 100
const INTERRUPTED_WAIT_MS_MAX = 5_000

const ALONE: BatchRule = { max: 1, waitMs: 0 }

export class Lane {
  readonly deps: LaneDeps
  installation: Installation
  state: InstallationState
  #memory: LaneMemory
  #bucket: TokenBucket | null
  #running = 0
  /** Deliveries wait in storage that are due and not in memory. */
  #more = true
  /** Unix ms of the first that waits in storage for its time. */
  #nextDueMs: number | null = null
  #loading = false
  /** Ids that left while a load was under way: its answer may be older than their end. */
  #leftMeanwhile = new Set<string>()
  /** Something was left to storage while a load was under way: its answer may not have it. */
  #declined = false
  #interruptions = 0
  #quietUntilMs = 0
  #stopped = false

  constructor(deps: LaneDeps, installation: Installation, state: InstallationState) {
    this.deps = deps
    this.installation = installation
    this.state = state
    this.#memory = createLaneMemory(deps.freshFrom)
    this.#bucket = bucketOf(installation, deps.clock.monotonicMs())
  }

  /** Another configuration or state of the same installation. What runs goes on; what waits follows the new one. */
  reconfigure(installation: Installation, state: InstallationState): void {
    if (installation.ratePerSecond !== this.installation.ratePerSecond) {
      this.#bucket = bucketOf(installation, this.deps.clock.monotonicMs())
    }
    if (installation.order !== this.installation.order || !isRunnable(state)) this.forgetWaiting()
    this.installation = installation
    this.state = state
    this.#more = true
  }

  /** Leaves everything that waits to storage; what runs goes on. */
  forgetWaiting(): void {
    for (const id of this.#memory.clear()) if (this.#loading) this.#leftMeanwhile.add(id)
    this.#more = true
    this.#declined = true
  }

  /** Starts nothing any more, whatever is still under way; what runs goes on and what waits is left to storage. */
  stop(): void {
    this.#stopped = true
    this.forgetWaiting()
  }

  /** Just committed. Taken into memory when it is due, there is room, and nothing older waits in storage. */
  push(delivery: Delivery): void {
    const nowMs = this.deps.clock.nowMs()
    if (delivery.dueAtMs > nowMs) return this.noteDue(delivery.dueAtMs)
    const inOrder = this.installation.order === 'fifo' && delivery.orderKey !== null
    const room = this.#memory.size() < this.deps.limits.laneMemoryDeliveriesMax
    if (room && !this.#more && !inOrder && isRunnable(this.state)) {
      this.#memory.add(delivery)
      return
    }
    this.#more = true
    this.#declined = true
  }

  /** Something waits in storage for this time. */
  noteDue(atMs: number): void {
    if (this.#nextDueMs !== null && this.#nextDueMs <= atMs) return
    this.#nextDueMs = atMs
    this.deps.wakeAt(atMs)
  }

  /** Storage has due deliveries that this lane was not given (replay, hasten). */
  noteMore(): void {
    this.#more = true
    this.#declined = true
  }

  /** Its run is over; the slot is free, the delivery stays known until its end is on disk. */
  ended(): void {
    this.#running -= 1
  }

  /** A run came through: the sandbox works. */
  calm(): void {
    this.#interruptions = 0
  }

  /** Its end is on disk, or it is not this lane's any more. */
  left(delivery: Delivery): void {
    this.#memory.forget(delivery.id)
    if (this.#loading) this.#leftMeanwhile.add(delivery.id)
    // The next of its key could not be loaded before.
    if (this.installation.order === 'fifo' && delivery.orderKey !== null) this.noteMore()
  }

  /** Its host must not be asked now: it waits, uncounted, in memory or (when many do) in storage. */
  hold(delivery: Delivery, host: string, untilMs: number): void {
    this.#memory.hold(delivery, host)
    this.deps.wakeAt(untilMs)
  }

  /** It was interrupted through no fault of its own: it is next again, after a moment that grows while that goes on. */
  again(delivery: Delivery, nowMs: number): void {
    this.#memory.addFirst(delivery)
    if (nowMs < this.#quietUntilMs) return
    this.#interruptions += 1
    this.#quietUntilMs = nowMs + Math.min(INTERRUPTED_WAIT_MS * 2 ** (this.#interruptions - 1), INTERRUPTED_WAIT_MS_MAX)
  }

  /** Remembers where a kind of delivery goes, so that a closed door is known before the run. */
  learnHost(delivery: Delivery, host: string): void {
    this.#memory.learnHost(delivery, host)
  }

  /** When something that waits in storage for its time is due; null when nothing is known to. */
  nextDueMs(): number | null {
    return isRunnable(this.state) ? this.#nextDueMs : null
  }

  /** Nothing runs, waits or holds it back: a delivery that comes now starts now. */
  isIdle(): boolean {
    const { order } = this.installation
    const free = this.state === 'ready' && this.#bucket === null && order !== 'fifo' && !this.#stopped
    return free && this.#running === 0 && this.#memory.size() === 0 && !this.#more
  }

  running(): number {
    return this.#running
  }

  /** In memory and waiting to run since this process took their event in; the ones held by a breaker not counted. */
  fresh(): number {
    return this.#memory.fresh()
  }

  /** True when storage holds due ones beyond those in memory. */
  overflowing(): boolean {
    return this.#more
  }

  /** Starts what may start now and loads what is missing. Cheap when there is nothing to do. */
  turn(): void {
    if (this.#stopped || !isRunnable(this.state)) return
    const nowMs = this.deps.clock.nowMs()
    if (this.#nextDueMs !== null && this.#nextDueMs <= nowMs) {
      this.#nextDueMs = null
      this.noteMore()
    }
    this.#releaseHeld(nowMs)
    this.#startWaiting(nowMs)
    const low = this.#memory.size() <= this.deps.limits.laneMemoryDeliveriesMax * REFILL_FRACTION
    if (this.#more && low && !this.#loading) void this.#load()
  }

  #releaseHeld(nowMs: number): void {
    for (const host of this.#memory.heldHosts()) {
      const key = { installation: this.installation.key, host }
      const admission = this.deps.breakers.peek(key, nowMs)
      if (admission.kind === 'wait') this.deps.wakeAt(admission.untilMs)
      else {
        const more = this.deps.breakers.isClosed(key) ? this.#memory.release(host) : this.#memory.releaseOne(host)
        if (more) this.noteMore()
      }
    }
  }

  #startWaiting(nowMs: number): void {
    const concurrency = this.state === 'degraded' ? 1 : Math.max(1, this.installation.concurrency)
    while (this.#running < concurrency && this.#memory.queued() > 0) {
      if (nowMs < this.#quietUntilMs) return this.deps.wakeAt(this.#quietUntilMs)
      const waitMs = this.#bucket?.waitMs(this.deps.clock.monotonicMs()) ?? 0
      if (waitMs > 0) return this.deps.wakeAt(nowMs + waitMs)
      const batch = this.#memory.takeBatch((delivery) => this.#batchOf(delivery), nowMs)
      if (batch === null) return
      if (batch.kind === 'wait') return this.deps.wakeAt(batch.untilMs)
      this.#startBatch(batch.deliveries, nowMs)
    }
  }

  #startBatch(deliveries: readonly Delivery[], nowMs: number): void {
    const runId = newId('run', nowMs)
    const [first] = deliveries
    const host = first === undefined ? null : this.#memory.hostOf(first)
    if (host !== null) {
      const admission = this.deps.breakers.admit({ installation: this.installation.key, host }, runId, nowMs)
      if (admission.kind === 'wait') {
        for (const delivery of deliveries) this.hold(delivery, host, admission.untilMs)
        return
      }
    }
    this.#bucket?.take(this.deps.clock.monotonicMs())
    this.#running += 1
    this.deps.start(this, deliveries, runId)
  }

  #batchOf(delivery: Delivery): BatchRule {
    // What failed in company goes alone, so that one bad item does not take the others with it.
    if (delivery.kind !== 'action' || delivery.errorCode?.startsWith('plugin_') === true) return ALONE
    const { actions } = this.installation.plugin.manifest
    return (Object.hasOwn(actions, delivery.name) ? actions[delivery.name]?.batch : undefined) ?? ALONE
  }

  async #load(): Promise<void> {
    const { store, clock, limits, logger } = this.deps
    const { workspace, id, order } = this.installation
    this.#loading = true
    this.#declined = false
    this.#leftMeanwhile = new Set()
    const limit = limits.laneMemoryDeliveriesMax - this.#memory.size()
    const untilMs = clock.nowMs()
    try {
      const exceptIds = this.#memory.ids()
      const rows = await store.loadDue({
        workspace,
        installation: id,
        untilMs,
        limit,
        exceptIds,
        ...(order === 'fifo' ? { heads: true } : {}),
      })
      const nextDueMs = rows.length === limit ? null : await store.nextDue(workspace, id, untilMs)
      if (this.#stopped) return
      if (isRunnable(this.state)) {
        for (const row of rows) if (!this.#leftMeanwhile.has(row.id)) this.#memory.add(row)
      }
      this.#more = rows.length === limit || this.#declined || !isRunnable(this.state)
      if (nextDueMs !== null) this.noteDue(nextDueMs)
    } catch (error) {
      logger.error(
        { err: error, installation: this.installation.key },
        'due deliveries could not be loaded; trying again',
      )
      this.#loading = false
      if (this.#stopped) return
      return this.deps.wakeAt(clock.nowMs() + LOAD_RETRY_MS)
    }
    this.#loading = false
    this.#leftMeanwhile.clear()
    this.turn()
  }
}

const bucketOf = ({ ratePerSecond }: Installation, nowMs: number): TokenBucket | null =>
  ratePerSecond === null ? null : createTokenBucket(ratePerSecond, nowMs)
