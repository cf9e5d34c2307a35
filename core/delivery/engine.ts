/**
 * Delivery: one lane an installation, attempts through the sandbox, ends written in groups, breakers told. What is in
 * flight when the process dies is simply due again at the next start, under the same delivery id.
 */
import { newId } from '../ids.ts'
import { isDeletedBy, isDeletion } from '../deletion.ts'
import type { Delivery, LogEvent } from '../model.ts'
import type { Lane as QueueLane } from '../queue/queue.ts'
import type { Installation } from '../registry/installation.ts'
import { newDelivery } from '../storage/new-delivery.ts'
import type { Forward } from '../storage/store.ts'
import { createAheadRuns, type AheadRuns } from './ahead.ts'
import { runAhead, startAttempt } from './attempt.ts'
import type { AttemptDeps, AttemptEnd } from './attempt.ts'
import { createEndingLanes, type EndingLanes } from './ending-lanes.ts'
import type { BreakerChange, BreakerKey } from './breaker.ts'
import { tellOfBreaker } from './breaker-news.ts'
import { finishedAttempt } from './finished-attempt.ts'
import type { DeliveryEngine, DeliveryEngineDeps } from './engine-deps.ts'
import { createFinisher } from './finisher.ts'
import { Lane } from './lane.ts'
import type { LaneRun } from './lane.ts'
import { tellOfLongWaits } from './long-waits.ts'
import { isUntouched, receiverEvidence, type Evidence, type Verdict } from './outcome.ts'
import { isRunnable } from './ports.ts'
import { attemptRunEnd } from './run-end.ts'
import type { PlacedInstallation } from './ports.ts'
import { standStill } from './refusal.ts'
import { countAttempt } from './count-attempt.ts'
import { createSerialTurns } from './serial.ts'
import { isTerminal } from './states.ts'
import { pressureOf } from './pressure.ts'
import type { LanePressure } from './pressure.ts'
import { createRateWindow } from './rate-window.ts'
import type { RateWindow } from './rate-window.ts'

export type { DeliveryEngine } from './engine-deps.ts'

/** With more under way the hub is not idle, and beginning early gains nothing. */
const AHEAD_MAX = 4

interface LaneEntry {
  readonly lane: Lane
  readonly delivered: RateWindow
  hash: string
}

/** Lanes start when `setInstallations` names them. */
export function createDeliveryEngine(deps: DeliveryEngineDeps): DeliveryEngine {
  return new Engine(deps)
}

class Engine implements DeliveryEngine {
  readonly #deps: DeliveryEngineDeps
  readonly #attempts: AttemptDeps & { readonly ahead: AheadRuns }
  readonly #lanes = new Map<string, LaneEntry>()
  readonly #ending: EndingLanes
  readonly #turns = createSerialTurns()
  readonly #finisher
  readonly #tellOfLongWaits
  #running = 0
  #stopped = false
  #listed: readonly PlacedInstallation[] = []
  #abandoned = false
  readonly #freshFrom
  #idle: (() => void) | null = null

