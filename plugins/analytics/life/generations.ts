/**
 * Which file answers. A new one is made beside it, from the log (a rebuild) or from its rows (to be rid of the bytes of what was
 * erased), brought to the same place of the log, and takes over between two questions: nobody who asks notices.
 */
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RouteResponse } from 'manifold/plugin'
import { removeDatabase, rowsOf } from '../engine/database.ts'
import { unavailable } from '../query/problem.ts'
import { fileOf, openGeneration } from './generation.ts'
import type { Generation, Surroundings } from './generation.ts'
import { compareGenerations } from './rebuild.ts'
import type { Compared } from './rebuild.ts'

/** Well within what a route may take. */
const WAIT_MS = 3_000
const LOOK_EVERY_MS = 1_000
/** Of a file that takes long to write, the next is not due before so many times as long. */
const REST_FACTOR = 50
const AGAIN_AFTER_MS = 60_000

const FILES = /^analytics[-.\w]*?\.duckdb/

export interface Rebuild {
  state: 'running' | 'done' | 'failed'
  readonly startedAt: string
  /** How far the log was read, and where it ended when it began. */
  read: () => number
  readonly head: number
  forms: readonly Compared[]
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
    const current = await openGeneration(number, around)
    await writeCurrent(around.dir, number)
    return new Generations(around, current, number)
  }

  /** The log has something new. */
  poke(): void {
    this.#current.tail.poke()
    this.#next?.tail.poke()
  }

  /** Whoever was told that a response is stored finds it in the next answer, or is told that it is too early to ask. */
  async route(answer: (generation: Generation) => Promise<RouteResponse>): Promise<RouteResponse> {
    const head = await this.#around.log.head()
    const untilMs = Date.now() + WAIT_MS
    for (;;) {
      const generation = this.#current
      try {
        const isThere = await within(untilMs - Date.now(), generation.tail.reached(head))
        if (!isThere) return unavailable(behind(generation.projection.applied(), head))
      } catch (error) {
        if (generation === this.#current) throw error
      }
      if (generation === this.#current) return generation.use(() => answer(generation))
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
    await this.#current.close()
  }

  async #beginRebuild(): Promise<Rebuild> {
    const rebuild: Rebuild = {
      state: 'running',
      startedAt: new Date().toISOString(),
      head: await this.#around.log.head(),
      read: () => this.#next?.projection.applied() ?? 0,
      forms: [],
      error: null,
    }
    this.#rebuild = rebuild
    const work = async (): Promise<void> => {
      try {
        rebuild.forms = await this.#remake(async () => undefined, compareGenerations)
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
        await this.#remake(copyRows, async () => undefined)
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
    atSamePlace: (before: Generation, after: Generation) => Promise<T>,
  ): Promise<T> {
    const { dir } = this.#around
    const old = this.#current
    const number = this.#number + 1
    const file = join(dir, fileOf(number))
    await removeDatabase(file)
    const release: (() => void)[] = []
    try {
      await fill(old, file)
      const next = await openGeneration(number, this.#around)
      this.#next = next
      if (this.#isClosed) await next.tail.close()
      await next.tail.reached(old.projection.applied())
      for (const { tail } of [old, next]) release.push(await tail.hold())
      const place = Math.max(old.projection.applied(), next.projection.applied())
      await Promise.all([old.tail.follow(place), next.tail.follow(place)])
      const result = await atSamePlace(old, next)
      await writeCurrent(dir, number)
      this.#current = next
      this.#number = number
      this.#next = null
      next.warm()
      return result
    } finally {
      for (const let_ of release) let_()
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
    await connection.run(`ATTACH '${file.replaceAll("'", "''")}' AS fresh`)
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
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), ms)))
  return Promise.race([work.then(() => true), late]).finally(() => clearTimeout(timer))
}

function behind(applied: number, head: number): string {
  const share = Math.floor((applied / Math.max(head, 1)) * 100)
  return `The log is being read: ${applied} of ${head} entries, ${share} %. Ask again in a moment.`
}
