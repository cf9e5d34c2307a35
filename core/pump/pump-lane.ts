/** One installation's way along the log: read, choose, run, commit, go on. */
import { TEST_MARK } from '../storage/new-delivery.ts'
import { asHubError } from '../errors.ts'
import { commitEffects } from '../delivery/commit-effects.ts'
import { enqueueOnly, NO_EFFECTS, toEffects } from '../delivery/effects.ts'
import { isPending, isRunnable } from '../delivery/ports.ts'
import type { Delivery, InstallationState, LogEvent } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { compileWhen, handlerType } from '../routing/match.ts'
import type { CompiledWhen } from '../routing/match.ts'
import type { Forward } from '../storage/store.ts'
import { BatchSize } from './batch-size.ts'
import { effectsOf, forwardTo, handleBatch, runOne, sourceOf } from './handle-batch.ts'
import type { KvPace } from './handle-batch.ts'
import type { PumpDeps } from './pump.ts'
import type { ReadEvents } from './recent-events.ts'

/** Entries looked at in one step; how many of them go to the handler is the batch limit. */
const SCAN_EVENTS_MAX = 1_000
/** Skipped events are no reason for a commit each: the cursor follows after so many, or when it has been quiet. */
const SKIPPED_EVENTS_MAX = 5_000
const SKIPPED_QUIET_MS = 5_000
/** Steps before other lanes get their turn. */
const STEPS_MAX = 16
/** Who looks itself what there is hears of news so often at most: each time costs a crossing and a commit. */
const LATEST_REST_MS = 50
const INTERRUPTED_WAIT_MS = 100
const INTERRUPTED_WAIT_MS_MAX = 5_000

export class PumpLane {
  readonly #deps: PumpDeps
  installation: Installation
  state: InstallationState
  readonly queueLane
  #when: CompiledWhen | null
  /** As stored. */
  #cursor: number
  /** How far the log is read; what lies between was skipped. */
  #position: number
  #skippedSinceMs: number | null = null
  /** Grows when the place is changed from outside: a step that began before must not count. */
  #epoch = 0
  #interruptions = 0
  /** Until then nobody is told anything, monotonic. */
  #restUntilMs = 0
  /** Entries beyond the position that are dealt with. */
  readonly #forwarded = new Set<number>()
  /** Where the log ended when it began to read here; null: not known yet. */
  #catchUpTo: number | null = null
  readonly #kvPace: KvPace
  readonly #batchSize: BatchSize

  constructor(deps: PumpDeps, installation: Installation, at: { state: InstallationState; cursor: number }) {
    this.#deps = deps
    this.installation = installation
    this.state = at.state
    this.queueLane = { kind: 'pump', workspace: installation.workspace, installation: installation.id } as const
    this.#when = this.#compile()
    this.#cursor = at.cursor
    this.#position = at.cursor
    this.#kvPace = { runsMax: deps.limits.pumpBatchEventsMax }
    this.#batchSize = new BatchSize(deps.limits)
  }

  reconfigure(installation: Installation, state: InstallationState): void {
    const changed = installation !== this.installation
    this.installation = installation
    this.state = state
    if (changed) this.#when = this.#compile()
  }

