/**
 * The queue of many processes. Lanes that this process runs are woken in memory, as alone: their work is rows, and
 * whoever takes a lane over looks at it first. For all others a job is written, and the worker that gets the job has the
 * lane looked at by whoever runs it.
 */
import type { Pool } from 'pg'
import type { Clock } from '../../clock.ts'
import type { Logger } from '../../observe/observe.ts'
import { withClient } from '../../storage/postgres/connect.ts'
import { sendAll } from '../../storage/postgres/pipeline.ts'
import { statementOf } from '../../storage/postgres/sql.ts'
import type { Lane, LaneWorker, Queue } from '../queue.ts'
import { LANE_TASK, laneJob, LOG_TASK, runJobs } from './jobs.ts'
import type { JobRunner } from './jobs.ts'

export interface GraphileQueueDeps {
  readonly pool: Pool
  readonly clock: Clock
  readonly logger: Logger
  /** The queue inside the process. */
  readonly local: Queue
  /** True for lanes that this process runs. */
  readonly holds: (lane: Lane) => boolean
  /** Has another process look at the lane; false when none is known to run it. */
  readonly relay: (lane: Lane) => Promise<boolean>
  /** The log has grown and nobody may have heard of it; when this fails the job comes again. */
  readonly logGrew: () => Promise<void> | void
  /** False for a process that runs no lanes: it only leaves wake-ups for others. */
  readonly runsLanes: boolean
}

const RETRY_MS = 200
const RETRY_MS_MAX = 5_000
/** At the end wake-ups may take so long to be written; whoever runs the lanes looks by itself, only later. */
const LAST_WRITE_MS = 2_000

export interface GraphileQueue extends Queue {
  /** Of the job runner, for those who bury this process; null before the start and where none runs. */
  readonly jobPool: () => string | null
}

export const createGraphileQueue = (deps: GraphileQueueDeps): GraphileQueue => new SharedQueue(deps)

const keyOf = ({ kind, workspace, installation }: Lane): string => `${kind}:${workspace}/${installation}`

class SharedQueue implements GraphileQueue {
  readonly #deps: GraphileQueueDeps
  /** Wake-ups to be written, the earliest of each lane; null: now. */
  #unwritten = new Map<string, { readonly lane: Lane; readonly atMs: number | null }>()
  #writing: Promise<void> | null = null
  #runner: JobRunner | null = null
  #stopping = false

  constructor(deps: GraphileQueueDeps) {
    this.#deps = deps
  }

  readonly jobPool = (): string | null => this.#runner?.id ?? null

  async start(worker: LaneWorker): Promise<void> {
    const { pool, logger, local, runsLanes } = this.#deps
    await local.start(worker)
    if (!runsLanes) return
    this.#runner = runJobs(pool, logger, {
      [LOG_TASK]: () => this.#deps.logGrew(),
      [LANE_TASK]: (payload) => this.#look(payload as Lane),
    })
  }

  wake(lane: Lane, atMs?: number): void {
    if (this.#stopping) return
    if (this.#deps.holds(lane)) return this.#deps.local.wake(lane, atMs)
    const key = keyOf(lane)
    const known = this.#unwritten.get(key)
    const at = atMs ?? null
    if (known === undefined || at === null || (known.atMs !== null && at < known.atMs))
      this.#unwritten.set(key, { lane, atMs: at })
    this.#writing ??= this.#write()
  }

  /** Here alone: whoever runs the lane from now on has wake-ups of its own. */
  drop(lane: Lane): void {
    this.#unwritten.delete(keyOf(lane))
    this.#deps.local.drop(lane)
  }

  depth(): ReturnType<Queue['depth']> {
    const depth = { ...this.#deps.local.depth() }
    for (const { lane } of this.#unwritten.values()) depth[lane.kind] += 1
    return depth
  }

  async stop(): Promise<void> {
    const late = new Promise<void>((resolve) => void this.#deps.clock.after(LAST_WRITE_MS, resolve))
    await Promise.race([this.#writing, late])
    this.#stopping = true
    await this.#deps.local.stop()
    await this.#runner?.stop()
  }

  /** A job's lane: here, elsewhere, or nowhere yet; then the job comes again. */
  async #look(lane: Lane): Promise<void> {
    if (this.#stopping) throw new Error('this process stops')
    if (this.#deps.holds(lane)) return this.#deps.local.wake(lane)
    if (!(await this.#deps.relay(lane)))
      throw new Error(`nobody runs ${lane.workspace}/${lane.installation} at the moment`)
  }

  async #write(): Promise<void> {
    for (let delayMs = RETRY_MS; this.#unwritten.size > 0 && !this.#stopping;) {
      await new Promise((resolve) => setImmediate(resolve))
      const wakes = this.#unwritten
      this.#unwritten = new Map()
      try {
        await this.#writeAll([...wakes.values()])
        delayMs = RETRY_MS
      } catch (error) {
        this.#deps.logger.warn(
          { err: error, lanes: wakes.size },
          'wake-ups for others could not be written; trying again',
        )
        for (const [key, wake] of this.#unwritten) wakes.set(key, wake)
        this.#unwritten = wakes
        await new Promise<void>((resolve) => void this.#deps.clock.after(delayMs, resolve))
        delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)
      }
    }
    this.#writing = null
  }

  async #writeAll(wakes: readonly { readonly lane: Lane; readonly atMs: number | null }[]): Promise<void> {
    const calls = wakes.map(({ lane, atMs }) => {
      const { sql, params } = laneJob(lane, atMs)
      return { statement: statementOf(sql), rows: [params] }
    })
    await withClient(this.#deps.pool, (client) => sendAll(client, calls))
  }
}
