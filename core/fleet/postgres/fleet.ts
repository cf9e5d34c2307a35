/**
 * The fleet over Postgres. Every process says every two seconds that it lives; whoever was silent for eight is dead, and
 * its installations go to the others. A process that cannot say so gives its own up before that, by its own clock.
 */
import type { Pool } from 'pg'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../observe/observe.ts'
import type { Lane } from '../../queue/queue.ts'
import { withClient } from '../../storage/postgres/connect.ts'
import type { Holdings } from '../../storage/postgres/fence.ts'
import { sendAll } from '../../storage/postgres/pipeline.ts'
import { statementOf } from '../../storage/postgres/sql.ts'
import type { FarBreaker, Fleet, FleetHooks, FleetMember, LanePace, Neighbour } from '../fleet.ts'
import { isGone, placeOfProcess, reachableUrl } from './host.ts'
import { beat, leave, release, SILENT_MS_MAX, standingOf, takeOver } from './leases.ts'
import type { LeaseRow, Me, ProcessRow, Sight } from './leases.ts'
import { listen, NO_NEWS, tell } from './notices.ts'
import type { Notice } from './notices.ts'
import { givenTo, membersOf, partsOf, planOf, runBy } from './sight.ts'
import { wishesOf } from './wishes.ts'

export interface PostgresFleetOptions {
  readonly pool: Pool
  /** For the connection that listens. */
  readonly url: string
  /** Unique among all processes there ever were. */
  readonly id: string
  readonly role: 'all' | 'api' | 'worker'
  readonly version: string
  /** Where others reach this process; null: where it listens. */
  readonly advertiseUrl: string | null
  /** Asked at each beat, since jobs start after the fleet. */
  readonly jobPool: () => string | null
  /** Where processes can be seen to die; this machine by default. */
  readonly place?: string | null
  readonly clock: Clock
  readonly logger: Logger
}

const BEAT_MS = 2_000
/** Well before the others think so. */
const HELD_WITHOUT_BEAT_MS = SILENT_MS_MAX - BEAT_MS
const WATCH_MS = 500
const PACE_MS = 100
const PACE_LANES_MAX = 30
/** Role of a process that is about to end: others no longer count on it. */
const LEAVING = 'leaving'
/** Below this nobody needs to know. */
const BEHIND_MIN = 100
const PACE_AGE_MS_MAX = 3_000

/** What the rest of the process needs of it beside `Fleet`. */
export interface PostgresFleet extends Fleet, Holdings {
  /** See `FleetHooks.doubt`. */
  doubt(): void
  /** Somebody who runs the lane shall look at it; false when nobody is known to. */
  relay(lane: Lane): Promise<boolean>
}

export const createPostgresFleet = (options: PostgresFleetOptions): PostgresFleet => new LeasedFleet(options)

class LeasedFleet implements PostgresFleet {
  readonly owner: string
  readonly alone = false
  #config: string | null = null
  readonly #options: PostgresFleetOptions
  readonly #place: string | null
  /** All there are. */
  #known = wishesOf(new Map())
  /** By key what is held, and what is on its way out: its last ends are still ours to write. */
  readonly #leases = new Map<string, LeaseRow>()
  readonly #leaving = new Set<string>()
  #free: ReadonlySet<string> = new Set()
  #beatMonoMs = Number.NEGATIVE_INFINITY
  #suspended = false
  #sight: Sight | null = null
  readonly #paces = new Map<string, { readonly lanes: readonly LanePace[]; readonly atMonoMs: number }>()
  #hooks: FleetHooks | null = null
  #door: Neighbour = { url: '', key: '' }
  #line: { stop(): Promise<void> } | null = null
  #timers: (() => void)[] = []
  #beating: Promise<void> = Promise.resolve()
  #beatWaits = false
  #stopped = false
  #draining = false
  #silent = false
  #saidPace = false
  #saidOrphans = ''

  constructor(options: PostgresFleetOptions) {
    this.#options = options
    this.owner = options.id
    this.#place = options.place === undefined ? placeOfProcess() : options.place
  }

