/**
 * Routes that are open to strangers, each installation's in an isolate of its own in a sandbox of their own. Whoever sends
 * what loops or fills the memory there cuts off nothing else: no action that waits for its receiver, no area of the API.
 * It is loaded when somebody asks for the first time, and goes when nobody has asked for a while.
 */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Logger } from '../observe/observe.ts'
import type { Run, RunResult, Sandbox, SandboxStats } from '../sandbox/sandbox.ts'
import type { Installation } from './installation.ts'
import { surfaceMismatch } from './surface.ts'
import { unitOf } from './units.ts'

export interface OpenRoutesDeps {
  readonly sandbox: Pick<Sandbox, 'load' | 'unload' | 'runEach' | 'setApart' | 'stats'>
  readonly logger: Logger
  readonly clock: Clock
}

/** After so long without a request an isolate goes; the process goes with the last. To be loaded again takes some 0.1 s. */
const REST_MS = 10 * 60_000

/** What of one installation was loaded last. */
interface Load {
  readonly hash: string
  readonly done: Promise<void>
  isUp: boolean
  isApart: boolean
  /** Requests that it answers at the moment. */
  runs: number
  stopResting: () => void
}

export class OpenRoutes {
  readonly #deps: OpenRoutesDeps
  /** By key. */
  readonly #loads = new Map<string, Load>()
  /** By key: of two units of one key the later must not come up first. */
  readonly #turns = new Map<string, Promise<void>>()
  #isClosed = false

  constructor(deps: OpenRoutesDeps) {
    this.#deps = deps
  }

  /** Resolves when it is loaded as it is here; rejects with why it cannot be. */
  async ready(installation: Installation): Promise<void> {
    const { key, hash } = installation
    if (this.#isClosed) throw new HubError('unavailable', 'The hub is stopping.')
    const before = this.#loads.get(key)
    if (before?.hash === hash) return before.done
    const load: Load = {
      hash,
      isUp: false,
      isApart: false,
      runs: 0,
      stopResting: () => {},
      done: this.#inTurn(key, () => this.#bringUp(installation)),
    }
    before?.stopResting()
    this.#loads.set(key, load)
    try {
      await load.done
      load.isUp = true
      this.#rest(key, load)
    } catch (error) {
      // Whoever asks next tries again.
      if (this.#loads.get(key) === load) this.#loads.delete(key)
      throw error
    }
  }

  /** False: it is not, or was changed meanwhile. */
  isUp({ key, hash }: Installation): boolean {
    const load = this.#loads.get(key)
    return load?.hash === hash && load.isUp
  }

  async run({ key }: Installation, run: Run): Promise<RunResult> {
    const load = this.#loads.get(key)
    if (load === undefined) throw new HubError('unavailable', 'The routes are not loaded.')
    load.stopResting()
    load.runs += 1
    try {
      const result = await this.#deps.sandbox.runEach(key, run)
      if (result.error?.code === 'plugin_cpu') this.#setApart(key)
      return result
    } finally {
      load.runs -= 1
      this.#rest(key, load)
    }
  }

  /** All that run here; the units of others go. */
  setInstallations(keys: readonly string[]): void {
    const wanted = new Set(keys)
    for (const [key, load] of this.#loads) if (!wanted.has(key)) this.#letGo(key, load)
  }

  stats(): SandboxStats {
    return this.#deps.sandbox.stats()
  }

  /** Nothing is loaded any more; resolves when what is on its way is up, or has said why it cannot be. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const { stopResting } of this.#loads.values()) stopResting()
    await Promise.allSettled(this.#turns.values())
  }

  /** From now on nobody asks for it, or so it seems. */
  #rest(key: string, load: Load): void {
    load.stopResting()
    if (this.#isClosed || load.runs > 0 || this.#loads.get(key) !== load) return
    load.stopResting = this.#deps.clock.after(REST_MS, () => this.#letGo(key, load))
  }

  /** Whoever asks next finds none, and waits for another, which is loaded after this one is gone. */
  #letGo(key: string, load: Load): void {
    load.stopResting()
    this.#loads.delete(key)
    this.#inTurn(key, () => this.#deps.sandbox.unload(key)).catch((error: unknown) =>
      this.#deps.logger.warn({ err: error, installation: key }, 'the routes of an installation could not be unloaded'),
    )
  }

  async #bringUp(installation: Installation): Promise<void> {
    const surface = await this.#deps.sandbox.load(unitOf(installation))
    const mismatch = surfaceMismatch(installation.plugin.manifest, surface)
    if (mismatch !== null) throw new HubError('plugin_load', mismatch)
  }

  async #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).catch(() => undefined).then(work)
    this.#turns.set(key, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }

  /** Points would have it stand still, and that is what somebody may be after: it gives way to the others instead. */
  #setApart(key: string): void {
    const load = this.#loads.get(key)
    if (load === undefined || load.isApart) return
    load.isApart = true
    this.#deps.sandbox
      .setApart(key, true)
      .catch((error: unknown) =>
        this.#deps.logger.warn(
          { err: error, installation: key },
          'an installation could not be moved to another process',
        ),
      )
  }
}
