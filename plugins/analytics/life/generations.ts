/**
 * Which file answers. A new one is made beside it, from the log (a rebuild) or from its rows (to be rid of the bytes of what was
 * erased), brought to the same place of the log, and takes over between two questions: nobody who asks notices.
 */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RouteResponse } from 'manifold/plugin'
import { cureOf } from '../engine/ailment.ts'
import { removeDatabase, rowsOf } from '../engine/database.ts'
import { sqlText } from '../engine/sql-text.ts'
import { unavailable } from '../query/problem.ts'
import { fileOf, openGeneration } from './generation.ts'
import type { Generation, Surroundings } from './generation.ts'
import { snapshotBoth } from './rebuild.ts'
import type { Compared } from './rebuild.ts'

/** So long it is waited for the log; what is left of the request's time is for the question. */
const WAIT_MS = 3_000
const LOOK_EVERY_MS = 1_000
/** Of a file that takes long to write, the next is not due before so many times as long. */
const REST_FACTOR = 50
const AGAIN_AFTER_MS = 60_000
const REOPEN_AFTER_MS = 1_000

const FILES = /^analytics[-.\w]*?\.duckdb/

export interface Rebuild {
  state: 'running' | 'done' | 'failed'
  readonly startedAt: string
  /** How far the log was read, and where it ended when it began. */
  read: () => number
  readonly head: number
  /** Null: nothing was compared yet. */
  compared: Compared | null
  error: string | null
}

export class Generations {
  readonly #around: Surroundings
  #current: Generation
  #next: Generation | null = null
  #number: number
  #remaking: Promise<unknown> | null = null
  #rebuild: Rebuild | null = null
  #dueMs: number | null = null
  #restUntilMs = 0
  #isClosed = false
  /** The engine of the current one is done for, and being opened again. */
  #isLost = false
  /** It was closed, and nothing is open in its place. */
  #isShut = false
  /** Where the log was read to when a write lost the engine last. */
  #lostAt: number | null = null
  readonly #watch: NodeJS.Timeout

  private constructor(around: Surroundings, current: Generation, number: number) {
    this.#around = around
    this.#current = current
    this.#number = number
    this.#watch = setInterval(() => this.#look(), LOOK_EVERY_MS).unref()
    current.warm()
  }

  static async open(around: Surroundings): Promise<Generations> {
    const number = await currentNumber(around.dir)
    const opened: { generations?: Generations } = {}
    const current = await openGeneration(number, around, (error) => {
      if (opened.generations !== undefined) opened.generations.#lose(number, error, 'writing')
    })
    await writeCurrent(around.dir, number)
    opened.generations = new Generations(around, current, number)
    return opened.generations
  }

  /** The log has something new. */
  poke(): void {
    this.#current.tail.poke()
    this.#next?.tail.poke()
  }