  want(wanted: ReadonlyMap<string, readonly string[]>): void {
    this.#known = wishesOf(wanted)
    if (this.#hooks !== null) void this.#beatSoon()
  }

  /** What takes turns for something else than its lease says is given up first: another process may run that. */
  holds(key: string): boolean {
    const lease = this.#leases.get(key)
    if (this.#suspended || lease === undefined || this.#leaving.has(key)) return false
    return lease.turns === this.#known.turns(key)
  }

  token(key: string): number | undefined {
    return this.#leases.get(key)?.token
  }

  lost(key: string): void {
    if (!this.#leases.delete(key)) return
    this.#leaving.delete(key)
    this.#options.logger.warn({ installation: key }, 'another process runs this installation now')
    this.#hooks?.changed()
  }

  async elsewhere(key: string): Promise<Neighbour | null> {
    if (this.holds(key)) return null
    if (this.orphans().includes(key)) await this.#beatSoon()
    const owner = this.#sight?.leases.find(
      ({ workspace, installation }) => `${workspace}/${installation}` === key,
    )?.owner
    const process = this.#sight?.processes.find((row) => row.id === owner && this.#isAlive(row))
    if (process === undefined || process.id === this.owner || process.url === null || process.door_key === null)
      return null
    return { url: process.url, key: process.door_key }
  }

  orphans(): readonly string[] {
    const run = runBy(this.#sight, (row) => row.id === this.owner || this.#isAlive(row))
    return run === null ? [] : this.#known.keys.filter((key) => !run.has(key) && !this.#leases.has(key))
  }

  doubt(): void {
    this.#hooks?.doubt()
  }

  async standing(checksum: string): Promise<'newest' | 'older'> {
    const { pool, id } = this.#options
    const standing = await standingOf(pool, { checksum, running: this.#config, id })
    this.#config = checksum
    return standing
  }

  members(): readonly FleetMember[] {
    return membersOf(this.#sight, this.owner)
  }

  breakers(): readonly FarBreaker[] {
    const others = (this.#sight?.processes ?? []).filter(({ id }) => id !== this.owner)
    return others.flatMap(({ breakers }) => JSON.parse(breakers) as readonly FarBreaker[])
  }

  pace(): readonly LanePace[] {
    const sinceMs = this.#options.clock.monotonicMs() - PACE_AGE_MS_MAX
    for (const [origin, { atMonoMs }] of this.#paces) if (atMonoMs < sinceMs) this.#paces.delete(origin)
    return [...this.#paces.values()].flatMap(({ lanes }) => lanes)
  }

  async relay({ kind, workspace, installation }: Lane): Promise<boolean> {
    const key = `${workspace}/${installation}`
    const owner = this.#sight?.leases.find((row) => `${row.workspace}/${row.installation}` === key)?.owner ?? null
    if (owner === null || !(this.#sight?.processes.some((row) => row.id === owner && this.#isAlive(row)) ?? false))
      return false
    await this.#tell(tell({ o: this.owner, l: [[kind, workspace, installation]] }))
    return true
  }

  async start(hooks: FleetHooks, door: Neighbour): Promise<void> {
    this.#hooks = hooks
    this.#door = { ...door, url: this.#options.advertiseUrl ?? reachableUrl(door.url) }
    this.#line = await listen({
      url: this.#options.url,
      logger: this.#options.logger,
      heard: (notice) => this.#heard(notice),
      missed: (news) => hooks.heard(news),
    })
    await this.#beat()
    await this.#tell(tell({ o: this.owner, w: 1 }))
    this.#every(BEAT_MS, () => void this.#beatSoon())
    this.#every(WATCH_MS, () => this.#watch())
    this.#every(PACE_MS, () => this.#sayPace())
  }

  drain(): void {
    this.#draining = true
    void this.#beatSoon().then(() => this.#tell(tell({ o: this.owner, w: 1 })).catch(() => {}))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#timers) cancel()
    await this.#beating
    await this.#line?.stop()
    if (this.#hooks === null) return
    try {
      await leave(this.#options.pool, { id: this.owner })
      await this.#tell(tell({ o: this.owner, w: 1 }))
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'this process could not say good-bye; others wait some seconds for it')
    }
    this.#leases.clear()
  }

  #every(periodMs: number, act: () => void): void {
    const timer = setInterval(act, periodMs)
    this.#timers.push(() => clearInterval(timer))
  }

  /** One after the other: two of the same process must not plan against each other. One that waits serves all who ask. */
  #beatSoon(): Promise<void> {
    if (this.#beatWaits) return this.#beating
    this.#beatWaits = true
    const next = async (): Promise<void> => {
      this.#beatWaits = false
      if (this.#stopped) return
      try {
        await this.#beat()
        if (this.#silent) this.#options.logger.info({ process: this.owner }, 'the database answers again')
        this.#silent = false
      } catch (error) {
        // Once: what follows is the same every two seconds.
        if (!this.#silent) this.#options.logger.warn({ err: error }, 'this process could not say that it lives')
        this.#silent = true
      }
    }
    return this.#inTurn(next)
  }

  /** Of what reads or writes leases one after the other, or an answer that is on its way would undo what came after it. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#beating.then(act)
    this.#beating = turn.catch(() => {})
    return turn
  }

  async #beat(): Promise<void> {
    const { pool, clock } = this.#options
    const me = this.#me()
    const begunMs = clock.monotonicMs()
    const sight = await beat(pool, me)
    this.#sight = sight
    this.#beatMonoMs = begunMs
    this.#adopt(sight)
    const bury = sight.processes.filter((row) => row.id !== this.owner && !this.#isAlive(row))
    const plan = planOf(sight, {
      me: this.owner,
      isWorking: this.#options.role !== 'api' && !this.#draining,
      wishes: this.#known,
      isAlive: (row) => row.id === this.owner || this.#isAlive(row),
      isCounted: ({ id, role, wants }) =>
        role !== 'api' && role !== LEAVING && (id === this.owner || wants === me.wants),
      freeBefore: this.#free,
    })
    this.#free = new Set(plan.free)
    if (bury.length > 0 || plan.claim.length > 0) await this.#takeOver(me, bury, plan.claim)
    for (const key of plan.release) void this.#giveUp(key)
    for (const { owner, orphan, keys } of plan.asks) await this.#tell(tell({ o: this.owner, g: [owner, orphan, keys] }))
    this.#sayOrphans()
    this.#hooks?.heard({ ...NO_NEWS, head: sight.head })
  }

  /** Said once each time it changes, by every process that is there to say it. */
  #sayOrphans(): void {
    const orphans = this.orphans()
    this.#hooks?.unattended(orphans)
    const names = orphans.join(', ')
    if (names !== this.#saidOrphans && orphans.length > 0)
      this.#options.logger.warn({ installations: orphans }, 'no process runs these installations; their events wait')
    this.#saidOrphans = names
  }

  /** What the database says of our own leases: gone ones are gone, and a pause without beats is over. */
  #adopt(sight: Sight): void {
    const held = new Map(
      sight.leases
        .filter(({ owner }) => owner === this.owner)
        .map((lease) => [`${lease.workspace}/${lease.installation}`, lease]),
    )
    const isSame =
      held.size === this.#leases.size && [...held].every(([key, { token }]) => this.#leases.get(key)?.token === token)
    if (isSame && !this.#suspended) return
    this.#suspended = false
    this.#leases.clear()
    for (const [key, lease] of held) this.#leases.set(key, lease)
    this.#hooks?.changed()
  }

  async #takeOver(me: Me, bury: readonly ProcessRow[], claim: readonly string[]): Promise<void> {
    const { pool, logger } = this.#options
    for (const { id, role, pid, silent_ms: silentMs } of bury)
      logger.warn({ process: id, role, pid, silent_ms: Math.round(silentMs) }, 'a process of the hub is gone')
    const wishes = claim.map((key) => ({ place: partsOf(key), turns: this.#known.turns(key) }))
    const got = await takeOver(pool, me, { bury, claim: wishes })
    for (const lease of got) this.#leases.set(`${lease.workspace}/${lease.installation}`, lease)
    if (got.length === 0) return
    logger.info({ installations: got.map(({ installation }) => installation) }, 'runs these installations from now on')
    this.#hooks?.changed()
    await this.#tell(tell({ o: this.owner, w: 1 }))
  }

  async #giveUp(key: string): Promise<void> {
    if (this.#leaving.has(key)) return
    const { pool, logger } = this.#options
    this.#leaving.add(key)
    this.#hooks?.changed()
    try {
      await this.#hooks?.drained(key)
      await this.#inTurn(async () => {
        await release(pool, this.#me(), [partsOf(key)])
        this.#leases.delete(key)
      })
      await this.#tell(tell({ o: this.owner, w: 1 }))
      logger.info({ installation: key }, 'gave this installation to another process')
    } catch (error) {
      logger.warn({ err: error, installation: key }, 'an installation could not be given up; trying again')
    } finally {
      this.#leaving.delete(key)
      this.#hooks?.changed()
    }
  }

  /** Without a beat for too long others take over; stopping first is what keeps two from running one lane. */
  #watch(): void {
    if (this.#suspended || this.#options.clock.monotonicMs() - this.#beatMonoMs < HELD_WITHOUT_BEAT_MS) return
    this.#suspended = true
    this.#options.logger.warn({ process: this.owner }, 'the database does not answer; lanes stand still until it does')
    this.#hooks?.changed()
  }

  #isAlive({ silent_ms: silentMs, place, pid, id }: ProcessRow): boolean {
    if (place !== null && place === this.#place && (isGone(pid) || (pid === process.pid && id !== this.owner)))
      return false
    return silentMs < SILENT_MS_MAX || (this.#sight?.databaseIsYoung ?? false)
  }

  #heard({ origin, news, pace, leases, ask }: Notice): void {
    const asked = { me: this.owner, wishes: this.#known, held: this.#leases }
    for (const key of givenTo(ask, asked)) void this.#giveUp(key)
    if (leases && origin !== this.owner) void this.#beatSoon()
    if (pace !== null && origin !== this.owner) {
      this.#paces.set(origin, { lanes: pace, atMonoMs: this.#options.clock.monotonicMs() })
      return
    }
    // Of its own it needs to hear only how far the log reaches, in its place among those of others.
    this.#hooks?.heard(origin === this.owner ? { ...NO_NEWS, head: news.head } : news)
  }

  /** Ingest of other processes slows down for lanes of this one that fall behind. */
  #sayPace(): void {
    const behind = (this.#hooks?.pace() ?? []).filter((lane) => lane.behind >= BEHIND_MIN)
    if (behind.length === 0 && !this.#saidPace) return
    this.#saidPace = behind.length > 0
    // The farthest behind are what ingest has to yield to, and a notice has room for so many.
    const farthest = behind.toSorted((one, other) => other.behind - one.behind).slice(0, PACE_LANES_MAX)
    const lanes = farthest.map((lane) => [lane.key, lane.behind, Math.round(lane.deliveredPerSecond)] as const)
    this.#tell(tell({ o: this.owner, p: lanes })).catch(() => {})
  }

  async #tell({ sql, params }: ReturnType<typeof tell>): Promise<void> {
    await withClient(this.#options.pool, (client) => sendAll(client, [{ statement: statementOf(sql), rows: [params] }]))
  }

  #me(): Me {
    const { id, role, version, jobPool } = this.#options
    const { url, key } = this.#door
    return {
      id,
      role: this.#draining ? LEAVING : role,
      version,
      place: this.#place,
      pid: process.pid,
      jobPool: jobPool(),
      url,
      doorKey: key,
      wants: this.#known.mark,
      config: this.#config ?? '',
      breakers: JSON.stringify(this.#hooks?.breakers() ?? []),
    }
  }
}
