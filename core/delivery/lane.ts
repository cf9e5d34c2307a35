/**
 * The lane of one installation: its due deliveries in memory, bounded, and the decision which of them run now. It keeps
 * to the concurrency cap, the rate limit, the order of keys, the pace of actions and the breakers; everything else waits
 * in storage.
 */
import type { Clock } from '../clock.ts'
import { newId } from '../ids.ts'
import type { Limits } from '../limits.ts'
import type { Delivery, InstallationState } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { Installation } from '../registry/installation.ts'
import type { Store } from '../storage/store.ts'
import type { Breakers } from './breaker.ts'
import { createEarlierAttempts } from './earlier-attempts.ts'
import type { EarlierAttempts } from './earlier-attempts.ts'
import { Interruptions } from './interruptions.ts'
import { createLaneMemory } from './lane-memory.ts'
import type { LaneMemory } from './lane-memory.ts'
import { ALONE, BLOCKED } from './name-line.ts'
import type { BatchRule } from './name-line.ts'
import { createOnward } from './onward.ts'
import { actionOf, isRepaced, paceOf } from './pace.ts'
import { isRunnable } from './ports.ts'
import { SerialActions } from './serial.ts'
import type { SerialTurns } from './serial.ts'
import { rateLimitOf } from './token-bucket.ts'
import type { TokenBucket } from './token-bucket.ts'

export interface LaneDeps {
  readonly store: Pick<Store, 'loadDue' | 'nextDue' | 'headSeq'>
  readonly breakers: Breakers
  /** One for all lanes of the process. */
  readonly turns: SerialTurns
  readonly clock: Clock
  readonly limits: Limits
  readonly logger: Logger
  /** Deliveries of events with a lesser id are not fresh: the log had them before this process began. */
  readonly freshFrom: string
  /** So long after it begins another process may go on with what that one started. */
  readonly overlapMs: number
  /** Runs the deliveries; the engine calls `ended` and `left` when they are through. */
  readonly start: (lane: Lane, deliveries: readonly Delivery[], run: LaneRun) => void
  /** Calls `turn` again at that time, at the latest. */
  readonly wakeAt: (atMs: number) => void
}

/** A run as the lane starts it. */
export interface LaneRun {
  readonly id: string
  /** Ids of deliveries that an earlier attempt may have brought to the receiver, and until when (Unix ms). */
  readonly repeats: ReadonlyMap<string, number>
  /** What it keeps others from until `goOn`; null: nothing. */
  readonly serialKey: string | null
}

/** Load from storage again when this share of the memory is left. */
const REFILL_FRACTION = 0.25
const LOAD_RETRY_MS = 1_000

export class Lane {
  readonly deps: LaneDeps
  /** What of its deliveries may have been sent before. */
  readonly earlier: EarlierAttempts
  installation: Installation
  state: InstallationState
  /** Counts its settings, and its returns to running: what an attempt of an earlier one learned need not be so any more. */
  era = 0
  #memory: LaneMemory
  #bucket: TokenBucket | null
  #running = 0
  readonly #serial: SerialActions
  /** Runs that ended and whose end is not on disk: what would be repeated if the process died now. */
  #unwritten = 0
  #waitsForDisk = false
  /** Deliveries wait in storage that are due and not in memory. */
  #more = true
  /** Unix ms of the first that waits in storage for its time. */
  #nextDueMs: number | null = null
  #loading = false
  readonly #onward = createOnward()
  /** Ids that left while a load was under way: its answer may be older than their end. */
  #leftMeanwhile = new Set<string>()
  /** What was deleted while a load was under way: its answer may be older than that, too. */
  #deletedMeanwhile: ((delivery: Delivery) => boolean)[] = []
  /** Something was left to storage while a load was under way: its answer may not have it. */
  #declined = false
  readonly #interruptions = new Interruptions()
  #stopped = false

