/**
 * What installations use that another process has the account of: transforms run wherever responses are taken. What it
 * comes to is put into a parcel for each installation and handed over once a second. A parcel keeps its number until
 * somebody has taken it, so that one whose answer was lost is not counted twice.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Logger } from '../observe/observe.ts'
import type { Run, RunResult } from '../sandbox/sandbox.ts'
import type { Offence } from '../sandbox/options.ts'
import type { Cost } from './cost.ts'
import { Tally } from './tallied.ts'
import type { Tallied } from './tallied.ts'

/** What one process hands over of one installation (`workspace/id`). */
export interface Parcel {
  readonly key: string
  /** The process, and the number of its parcel. */
  readonly from: string
  readonly n: number
  readonly tallied: Tallied
  readonly costs: readonly Cost[]
}

/** Answers the keys of those that were taken, now or before. */
export type TakeParcels = (input: { readonly parcels: readonly Parcel[] }) => Promise<readonly string[]>

export interface HandoverDeps {
  readonly clock: Clock
  readonly logger: Logger
  /** Is there still such an installation? */
  readonly known: (key: string) => boolean
}

const EVERY_MS = 1_000
/** By then points have come back, and a worker that takes it over now has nothing to do with it: the costs are forgiven. */
export const FORGIVEN_AFTER_MS = 60_000

interface Open {
  readonly sinceMs: number
  readonly tally: Tally
  readonly byCause: Map<string, number>
}

/** Of one installation. */
interface Pile {
  /** Handed over, and not known to be taken. */
  sent: { readonly parcel: Parcel; readonly sinceMs: number } | null
  open: Open | null
}

/** One a process. */
export class Handover {
  readonly #deps: HandoverDeps
  readonly #from = randomUUID()
  #n = 0
  readonly #piles = new Map<string, Pile>()
  #take: TakeParcels | null = null
  #isArmed = false
  #going: Promise<void> = Promise.resolve()

  constructor(deps: HandoverDeps) {
    this.#deps = deps
  }

  /** From now on parcels go there; until then they wait. */
  to(take: TakeParcels): void {
    this.#take = take
    if (this.#piles.size > 0) this.#arm()
  }

  ran(key: string, { run, result }: { readonly run: Run; readonly result: RunResult }, cost: Cost | null): void {
    const open = this.#open(key)
    open.tally.add(run, result)
    if (cost !== null) spend(open, cost)
  }

  /** CPU time beside all runs. */
  spent(key: string, cpuMs: number, cost: Cost | null): void {
    const open = this.#open(key)
    open.tally.spent(cpuMs)
    if (cost !== null) spend(open, cost)
  }

  offended(key: string, what: Offence, cost: Cost | null): void {
    const open = this.#open(key)
    open.tally.offended(what)
    if (cost !== null) spend(open, cost)
  }

  /** Hands over what there is by then, one after the other; never rejects. */
  flush(): Promise<void> {
    this.#going = this.#going.then(() => this.#flush())
    return this.#going
  }

  #open(key: string): Open {
    const pile = this.#piles.get(key) ?? { sent: null, open: null }
    this.#piles.set(key, pile)
    this.#arm()
    return (pile.open ??= { sinceMs: this.#deps.clock.monotonicMs(), tally: new Tally(), byCause: new Map() })
  }

  #arm(): void {
    if (this.#isArmed || this.#take === null) return
    this.#isArmed = true
    this.#deps.clock.after(EVERY_MS, () => {
      this.#isArmed = false
      void this.flush()
    })
  }

  async #flush(): Promise<void> {
    if (this.#take === null) return
    const parcels = [...this.#piles].flatMap(([key, pile]) => this.#next(key, pile) ?? [])
    // Whoever cannot be reached takes nothing.
    const taken = parcels.length === 0 ? [] : await this.#take({ parcels }).catch(() => [])
    for (const key of taken) {
      const pile = this.#piles.get(key)
      if (pile === undefined) continue
      pile.sent = null
      if (pile.open === null) this.#piles.delete(key)
    }
    if (this.#piles.size > 0) this.#arm()
  }

  /** What is to be handed over now. */
  #next(key: string, pile: Pile): Parcel | null {
    const { clock, logger, known } = this.#deps
    if (!known(key)) {
      this.#piles.delete(key)
      return null
    }
    if (pile.sent === null && pile.open !== null) {
      const { tally, byCause, sinceMs } = pile.open
      this.#n += 1
      const costs = [...byCause].map(([cause, points]) => ({ cause, points }))
      pile.sent = { sinceMs, parcel: { key, from: this.#from, n: this.#n, tallied: tally.tallied(), costs } }
      pile.open = null
    }
    if (pile.sent === null) return null
    const { parcel, sinceMs } = pile.sent
    if (parcel.costs.length === 0 || clock.monotonicMs() - sinceMs < FORGIVEN_AFTER_MS) return parcel
    logger.warn(
      { installation: key.slice(key.indexOf('/') + 1), costs: parcel.costs },
      'no worker took the points that a transform has used; they are forgiven',
    )
    pile.sent = { sinceMs, parcel: { ...parcel, costs: [] } }
    return pile.sent.parcel
  }
}

const spend = ({ byCause }: Open, { cause, points }: Cost): void =>
  void byCause.set(cause, (byCause.get(cause) ?? 0) + points)