  constructor(deps: DeliveryEngineDeps) {
    this.#deps = deps
    this.#attempts = { ...deps, ahead: createAheadRuns(deps.clock) }
    this.#ending = createEndingLanes(deps.clock)
    this.#tellOfLongWaits = tellOfLongWaits(deps)
    this.#freshFrom = newId('event', deps.clock.nowMs())
    this.#finisher = createFinisher({
      store: deps.store,
      clock: deps.clock,
      logger: deps.logger,
      onCommitted: ({ deliveries, events, refused }) => {
        if (refused.length > 0) this.#lookAll()
        if (events.length > 0) deps.published(events)
        if (deliveries.length > 0) this.push(deliveries)
      },
    })
  }

  /** What was refused had ended before, perhaps by this very process without knowing: storage says what came of it. */
  #lookAll(): void {
    for (const { lane } of this.#lanes.values()) this.#deps.queue.wake(queueLane(lane.installation))
  }

  setInstallations(list: readonly PlacedInstallation[]): void {
    this.#listed = list
    const wanted = new Map(list.map((placed) => [placed.installation.key, placed]))
    for (const [key, { lane }] of this.#lanes) {
      if (wanted.has(key)) continue
      lane.reconfigure(lane.installation, 'disabled')
      this.#lanes.delete(key)
      this.#ending.add(key, lane)
      this.#deps.breakers.forget(key)
      this.#deps.queue.drop(queueLane(lane.installation))
    }
    for (const { installation, state } of wanted.values()) this.#place(installation, state)
  }

  #place(installation: Installation, state: PlacedInstallation['state']): void {
    const known = this.#lanes.get(installation.key)
    if (known === undefined && this.#ending.isBusy(installation.key)) {
      // It comes back while attempts from before are under way: their deliveries would be loaded and made once more.
      void this.drained(installation.key).then(() => {
        if (!this.#stopped) this.setInstallations(this.#listed)
      })
      return
    }
    if (known === undefined) {
      const lane = new Lane(this.#laneDeps(installation), installation, state)
      this.#lanes.set(installation.key, { lane, delivered: createRateWindow(), hash: installation.hash })
    } else {
      const same = known.hash === installation.hash && known.lane.state === state
      if (same && known.lane.installation === installation) return
      if (known.hash !== installation.hash) this.#deps.breakers.forget(installation.key)
      known.hash = installation.hash
      known.lane.reconfigure(installation, state)
    }
    if (isRunnable(state)) this.#deps.queue.wake(queueLane(installation))
  }

  #laneDeps(installation: Installation) {
    const lane = queueLane(installation)
    return {
      ...this.#deps,
      turns: this.#turns,
      freshFrom: this.#freshFrom,
      overlapMs: this.#deps.alone ? 0 : this.#deps.limits.pluginActionWallMs,
      start: (of: Lane, deliveries: readonly Delivery[], run: LaneRun) => this.#start(of, deliveries, run),
      wakeAt: (atMs: number) => this.#deps.queue.wake(lane, atMs),
    }
  }

  push(deliveries: readonly Delivery[]): void {
    const touched = new Set<Lane>()
    const elsewhere = new Map<string, QueueLane>()
    for (const delivery of deliveries) {
      if (isTerminal(delivery.state)) continue
      const { workspace, installation } = delivery
      const lane = this.#lanes.get(`${workspace}/${installation}`)?.lane
      if (lane === undefined)
        elsewhere.set(`${workspace}/${installation}`, { kind: 'deliver', workspace, installation })
      else touched.add(lane)
      lane?.push(delivery)
    }
    // Whoever runs them now finds them in storage.
    for (const lane of elsewhere.values()) this.#deps.queue.wake(lane)
    if (!this.#stopped) for (const lane of touched) lane.turn()
  }

  heard(events: readonly LogEvent[]): void {
    if (this.#stopped) return
    const deletions = events.filter(isDeletion)
    if (deletions.length === 0) return
    const isDeleted = (delivery: Delivery): boolean => deletions.some((deletion) => isDeletedBy(delivery, deletion))
    for (const { lane } of this.#lanes.values()) {
      lane.forgetDeleted(isDeleted)
      lane.turn()
    }
  }

  ahead(event: LogEvent, forwards: readonly Forward[]): void {
    if (this.#stopped) return
    for (const forward of forwards) {
      try {
        this.#begin(event, forward)
      } catch (error) {
        const installation = `${event.workspace}/${forward.installation}`
        this.#deps.logger.error({ err: error, installation }, 'a run could not be begun ahead')
      }
    }
  }

  #begin(event: LogEvent, { installation, delivery }: Forward): void {
    const key = `${event.workspace}/${installation}`
    const lane = this.#lanes.get(key)?.lane
    if (lane === undefined || !lane.isIdle(delivery) || this.#deps.breakers.isOpen(key)) return
    if (this.#attempts.ahead.open(key) >= Math.min(AHEAD_MAX, lane.installation.concurrency)) return
    const { workspace, at } = event
    const owner = { workspace, installation, plugin: lane.installation.plugin.manifest.id, at }
    const job = {
      installation: lane.installation,
      deliveries: [newDelivery(owner, delivery)],
      runId: newId('run', this.#deps.clock.nowMs()),
      // What was just made cannot have been tried.
      repeats: new Map<string, number>(),
    }
    runAhead(this.#attempts, job, event)
  }

  aheadOver(eventId: string): void {
    this.#attempts.ahead.forget(eventId)
  }

  async work(key: string): Promise<number | null> {
    const lane = this.#lanes.get(key)?.lane
    if (this.#stopped || lane === undefined) return null
    // It may be another process that says so: what it wrote is not in memory.
    lane.noteMore()
    lane.turn()
    return lane.nextDueMs()
  }

  #start(lane: Lane, deliveries: readonly Delivery[], run: LaneRun): void {
    this.#running += 1
    const { installation, era } = lane
    startAttempt(this.#attempts, { installation, deliveries, runId: run.id, repeats: run.repeats }, (end) => {
      this.#running -= 1
      lane.ended(deliveries)
      if (!this.#abandoned) this.#finishSafely({ lane, installation, era, deliveries, runId: run.id, end })
      if (!this.#stopped) lane.goOn(run)
      else if (this.#running === 0) this.#idle?.()
    })
  }

  /** A bug in judging one attempt must not end the process: its deliveries stay due in storage. */
  #finishSafely(ran: Ran): void {
    try {
      this.#finish(ran)
    } catch (error) {
      for (const delivery of ran.deliveries) {
        ran.lane.earlier.uncounted(delivery, ran.end.left)
        ran.lane.left(delivery)
      }
      this.#deps.breakers.release(ran.installation.key, ran.runId)
      const ids = ran.deliveries.map(({ id }) => id)
      this.#deps.logger.error(
        { err: error, installation: ran.installation.key, deliveries: ids },
        'the end of an attempt could not be judged',
      )
    }
  }

  #finish(ran: Ran): void {
    const { lane, installation, deliveries, end } = ran
    const { host } = end
    const [first] = deliveries
    if (host !== null && first !== undefined) lane.learnHost(first, host)
    const evidence = this.#tellBreakers(ran)
    this.#tellOfLongWaits(installation, end.verdicts)
    for (const { name, by } of end.result?.effects.metric ?? [])
      this.#deps.meter.pluginMetric(installation.id, name, by)
    const told = attemptRunEnd(ran)
    if (told !== null) this.#deps.runs.record(told)
    const nowMs = this.#deps.clock.nowMs()
    let unwritten = 0
    for (const [index, delivery] of deliveries.entries()) {
      const verdict = end.verdicts[index] as Verdict
      if (verdict.kind === 'held' || verdict.kind === 'repeat') lane.earlier.uncounted(delivery, end.left)
      if (verdict.kind === 'held') {
        lane.hold(delivery, host ?? '', nowMs + (verdict.afterMs ?? this.#deps.limits.breakerProbeMs))
        continue
      }
      if (verdict.kind === 'repeat') {
        lane.again(delivery, nowMs)
        continue
      }
      lane.calm()
      const finished = finishedAttempt({
        installation,
        delivery,
        verdict,
        end,
        runId: ran.runId,
        index,
        count: deliveries.length,
        nowMs,
        limits: this.#deps.limits,
        random: this.#deps.random,
      })
      this.#measure(installation, delivery, { verdict, end, nowMs })
      const diedOfHost = evidence.get(host ?? '') === 'fails' || finished.errorCode === 'breaker_open'
      if (finished.reason === 'receiver_failed' && host !== null && diedOfHost) {
        this.#deps.breakers.buried({ installation: installation.key, host }, delivery.id)
      }
      if (unwritten === 0) lane.writing()
      unwritten += 1
      this.#finisher.add({
        finished,
        committed: (written) => {
          const left = end.left && !isUntouched(verdict)
          lane.earlier.ended(delivery, { written, left, state: finished.state, atMs: nowMs })
          lane.left(delivery)
          unwritten -= 1
          if (unwritten === 0) lane.written()
          if (verdict.kind === 'refused') lane.noteMore()
          else if (finished.state === 'retrying') lane.noteDue(finished.dueAtMs)
          if (!this.#stopped && (lane.overflowing() || lane.waitsForDisk())) lane.turn()
        },
      })
    }
    standStill(ran, this.#deps)
  }

  #measure(
    installation: Installation,
    delivery: Delivery,
    ended: { verdict: Verdict; end: AttemptEnd; nowMs: number },
  ): void {
    const { meter, clock } = this.#deps
    countAttempt(meter, installation, { ...ended, delivery })
    if (ended.verdict.kind === 'delivered') this.#lanes.get(installation.key)?.delivered.add(1, clock.monotonicMs())
  }

  /** Tells the breakers what the run says about its hosts, and lets everybody know of a change. */
  #tellBreakers({ installation, runId, end }: Ran): ReadonlyMap<string, Evidence> {
    const { breakers, clock } = this.#deps
    const evidence = receiverEvidence(end.verdicts[0] ?? { kind: 'repeat' }, end)
    const nowMs = clock.nowMs()
    for (const [host, says] of evidence) {
      const key: BreakerKey = { installation: installation.key, host }
      const change = says === 'works' ? breakers.works(key, nowMs) : breakers.fails(key, runId, nowMs)
      if (change !== null) this.#breakerChanged(installation, key, change)
    }
    // It may have been the probe of a host that it did not come to: another has to be let through.
    breakers.release(installation.key, runId)
    return evidence
  }

  #breakerChanged(installation: Installation, key: BreakerKey, change: BreakerChange): void {
    const written = this.#finisher.settled()
    const push = (deliveries: readonly Delivery[]): void => this.push(deliveries)
    tellOfBreaker({ ...this.#deps, written, push }, installation, { key, change }).then(
      () => {
        const lane = this.#lanes.get(installation.key)?.lane
        if (change.kind === 'opened' || lane === undefined || this.#stopped) return
        lane.noteMore()
        lane.turn()
      },
      (error: unknown) => {
        const fields = { installation: key.installation, host: key.host, err: error }
        this.#deps.logger.error(fields, 'a breaker changed but its alert or replay could not be written')
      },
    )
  }

  async probe(key: string): Promise<readonly string[]> {
    const { breakers, clock, store } = this.#deps
    const lane = this.#lanes.get(key)?.lane
    if (lane === undefined) return []
    const hosts = breakers.hasten(key, clock.nowMs())
    const { workspace, id: installation } = lane.installation
    // What waits for its own time is the next one, where nothing waits for the host alone.
    for (const host of hosts) await store.hasten({ workspace, installation, host, nowMs: clock.nowMs() })
    if (hosts.length > 0 && !this.#stopped) {
      lane.noteMore()
      lane.turn()
    }
    return hosts
  }

  pressure(): readonly LanePressure[] {
    return pressureOf(this.#lanes, this.#deps.breakers, this.#deps.clock.monotonicMs())
  }

  async drained(key: string): Promise<void> {
    await this.#ending.ended(key)
    await this.#finisher.settled()
  }

  async stop(graceMs: number): Promise<{ readonly released: number }> {
    this.#stopped = true
    for (const { lane } of this.#lanes.values()) lane.stop()
    const idle = new Promise<void>((resolve) => (this.#idle = resolve))
    if (this.#running > 0) await Promise.race([idle, this.#pause(graceMs)])
    const released = this.#running
    this.#abandoned = true
    await Promise.race([this.#finisher.settled(), this.#pause(graceMs)])
    return { released }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.clock.after(delayMs, resolve))
  }
}

interface Ran {
  readonly lane: Lane
  readonly installation: Installation
  /** Of the lane when it began. */
  readonly era: number
  readonly deliveries: readonly Delivery[]
  readonly runId: string
  readonly end: AttemptEnd
}

const queueLane = ({ workspace, id }: Installation) => ({ kind: 'deliver', workspace, installation: id }) as const