  constructor(deps: LaneDeps, installation: Installation, state: InstallationState) {
    this.deps = deps
    this.earlier = createEarlierAttempts(() => deps.clock.nowMs(), deps.overlapMs)
    this.installation = installation
    this.state = state
    this.#memory = createLaneMemory({
      freshFrom: deps.freshFrom,
      paceOf: (delivery) => paceOf(this.installation, delivery),
      monotonicMs: () => deps.clock.monotonicMs(),
    })
    this.#bucket = rateLimitOf(installation, deps.clock.monotonicMs())
    this.#serial = new SerialActions(deps.turns, this, installation)
  }

  /** Another configuration or state of the same installation. What runs goes on; what waits follows the new one. */
  reconfigure(installation: Installation, state: InstallationState): void {
    if (installation.ratePerSecond !== this.installation.ratePerSecond) {
      this.#bucket = rateLimitOf(installation, this.deps.clock.monotonicMs())
    }
    const standsElsewhere = installation.order !== this.installation.order || isRepaced(this.installation, installation)
    if (standsElsewhere || !isRunnable(state)) this.forgetWaiting()
    const returns = isRunnable(state) && !isRunnable(this.state)
    if (returns || installation.hash !== this.installation.hash) this.era += 1
    this.installation = installation
    this.#serial.follow(installation)
    this.state = state
    this.#more = true
  }

  /** Leaves everything that waits to storage; what runs goes on. */
  forgetWaiting(): void {
    for (const id of this.#memory.clear()) if (this.#loading) this.#leftMeanwhile.add(id)
    this.#more = true
    this.#declined = true
    this.#onward.forget()
  }

  /** Takes those out of line; what else waits for company or for its pace has waited all the same. */
  forgetDeleted(isDeleted: (delivery: Delivery) => boolean): void {
    if (this.#loading) this.#deletedMeanwhile.push(isDeleted)
    // A form's go bit by bit: storage says which are left.
    if (this.#memory.remove(isDeleted)) this.noteMore({ ofKeys: true })
  }

  /** Starts nothing any more, whatever is still under way; what runs goes on and what waits is left to storage. */
  stop(): void {
    this.#stopped = true
    this.forgetWaiting()
  }

  /** Just committed. Taken into memory when it is due, there is room, and nothing older waits in storage. */
  push(delivery: Delivery): void {
    this.earlier.born(delivery)
    const nowMs = this.deps.clock.nowMs()
    if (delivery.dueAtMs > nowMs) return this.noteDue(delivery.dueAtMs)
    const inOrder = this.installation.order === 'fifo' && delivery.orderKey !== null
    const room = this.#memory.size() < this.deps.limits.laneMemoryDeliveriesMax
    if (room && !this.#more && !inOrder && isRunnable(this.state)) {
      this.#memory.add(delivery, { onward: true })
      return
    }
    if (this.#memory.hasPassed()) this.#onward.lookFrom(delivery)
    this.#more = true
    this.#declined = true
  }

  /** Something waits in storage for this time. */
  noteDue(atMs: number): void {
    if (this.#nextDueMs !== null && this.#nextDueMs <= atMs) return
    this.#nextDueMs = atMs
    this.deps.wakeAt(atMs)
  }

  /** Storage has due ones that this lane was not given (replay, hasten); `ofKeys`: the next of an order key could not be. */
  noteMore({ ofKeys = false } = {}): void {
    if (ofKeys) this.#onward.lookAgain()
    this.#more = true
    this.#declined = true
  }

  /** Its run is over; the slot is free, the delivery stays known until its end is on disk. */
  ended(deliveries: readonly Delivery[]): void {
    this.#running -= 1
    this.#serial.ended(deliveries)
    this.#memory.ended(deliveries)
  }

  /** A run's end is on its way to disk. */
  writing(): void {
    this.#unwritten += 1
  }

  /** A run's end is on disk. */
  written(): void {
    this.#unwritten -= 1
  }

  /** Runs under way, and those whose end is not on disk. */
  unfinished(): number {
    return this.#running + this.#unwritten
  }

  /** Nothing more was started since too much would be repeated after a crash. */
  waitsForDisk(): boolean {
    return this.#waitsForDisk
  }

  /** A run came through: the sandbox works. */
  calm(): void {
    this.#interruptions.over()
  }

  /** Its end is on disk, or it is not this lane's any more. */
  left(delivery: Delivery): void {
    this.#memory.forget(delivery.id)
    if (this.#loading) this.#leftMeanwhile.add(delivery.id)
    if (this.installation.order === 'fifo' && delivery.orderKey !== null) this.noteMore({ ofKeys: true })
  }

  /** Its host must not be asked now: it waits, uncounted, in memory or (when many do) in storage. */
  hold(delivery: Delivery, host: string, untilMs: number): void {
    this.#memory.hold(delivery, host)
    this.deps.wakeAt(untilMs)
  }

  /** It was interrupted through no fault of its own: it is next again, after a moment that grows while that goes on. */
  again(delivery: Delivery, nowMs: number): void {
    this.#memory.addFirst(delivery)
    this.#interruptions.noted(nowMs)
  }

  /** Remembers where a kind of delivery goes, so that a closed door is known before the run. */
  learnHost(delivery: Delivery, host: string): void {
    this.#memory.learnHost(delivery, host)
  }

  /** When something that waits in storage for its time is due; null when nothing is known to. */
  nextDueMs(): number | null {
    return isRunnable(this.state) ? this.#nextDueMs : null
  }

  /** Nothing runs, waits or holds it back: such a delivery that comes now starts now. */
  isIdle(delivery: Pick<Delivery, 'kind' | 'name'>): boolean {
    const { order } = this.installation
    const free = this.state === 'ready' && this.#bucket === null && order !== 'fifo' && !this.#stopped
    const unpaced = paceOf(this.installation, delivery) === null
    return free && unpaced && this.#running === 0 && this.#memory.size() === 0 && !this.#more
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

  /** A run is over, and judged: others that it kept waiting come first. */
  goOn({ serialKey }: Pick<LaneRun, 'serialKey'>): void {
    if (serialKey !== null) this.deps.turns.end(serialKey)
    this.turn()
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
    // What comes back while a load is under way would be missing in its answer, and what comes after it would not.
    const recalled = this.#loading ? null : this.#memory.recall()
    if (recalled !== null) this.noteMore()
    if (recalled?.from) this.#onward.lookFrom(recalled.from)
    if (this.#onward.isDue(nowMs)) this.#more = true
    if (this.#more && this.#isLow() && !this.#loading) void this.#load()
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
    this.#waitsForDisk = false
    while (this.#running < concurrency && this.#memory.queued() > 0) {
      // However slow the disk is: a crash repeats no more than may run at a time.
      this.#waitsForDisk = this.#unwritten > 0 && this.#running + this.#unwritten >= concurrency
      if (this.#waitsForDisk) return
      if (nowMs < this.#interruptions.quietUntilMs) return this.deps.wakeAt(this.#interruptions.quietUntilMs)
      const waitMs = this.#bucket?.waitMs(this.deps.clock.monotonicMs()) ?? 0
      if (waitMs > 0) return this.deps.wakeAt(nowMs + waitMs)
      const now = { nowMs, monoMs: this.deps.clock.monotonicMs(), free: concurrency - this.#running }
      const batch = this.#memory.takeBatch((delivery) => this.#batchOf(delivery), now)
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
        this.#memory.ended(deliveries)
        for (const delivery of deliveries) this.hold(delivery, host, admission.untilMs)
        return
      }
    }
    this.#bucket?.take(this.deps.clock.monotonicMs())
    this.#running += 1
    const serialKey = first === undefined ? null : this.#serial.begin(first)
    this.deps.start(this, deliveries, { id: runId, repeats: this.earlier.repeatsIn(deliveries), serialKey })
  }

  #batchOf(delivery: Delivery): BatchRule {
    const batch = actionOf(this.installation, delivery)?.batch
    if (!this.#serial.mayBegin(delivery)) return BLOCKED
    // What failed in company goes alone, so that one bad item does not take the others with it.
    if (batch === undefined || delivery.errorCode?.startsWith('plugin_') === true) return ALONE
    return this.#loading || (this.#more && this.#isLow()) ? { ...batch, awaited: true } : batch
  }

  #isLow(): boolean {
    return this.#memory.size() <= this.deps.limits.laneMemoryDeliveriesMax * REFILL_FRACTION
  }

  async #load(): Promise<void> {
    const { store, clock, limits, logger } = this.deps
    const { workspace, id, order } = this.installation
    this.#loading = true
    this.#declined = false
    this.#leftMeanwhile = new Set()
    this.#deletedMeanwhile = []
    const limit = limits.laneMemoryDeliveriesMax - this.#memory.size()
    const untilMs = clock.nowMs()
    try {
      // Read as the owner: what the log gets from now on, nobody else has tried.
      if (!this.earlier.hasBegun()) this.earlier.begunAt(await store.headSeq())
      const rows = await store.loadDue({
        workspace,
        installation: id,
        untilMs,
        limit,
        exceptIds: this.#memory.ids(),
        heads: order === 'fifo',
      })
      const nextDueMs = rows.length === limit ? null : await store.nextDue(workspace, id, untilMs)
      if (this.#stopped) return
      this.#take(rows, { onward: false })
      // What is left of a full page for its pace is left again: the rest lies behind it.
      const passed = this.#memory.hasPassed()
      const last = rows.length === limit ? rows.at(-1) : undefined
      if (passed && last !== undefined) this.#onward.begin(last)
      await this.#lookOnward(untilMs)
      if (this.#stopped) return
      this.#more = (last !== undefined && !passed) || this.#declined || !isRunnable(this.state)
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
    this.#deletedMeanwhile = []
    this.turn()
  }

  /** One page more of what lies behind those that wait for their pace. */
  async #lookOnward(untilMs: number): Promise<void> {
    const { store, clock } = this.deps
    const { workspace, id, order } = this.installation
    const lane = { workspace, installation: id, untilMs, exceptIds: [], heads: order === 'fifo' }
    const { rows, againAtMs } = await this.#onward.page((page) => store.loadDue({ ...lane, ...page }), clock.nowMs)
    if (this.#stopped) return
    this.#take(rows, { onward: true })
    if (againAtMs !== null) this.deps.wakeAt(againAtMs)
  }

  #take(rows: readonly Delivery[], how: { readonly onward: boolean }): void {
    if (!isRunnable(this.state)) return
    const isDeleted = (row: Delivery): boolean => this.#deletedMeanwhile.some((isMeant) => isMeant(row))
    for (const row of rows) if (!this.#leftMeanwhile.has(row.id) && !isDeleted(row)) this.#memory.add(row, how)
  }
}
