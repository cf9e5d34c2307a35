/**
 * The history of runs as it is written. Rooms tell of each run that is over; under load only some are kept, and how many
 * more were like them. Entries wait in memory and are written together, at most once a second, in a transaction that
 * nobody waits for: what a process did in its last second before it was killed is not in the history.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import { createTokenBucket } from '../delivery/token-bucket.ts'
import type { TokenBucket } from '../delivery/token-bucket.ts'
import type { Limits } from '../limits.ts'
import type { RunRecord } from '../model.ts'
import type { Logger } from '../observe/observe.ts'
import type { MoreRuns, Store } from '../storage/store.ts'
import { recordOf } from './record.ts'
import type { RunEnd } from './record.ts'

/** What rooms that run plugins are given. */
export interface RunRecorder {
  record(end: RunEnd): void
}

export interface RunHistory extends RunRecorder {
  /** Resolves when everything told so far is on disk, or could not be written. */
  written(): Promise<void>
}

/** Finds out for whoever watches the log which answers a run was not shown, by key. */
export interface Watch {
  withheldFrom(run: RunRecord): Promise<readonly string[]>
}

export interface RunHistoryDeps {
  readonly store: Pick<Store, 'appendRuns'>
  readonly clock: Clock
  readonly logger: Logger
  readonly limits: Limits
  /**
   * Somebody watches the log to see what becomes of each delivery: those that went well are told as well, and which answers
   * a run was not shown, as this finds out.
   */
  readonly watch?: Watch | undefined
}

const WRITE_AFTER_MS = 1_000
/** Of one transaction, so that nobody behind it waits long. A run of a large batch has an item for each delivery. */
const WRITE_ITEMS_MAX = 500
/** An entry of a batch costs as many rows as it has items, and counts for as many runs in this proportion. */
const ITEMS_PER_TOKEN = 10

/** The last entry of a kind, name and outcome, and those like it that came since and were not counted on disk. */
interface Last {
  readonly workspace: string
  readonly id: string
  more: number
}

/** Of one installation. Names are those of its manifest, so there are few. */
interface Sampling {
  readonly ok: TokenBucket
  readonly failed: TokenBucket
  readonly last: Map<string, Last>
}

export function createRunHistory(deps: RunHistoryDeps): RunHistory {
  return new History(deps)
}

class History implements RunHistory {
  readonly #deps: RunHistoryDeps
  readonly #samplings = new Map<string, Sampling>()
  #waiting: RunRecord[] = []
  /** Made so far; and those of them, from the first on, that are on disk or given up. */
  #entries = 0
  #settled = 0
  /** Those with counts that are not written. */
  readonly #counted = new Set<Last>()
  #scheduled = false
  #writing: Promise<boolean> | null = null

  constructor(deps: RunHistoryDeps) {
    this.#deps = deps
  }

  record(end: RunEnd): void {
    try {
      this.#take(end)
    } catch (error) {
      // Whoever tells has the run's effects to see to; a bug in here must not keep it from that.
      this.#deps.logger.error({ err: error, run: end.id }, 'a run could not be recorded')
    }
  }

