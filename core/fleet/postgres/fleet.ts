/**
 * The fleet over Postgres. Every process says every two seconds that it lives; whoever was silent for eight is dead, and
 * its installations go to the others. A process that cannot say so gives its own up before that, by its own clock.
 */
import { createHash } from 'node:crypto'
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
import type { Me, ProcessRow, Sight } from './leases.ts'
import { listen, tell } from './notices.ts'
import type { Notice } from './notices.ts'
import { planShare } from './plan.ts'
import { membersOf, partsOf, runBy } from './sight.ts'

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
  /** All there are, and what of them this process could run. */
  #known: readonly string[] = []
  #wanted: readonly string[] = []
  /** Tokens by key of what is held, and of what is on its way out: its last ends are still ours to write. */
  readonly #tokens = new Map<string, number>()
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
  #wantsMark = ''
  #silent = false
  #saidPace = false
  #saidOrphans = ''

  constructor(options: PostgresFleetOptions) {
    this.#options = options
    this.owner = options.id
    this.#place = options.place === undefined ? placeOfProcess() : options.place
  }

  want(keys: readonly string[]): void {
    this.#known = keys
    this.#wantsMark = createHash('sha256').update(keys.toSorted().join('\n')).digest('hex').slice(0, 16)
    this.#wanted = this.#options.role === 'api' || this.#draining ? [] : keys
    if (this.#hooks !== null) void this.#beatSoon()
  }

  holds(key: string): boolean {
    return !this.#suspended && this.#tokens.has(key) && !this.#leaving.has(key)
  }

  token(key: string): number | undefined {
    return this.#tokens.get(key)
  }

  lost(key: string): void {
    if (!this.#tokens.delete(key)) return
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
    return run === null ? [] : this.#known.filter((key) => !run.has(key) && !this.#tokens.has(key))
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
    this.#wanted = []
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
    this.#tokens.clear()
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
    const {
      claim,
      release: giveBack,
      free,
    } = planShare({
      me: this.owner,
      wanted: this.#wanted,
      processes: sight.processes.map((row) => ({
        id: row.id,
        runsLanes: row.role !== 'api' && row.role !== LEAVING && (row.id === this.owner || row.wants === me.wants),
        alive: row.id === this.owner || this.#isAlive(row),
      })),
      leases: sight.leases.map(({ workspace, installation, owner }) => ({
        key: `${workspace}/${installation}`,
        owner,
      })),
      freeBefore: this.#free,
    })
    this.#free = new Set(free)
    if (bury.length > 0 || claim.length > 0) await this.#takeOver(me, bury, claim)
    for (const key of giveBack) if (!this.#leaving.has(key)) void this.#giveUp(key)
    this.#sayOrphans()
    this.#hooks?.heard({ ...NO_NEWS, head: sight.head })
  }

  /** Said once each time it changes, by every process that is there to say it. */
  #sayOrphans(): void {
    const orphans = this.orphans()
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
        .map(({ workspace, installation, token }) => [`${workspace}/${installation}`, token]),
    )
    const isSame = held.size === this.#tokens.size && [...held].every(([key, token]) => this.#tokens.get(key) === token)
    if (isSame && !this.#suspended) return
    this.#suspended = false
    this.#tokens.clear()
    for (const [key, token] of held) this.#tokens.set(key, token)
    this.#hooks?.changed()
  }

  async #takeOver(me: Me, bury: readonly ProcessRow[], claim: readonly string[]): Promise<void> {
    const { pool, logger } = this.#options
    for (const { id, role, pid, silent_ms: silentMs } of bury)
      logger.warn({ process: id, role, pid, silent_ms: Math.round(silentMs) }, 'a process of the hub is gone')
    const got = await takeOver(pool, me, { bury, claim: claim.map(partsOf) })
    for (const { workspace, installation, token } of got) this.#tokens.set(`${workspace}/${installation}`, token)
    if (got.length === 0) return
    logger.info({ installations: got.map(({ installation }) => installation) }, 'runs these installations from now on')
    this.#hooks?.changed()
    await this.#tell(tell({ o: this.owner, w: 1 }))
  }

  async #giveUp(key: string): Promise<void> {
    const { pool, logger } = this.#options
    this.#leaving.add(key)
    this.#hooks?.changed()
    try {
      await this.#hooks?.drained(key)
      await this.#inTurn(async () => {
        await release(pool, this.#me(), [partsOf(key)])
        this.#tokens.delete(key)
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

  #heard({ origin, news, pace, leases }: Notice): void {
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
      wants: this.#wantsMark,
      config: this.#config ?? '',
      breakers: JSON.stringify(this.#hooks?.breakers() ?? []),
    }
  }
}

const NO_NEWS = {
  head: null,
  forms: [],
  installations: [],
  cursors: [],
  keys: false,
  lanes: [],
  missed: false,
} as const