  /** Whoever was told that a response is stored finds it in the next answer, or is told that it is too early to ask. */
  async route(signal: AbortSignal, answer: (generation: Generation) => Promise<RouteResponse>): Promise<RouteResponse> {
    const head = await this.#around.log.head()
    const untilMs = Date.now() + WAIT_MS
    for (;;) {
      const generation = this.#current
      if (this.#isLost) return unavailable(LOST)
      try {
        const isThere = await within(untilMs - Date.now(), generation.tail.reached(head), signal)
        if (!isThere) return unavailable(behind(generation.projection.applied(), head))
      } catch {
        if (generation === this.#current) return unavailable(this.#isLost ? LOST : STUCK)
      }
      if (generation === this.#current) return this.#answered(generation, answer)
    }
  }

  /** Reads the whole log anew, beside what answers, and compares. One at a time; the last one's outcome stays. */
  rebuild(): Promise<Rebuild> {
    if (this.#rebuild?.state === 'running') return Promise.resolve(this.#rebuild)
    return this.#beginRebuild()
  }

  rebuilt(): Rebuild | null {
    return this.#rebuild
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#watch)
    await this.#next?.tail.close()
    await this.#remaking
    if (!this.#isShut) await this.#current.close()
  }

  async #answered(
    generation: Generation,
    answer: (generation: Generation) => Promise<RouteResponse>,
  ): Promise<RouteResponse> {
    const number = this.#number
    try {
      return await generation.use(() => answer(generation))
    } catch (error) {
      if (cureOf(error) === null) throw error
      this.#lose(number, error, 'asking')
      return unavailable(LOST)
    }
  }

  /** What is open can be used no more. A file that stands in its own way, at the same place twice, is none to open again. */
  #lose(number: number, error: unknown, during: 'writing' | 'asking'): void {
    if (number !== this.#number || this.#isLost || this.#isClosed) return
    const applied = this.#current.projection.applied()
    const isAnew = cureOf(error) === 'anew' || (during === 'writing' && this.#lostAt === applied)
    if (during === 'writing') this.#lostAt = applied
    this.#isLost = true
    const what = isAnew ? 'its file is made anew from the log' : 'its file is opened again'
    this.#around.say('error', `the engine is done for; ${what}`, { error: String(error) })
    this.#then(() => this.#reopen(number, isAnew))
  }

  async #reopen(number: number, isAnew: boolean): Promise<void> {
    // A rebuild that was under way may have put another in its place.
    if (number === this.#number) {
      await this.#current.close()
      this.#isShut = true
      while (this.#isShut && !this.#isClosed) await this.#tryToOpen(number, isAnew)
    }
    this.#isLost = this.#isShut
  }

  async #tryToOpen(number: number, isAnew: boolean): Promise<void> {
    const { dir, say } = this.#around
    try {
      if (isAnew) await removeDatabase(join(dir, fileOf(number)))
      this.#current = await this.#openNumber(number)
      this.#isShut = false
      this.#current.warm()
    } catch (error) {
      say('error', 'the engine cannot be opened; it is tried again', { error: String(error) })
      await sleep(REOPEN_AFTER_MS, undefined, { ref: false })
    }
  }

  #openNumber(number: number): Promise<Generation> {
    return openGeneration(number, this.#around, (error) => this.#lose(number, error, 'writing'))
  }

  async #beginRebuild(): Promise<Rebuild> {
    const rebuild: Rebuild = {
      state: 'running',
      startedAt: new Date().toISOString(),
      head: await this.#around.log.head(),
      read: () => this.#next?.projection.applied() ?? 0,
      compared: null,
      error: null,
    }
    this.#rebuild = rebuild
    const work = async (): Promise<void> => {
      try {
        rebuild.compared = await this.#remake(async () => undefined, snapshotBoth)
        rebuild.state = 'done'
      } catch (error) {
        rebuild.state = 'failed'
        rebuild.error = String(error)
        this.#around.say('error', 'the projection could not be rebuilt; what there was goes on', {
          error: String(error),
        })
      }
      const read = this.#current.projection.applied()
      rebuild.read = () => read
    }
    this.#then(work)
    return rebuild
  }

  /** Bytes of what was erased leave the disk: rows are written to a new file, which takes over. */
  #look(): void {
    const nowMs = Date.now()
    if (this.#current.projection.erasures() === 0) this.#dueMs = null
    else this.#dueMs ??= Math.max(nowMs + this.#around.config.rewriteAfterS * 1_000, this.#restUntilMs)
    if (this.#dueMs === null || nowMs < this.#dueMs || this.#remaking !== null || this.#isClosed) return
    this.#dueMs = null
    this.#then(async () => {
      try {
        await this.#remake(copyRows, async () => async () => undefined)
        this.#restUntilMs = Date.now() + (Date.now() - nowMs) * REST_FACTOR
      } catch (error) {
        this.#restUntilMs = Date.now() + AGAIN_AFTER_MS
        this.#around.say('warn', 'the file could not be written anew; bytes of what was erased are still in it', {
          error: String(error),
        })
      }
    })
  }

  /** One after the other. */
  #then(work: () => Promise<void>): void {
    const before = this.#remaking ?? Promise.resolve()
    const remaking = before.then(work).finally(() => {
      if (this.#remaking === remaking) this.#remaking = null
    })
    this.#remaking = remaking
  }

  async #remake<T>(
    fill: (from: Generation, file: string) => Promise<void>,
    /** What it resolves with is done while both go on. */
    atSamePlace: (before: Generation, after: Generation) => Promise<() => Promise<T>>,
  ): Promise<T> {
    const { dir } = this.#around
    const old = this.#current
    const number = this.#number + 1
    const file = join(dir, fileOf(number))
    await removeDatabase(file)
    const release: (() => void)[] = []
    try {
      await fill(old, file)
      const next = await this.#openNumber(number)
      this.#next = next
      if (this.#isClosed) await next.tail.close()
      await next.tail.reached(old.projection.applied())
      for (const { tail } of [old, next]) release.push(await tail.hold())
      const place = Math.max(old.projection.applied(), next.projection.applied())
      await Promise.all([old.tail.follow(place), next.tail.follow(place)])
      const look = await atSamePlace(old, next)
      for (const letGo of release.splice(0)) letGo()
      const result = await look()
      await writeCurrent(dir, number)
      this.#current = next
      this.#number = number
      this.#next = null
      next.warm()
      return result
    } finally {
      for (const letGo of release) letGo()
      const gone = this.#current === old ? this.#next : old
      this.#next = null
      await gone?.close()
      await removeDatabase(this.#current === old ? file : join(dir, old.file))
    }
  }
}

/** All rows as of one moment, and nothing of those that are gone. */
async function copyRows({ database }: Generation, file: string): Promise<void> {
  const connection = await database.instance.connect()
  try {
    const [row] = await rowsOf(connection, 'SELECT current_database() AS name')
    await connection.run(`ATTACH ${sqlText(file)} AS fresh`)
    await connection.run(`COPY FROM DATABASE "${String(row?.['name'])}" TO fresh`)
    await connection.run('UPDATE fresh.progress SET erasures = 0')
    await connection.run('DETACH fresh')
  } finally {
    connection.closeSync()
  }
}

/** Files that no longer or not yet count are removed: a kill may have left them. */
async function currentNumber(dir: string): Promise<number> {
  const text = await readFile(join(dir, 'current'), 'utf8').catch(() => '')
  const number = /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : 1
  const names = await readdir(dir).catch((): string[] => [])
  const others = names.filter((name) => FILES.test(name) && !name.startsWith(fileOf(number)))
  await Promise.all(others.map((name) => removeDatabase(join(dir, name))))
  return number
}

async function writeCurrent(dir: string, number: number): Promise<void> {
  const file = join(dir, 'current')
  await writeFile(`${file}.new`, String(number), { mode: 0o600, flush: true })
  await rename(`${file}.new`, file)
}

/** Whether it came about in time; rejects when it failed. */
async function within(ms: number, work: Promise<void>, signal: AbortSignal): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>()
  const giveUp = (): void => resolve(false)
  const timer = setTimeout(giveUp, ms)
  signal.addEventListener('abort', giveUp)
  return Promise.race([work.then(() => true), late]).finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  })
}

const LOST = 'The engine has failed and is being opened again. Ask again in a moment.'
const STUCK = 'What was stored last cannot be read in at the moment; the hub says why in its log, and tries again.'

function behind(applied: number, head: number): string {
  const share = Math.floor((applied / Math.max(head, 1)) * 100)
  return `The log is being read: ${applied} of ${head} entries, ${share} %. Ask again in a moment.`
}