  #take(end: RunEnd): void {
    const { limits, clock } = this.#deps
    const sampling = this.#samplingOf(end.installation.key)
    const failed = end.failure !== null
    const group = `${failed ? 'failed' : 'ok'} ${end.kind} ${end.name}`
    const last = sampling.last.get(group)
    const cost = Math.max(1, end.items.length / ITEMS_PER_TOKEN)
    const isFull = this.#waiting.length >= limits.runsWaitingMax
    const isTaken = !isFull && (failed ? sampling.failed : sampling.ok).take(clock.monotonicMs(), cost)
    // The first of its kind is kept in any case: the others need something to be counted at.
    if (isFull || (!isTaken && last !== undefined)) return this.#count(last)
    const entry = recordOf(end, limits)
    this.#waiting.push(entry)
    this.#entries += 1
    sampling.last.set(group, { workspace: entry.workspace, id: entry.id, more: 0 })
    this.#tell(entry, end.requestId)
    this.#schedule()
  }

  #count(last: Last | undefined): void {
    if (last === undefined) return
    last.more += 1
    this.#counted.add(last)
    this.#schedule()
  }

  async written(): Promise<void> {
    // What was told after it began is not in it.
    await this.#writing
    const upTo = this.#entries
    do {
      if (this.#waiting.length + this.#counted.size === 0) return
      if (!(await (this.#writing ?? this.#write()))) return
    } while (this.#settled < upTo)
  }

  #samplingOf(key: string): Sampling {
    const known = this.#samplings.get(key)
    if (known !== undefined) return known
    const { limits, clock } = this.#deps
    const nowMs = clock.monotonicMs()
    const sampling = {
      ok: createTokenBucket(limits.runsOkPerSecond, nowMs, limits.runsOkBurst),
      failed: createTokenBucket(limits.runsFailedPerSecond, nowMs, limits.runsFailedBurst),
      last: new Map<string, Last>(),
    }
    this.#samplings.set(key, sampling)
    return sampling
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#deps.clock.after(WRITE_AFTER_MS, () => {
      this.#scheduled = false
      if (this.#writing === null) void this.#write()
    })
  }

  /** False: it could not be written. */
  #write(): Promise<boolean> {
    this.#writing = this.#writeSome().then((ok) => {
      this.#writing = null
      if (this.#waiting.length + this.#counted.size > 0) this.#schedule()
      return ok
    })
    return this.#writing
  }

  async #writeSome(): Promise<boolean> {
    const { store, logger } = this.#deps
    const runs = this.#waiting.splice(0, countWithin(this.#waiting, WRITE_ITEMS_MAX))
    // Counts follow the entries that they are counts of.
    const counted = this.#waiting.length === 0 ? [...this.#counted] : []
    const more: MoreRuns[] = counted.map(({ workspace, id, more: by }) => ({ workspace, id, by }))
    for (const last of counted) {
      this.#counted.delete(last)
      last.more = 0
    }
    try {
      await store.appendRuns({ runs, more })
      this.#settled += runs.length
      return true
    } catch (error) {
      if (!(error instanceof HubError) || !error.code.startsWith('storage_')) {
        logger.error({ err: error, runs: runs.map(({ id }) => id) }, 'entries of the history of runs cannot be written')
        this.#settled += runs.length
        return true
      }
      this.#waiting = [...runs, ...this.#waiting]
      for (const [place, last] of counted.entries()) {
        last.more += more[place]?.by ?? 0
        this.#counted.add(last)
      }
      logger.warn({ err: error, waiting: this.#waiting.length }, 'the history of runs could not be written yet')
      return false
    }
  }

  /** What the plugin said and how it failed, for whoever watches the hub's log; `manifold runs show` has the rest. */
  #tell(run: RunRecord, requestId: string | undefined): void {
    const { id, installation, plugin, kind, name, attempt, items, errorCode, error, logs } = run
    const { logger, watch } = this.#deps
    const [item] = items
    const at = {
      installation,
      plugin,
      run: id,
      ...(requestId === undefined ? {} : { request: requestId }),
      ...(item?.eventId == null ? {} : { event: item.eventId }),
      ...(item?.deliveryId == null ? {} : { delivery: item.deliveryId }),
      ...(kind !== 'transform' || item === undefined ? {} : { response: item.responseId }),
    }
    for (const { level, message, fields, at: place } of logs)
      logger[level](
        { ...at, ...(place === undefined ? {} : { at: place }), ...(fields === undefined ? {} : { fields }) },
        message,
      )
    // Of a transform whoever asks it tells, since some that fail are never asked.
    if (error !== null && kind !== 'transform')
      logger.warn(
        { ...at, name, attempt, code: errorCode, error },
        // Another run, or the whole process, took it along.
        errorCode === 'plugin_interrupted' ? 'a run was cut off' : TOLD[kind],
      )
    else if (watch !== undefined && kind === 'action') {
      const delivered = items.filter(({ outcome }) => outcome === 'delivered').length
      if (delivered > 0) logger.info({ ...at, name, attempt, delivered, ms: run.durationMs }, 'an action delivered')
    } else if (watch !== undefined && kind === 'transform') tellAside(logger, at, items)
    watch?.withheldFrom(run).then(
      (withheld) => {
        if (withheld.length > 0)
          logger.info(
            { ...at, name, withheld },
            'answers were withheld: they are marked pii, and the installation does not say pii',
          )
      },
      (error: unknown) => logger.warn({ ...at, err: error }, 'which answers were withheld could not be found out'),
    )
  }
}

/** Whoever writes the transform looks for the response where it is not. */
function tellAside(logger: Logger, at: object, items: RunRecord['items']): void {
  for (const { outcome, responseId, formId } of items)
    if (outcome === 'flagged' || outcome === 'rejected')
      logger.info(
        { ...at, form: formId, verdict: outcome },
        `a response was ${outcome} and is in quarantine: manifold quarantine show ${responseId}`,
      )
}

const TOLD = {
  handler: 'a handler failed',
  action: 'an action failed',
  schedule: 'a schedule failed',
  route: 'a route failed',
  check: 'a check failed',
} as const satisfies Record<Exclude<RunRecord['kind'], 'transform'>, string>

/** How many from the first on have no more items together, and one at least. */
function countWithin(runs: readonly RunRecord[], itemsMax: number): number {
  let items = 0
  const end = runs.findIndex((run) => (items += Math.max(1, run.items.length)) > itemsMax)
  return end < 0 ? runs.length : Math.max(1, end)
}