  /** The stored cursor, as somebody read it: nothing happens when it is where this lane knows it to be. */
  adopt(cursor: number): void {
    if (cursor !== this.#cursor) this.rewind(cursor)
  }

  rewind(cursor: number): void {
    this.#epoch += 1
    this.#cursor = cursor
    this.#position = cursor
    this.#skippedSinceMs = null
    this.#forwarded.clear()
  }

  catchUp(head: number | null): void {
    this.#catchUpTo = head
  }

  learnHead(head: number): void {
    this.#catchUpTo ??= head
  }

  catchingUp(): boolean {
    return this.#catchUpTo === null || this.#position < this.#catchUpTo
  }

  position(): number {
    return this.#position
  }

  /**
   * What it gets of an event that is about to be stored, when no handler has to be asked. It reads the event later all
   * the same, and passes over it when it was told `forwarded`; after a crash it is told nothing, and the key of the
   * delivery that it then asks for is taken.
   */
  forward(event: LogEvent): Forward | null {
    const { installation } = this
    const inOrder = installation.order === 'fifo'
    if (inOrder || this.#when === null || !isRunnable(this.state) || !this.#when.wants(event)) return null
    const action = forwardTo(installation, event)
    if (action === undefined || this.#forwarded.size >= this.#deps.limits.recentEventsMax) return null
    if (this.#when.matches !== null) {
      const view = this.#deps.formOf(event)
      if (isPending(view)) {
        // The pump will look again, and say what was wrong.
        view.catch(() => undefined)
        return null
      }
      if (!this.#when.matches(event, view)) return null
    }
    const [delivery] = effectsOf(this.#deps, installation, { event, asked: enqueueOnly(action) }).deliveries
    if (delivery === undefined) return null
    return { installation: installation.id, plugin: installation.plugin.manifest.id, delivery }
  }

  /** Its delivery for this entry is on disk. */
  forwarded(seq: number): void {
    if (seq > this.#position) this.#forwarded.add(seq)
  }

  /** Reads as far as it can; answers when to come back. */
  async drain(stopped: () => boolean): Promise<number | null> {
    const { clock } = this.#deps
    for (let step = 0; step < STEPS_MAX; step++) {
      if (stopped() || !isRunnable(this.state) || this.#when === null) return null
      const restMs = this.#restUntilMs - clock.monotonicMs()
      if (restMs > 0) return clock.nowMs() + restMs
      const epoch = this.#epoch
      const reading = this.#read()
      const read = isPending(reading) ? await reading : reading
      if (epoch !== this.#epoch) continue
      if (read.seq === this.#position) return this.#rest()
      const choosing = this.#choose(read, this.#when)
      const chosen = isPending(choosing) ? await choosing : choosing
      if (epoch !== this.#epoch) continue
      if (chosen.events.length === 0) await this.#skipTo(chosen.seq)
      else if (!(await this.#handle(chosen))) return clock.nowMs() + this.#interruptedWaitMs()
    }
    return clock.nowMs()
  }

  /** Writes down how far it has read; nothing is lost when this fails, it is only read again. */
  async saveSkipped(): Promise<void> {
    if (this.#position > this.#cursor) await this.#commitSkipped()
  }

  async wants(event: LogEvent): Promise<boolean> {
    if (this.#when === null || !this.#when.wants(event)) return false
    return this.#when.matches === null || this.#when.matches(event, await this.#deps.formOf(event))
  }

  /** Which part of `when` keeps the event out, for people; null: none does. */
  async whyNot(event: LogEvent): Promise<string | null> {
    return this.#when === null ? null : this.#when.whyNot(event, await this.#deps.formOf(event))
  }

  /** The handler for one event, now; its deliveries get keys of their own, so they are made whatever was made before. */
  async runOnce(event: LogEvent, isTest: boolean): Promise<readonly Delivery[]> {
    const { installation } = this
    const { store, clock, limits, published, push, memoryQuota, meter } = this.#deps
    const { asked, runId, ended } = await runOne(this.#deps, installation, event)
    let made: Awaited<ReturnType<typeof commitEffects>>
    try {
      await memoryQuota.ready(installation, [asked])
      memoryQuota.admit(installation, asked)
      const source = { ...sourceOf(event), keySuffix: `${isTest ? TEST_MARK : '~'}${runId}` }
      const effects = toEffects(asked, { installation, source, nowMs: clock.nowMs(), limits })
      made = await commitEffects(store, installation, effects)
      ended(effects, null)
    } catch (error) {
      ended(NO_EFFECTS, asHubError(error))
      throw error
    }
    for (const { name, by } of asked.metric) meter.pluginMetric(installation.id, name, by)
    published(made.events)
    push(made.deliveries)
    return made.deliveries
  }

  #compile(): CompiledWhen | null {
    const { when, plugin } = this.installation
    const compiled = compileWhen({ when, types: Object.keys(plugin.manifest.on) }, this.#deps.limits)
    if (compiled.ok) return compiled.when
    // Configuration is checked before it gets here, so this is a bug; the events wait in the log.
    this.#deps.logger.error(
      { installation: this.installation.key, problems: compiled.problems },
      'the condition of an installation does not compile',
    )
    return null
  }

  #read(): ReadEvents | Promise<ReadEvents> {
    const { workspace } = this.installation
    const after = this.#position
    const recent = this.#deps.recent.after(workspace, after, SCAN_EVENTS_MAX)
    if (recent !== undefined) return recent
    return this.#deps.store
      .readEvents({ workspace, afterSeq: after, limit: SCAN_EVENTS_MAX })
      .then((events) => ({ events, seq: events.at(-1)?.seq ?? after }))
  }

  /** Those the installation gets, up to a batch, and how far the log is settled by that. */
  #choose(read: ReadEvents, when: CompiledWhen): ReadEvents | Promise<ReadEvents> {
    // Beyond the limit of emissions nobody is told any more, or failures of failures would never end.
    const { hopsMax } = this.#deps.limits
    if (when.matches !== null) return this.#filter(read, when)
    const chosen: LogEvent[] = []
    for (const event of read.events) {
      if (!when.wants(event) || event.hops > hopsMax || this.#forwarded.has(event.seq)) continue
      if (chosen.length === this.#batchSize.events) return { events: chosen, seq: event.seq - 1 }
      chosen.push(event)
    }
    return { events: chosen, seq: read.seq }
  }

  async #filter(read: ReadEvents, when: CompiledWhen): Promise<ReadEvents> {
    const { hopsMax } = this.#deps.limits
    const chosen: LogEvent[] = []
    for (const event of read.events) {
      if (!when.wants(event) || event.hops > hopsMax || this.#forwarded.has(event.seq)) continue
      const looking = this.#deps.formOf(event)
      const view = isPending(looking) ? await looking : looking
      if (when.matches?.(event, view) === false) continue
      if (chosen.length === this.#batchSize.events) return { events: chosen, seq: event.seq - 1 }
      chosen.push(event)
    }
    return { events: chosen, seq: read.seq }
  }

  #moveTo(seq: number): void {
    for (const each of this.#forwarded) {
      // In order: they were told so.
      if (each > seq) break
      this.#forwarded.delete(each)
    }
    this.#position = seq
  }

  async #skipTo(seq: number): Promise<void> {
    this.#moveTo(seq)
    this.#skippedSinceMs ??= this.#deps.clock.monotonicMs()
    if (seq - this.#cursor >= SKIPPED_EVENTS_MAX) await this.#commitSkipped()
  }

  /** Nothing more to read now. */
  async #rest(): Promise<number | null> {
    if (this.#position === this.#cursor || this.#skippedSinceMs === null) return null
    const { clock } = this.#deps
    const quietMs = clock.monotonicMs() - this.#skippedSinceMs
    if (quietMs < SKIPPED_QUIET_MS) return clock.nowMs() + SKIPPED_QUIET_MS - quietMs
    await this.#commitSkipped()
    return null
  }

  async #commitSkipped(): Promise<void> {
    const { workspace, id, plugin } = this.installation
    const toCursor = this.#position
    const epoch = this.#epoch
    const effects = { deliveries: [], kv: [], events: [], tallies: [] }
    const result = await this.#deps.store.commitHandled({
      workspace,
      installation: id,
      plugin: plugin.manifest.id,
      fromCursor: this.#cursor,
      toCursor,
      effects,
    })
    // A rewind that came while this was written says where to read on; it must not be undone.
    if (epoch !== this.#epoch) return
    if (result.kind === 'moved') return this.rewind(result.cursor)
    this.#cursor = toCursor
    this.#skippedSinceMs = null
  }

  /** False: it was interrupted before its first run was through; nothing is committed. */
  async #handle(chosen: ReadEvents): Promise<boolean> {
    const { store, published, push, meter, clock } = this.#deps
    const { installation } = this
    const { workspace, id, plugin } = installation
    const fromCursor = this.#cursor
    const epoch = this.#epoch
    const begunMs = clock.monotonicMs()
    const handled = await handleBatch({ deps: this.#deps, installation, events: chosen.events, pace: this.#kvPace })
    this.#batchSize.learn(handled, clock.monotonicMs() - begunMs)
    if (handled.count === 0) return false
    // What was interrupted is read again; what was not is settled.
    const complete = handled.count === chosen.events.length
    const toCursor = complete ? chosen.seq : (chosen.events[handled.count - 1]?.seq ?? fromCursor)
    const result = await store.commitHandled({
      workspace,
      installation: id,
      plugin: plugin.manifest.id,
      fromCursor,
      toCursor,
      effects: handled.effects,
      ranWell: handled.ranWell,
      hasProven: handled.hasProven,
    })
    if (result.kind === 'moved') {
      this.#lookForDeliveries()
      this.rewind(result.cursor)
      return true
    }
    if (result.deliveries.length < handled.effects.deliveries.length) this.#lookForDeliveries()
    // As in `commitSkipped`: after a rewind these places are no longer ours to say.
    if (epoch === this.#epoch) {
      this.#cursor = toCursor
      this.#moveTo(toCursor)
      this.#skippedSinceMs = null
    }
    this.#interruptions = 0
    if (this.#isLatest(chosen)) this.#restUntilMs = clock.monotonicMs() + LATEST_REST_MS
    meter.eventsHandled(id, handled.count)
    handled.committed(result.deliveries)
    if (result.events.length > 0) published(result.events)
    if (result.deliveries.length > 0) push(result.deliveries)
    return true
  }

  /** The last of them stood for all, and there were no more. */
  #isLatest({ events }: ReadEvents): boolean {
    const { on } = this.installation.plugin.manifest
    const wantsLatest = ({ type }: LogEvent): boolean => on[handlerType(on, type) ?? '']?.latest === true
    return events.length < this.#batchSize.events && events.every(wantsLatest)
  }

  /** Some that it asked for are there already, and whoever wrote them may not have told their lane. */
  #lookForDeliveries(): void {
    const { workspace, id } = this.installation
    this.#deps.queue.wake({ kind: 'deliver', workspace, installation: id })
  }

  #interruptedWaitMs(): number {
    this.#interruptions += 1
    return Math.min(INTERRUPTED_WAIT_MS * 2 ** (this.#interruptions - 1), INTERRUPTED_WAIT_MS_MAX)
  }
}
