/** The sandbox of the hub: units, and runs in lanes. Which isolate and which process they live in is the keeper's business. */
import { asHubError, type ErrorCode, HubError } from '../errors.ts'
import { Keeper, UNCLEAR_TRIES_MAX } from './keeper.ts'
import { type LaneEnd, NOTHING, type Unfinished } from './lane.ts'
import type { SandboxOptions } from './options.ts'
import { nextPart } from './plan.ts'
import { NO_EFFECTS } from './report.ts'
import { errorOf } from './run-error.ts'
import { aloneSlot, elsewhere, homeSlot, type Instance, isApartSlot, newState, type UnitState } from './unit-state.ts'
import type { Run, RunResult, Sandbox, SandboxStats, Unit, UnitSurface } from './sandbox.ts'

/** Opens the sandbox. Children start when the first unit is loaded. */
export const createSandbox = (options: SandboxOptions): Sandbox => new Pool(options)

const NO_PROCESS = { code: 'unavailable', message: 'The sandbox cannot start a process' } as const

/** How a lane ended and what it left. */
interface Ended {
  readonly end: LaneEnd
  readonly results: readonly RunResult[]
  readonly remaining: number
  /** Of the first that has no result. */
  readonly unfinished: Unfinished
}

class Pool implements Sandbox {
  readonly #keeper: Keeper
  readonly #units = new Map<string, UnitState>()
  /** On their way to another process. */
  readonly #moving = new Set<string>()

  constructor(options: SandboxOptions) {
    this.#keeper = new Keeper(options)
  }

  async load(unit: Unit): Promise<UnitSurface> {
    if (this.#keeper.isClosed) throw new HubError('unavailable', 'The sandbox is closed')
    const old = this.#units.get(unit.key)
    const wasMoved = old !== undefined && old.slotKey !== homeSlot(old.unit)
    const keepsOwn = wasMoved && old.unit.bundle.hash === unit.bundle.hash
    const state = newState(unit, keepsOwn ? aloneSlot(unit, old.slotKey) : homeSlot(unit))
    const instance = await this.#firstInstance(state)
    const previous = this.#units.get(unit.key)
    this.#units.set(unit.key, state)
    this.#keeper.adopt(state)
    if (previous !== undefined) this.#keeper.retire(previous)
    return instance.surface as UnitSurface
  }

  async unload(key: string): Promise<void> {
    const state = this.#units.get(key)
    if (state === undefined) return
    this.#units.delete(key)
    this.#keeper.retire(state)
  }

  async setApart(key: string, isApart: boolean): Promise<void> {
    const old = this.#units.get(key)
    if (old === undefined || isApartSlot(old.slotKey) === isApart || this.#moving.has(key)) return
    const state = elsewhere(old, isApart)
    this.#moving.add(key)
    await this.#firstInstance(state).finally(() => this.#moving.delete(key))
    // Loaded anew or unloaded meanwhile: that one counts.
    if (this.#units.get(key) !== old) return this.#keeper.retire(state)
    this.#units.set(key, state)
    this.#keeper.adopt(state)
    this.#keeper.retire(old)
  }

  async runBatch(key: string, runs: readonly Run[]): Promise<readonly RunResult[]> {
    const results: RunResult[] = []
    let isSolo = performance.now() < (this.#units.get(key)?.cautiousUntilMs ?? 0)
    let unclear = 0
    // What the next run to have a result has used in lanes that ended before it.
    let owedMs = 0
    while (results.length < runs.length) {
      const part = nextPart(runs, results.length, isSolo)
      const { end, results: found, remaining, unfinished } = await this.#runLane(key, part)
      results.push(...withOwed(found, owedMs))
      owedMs = (found.length === 0 ? owedMs : 0) + unfinished.cpuMs
      if (end.why === 'done') {
        unclear = 0
        continue
      }
      if (end.why === 'interrupted') {
        const [begun, ...others] = runs.slice(results.length) as [Run, ...Run[]]
        const why = interrupted(end.message)
        results.push(this.#failed(key, begun, { why, used: { ...unfinished, cpuMs: owedMs } }))
        results.push(...others.map((run) => this.#failed(key, run, { why, used: NOTHING })))
        break
      }
      // Nothing of what the broken isolate did is trusted: what has no result yet is run again, one by one.
      isSolo = true
      if (end.isCulprit || remaining > 1) continue
      unclear += 1
      const run = runs[results.length]
      if (unclear >= UNCLEAR_TRIES_MAX && run !== undefined) {
        results.push(this.#failed(key, run, { why: end, used: { ...unfinished, cpuMs: owedMs } }))
        unclear = 0
        owedMs = 0
      }
    }
    return results
  }

  async runEach(key: string, run: Run): Promise<RunResult> {
    const { end, results, unfinished } = await this.#runLane(key, [run])
    const [result] = results
    if (result !== undefined) return result
    const message = end.why === 'done' ? 'the run ended without a result' : end.message
    return this.#failed(key, run, { why: interrupted(message), used: unfinished })
  }

  stats(): SandboxStats {
    return this.#keeper.stats()
  }

  async close(): Promise<void> {
    this.#units.clear()
    await this.#keeper.close()
  }

  async #runLane(key: string, runs: readonly Run[]): Promise<Ended> {
    const state = this.#units.get(key)
    if (state === undefined) throw new HubError('unavailable', `The installation ${key} is not loaded`)
    const instance =
      state.instance ?? (await this.#keeper.ensure(state).catch((error: unknown) => asHubError(error, NO_PROCESS)))
    if (instance instanceof HubError) return this.#notBuilt(key, runs, instance)
    const lane = this.#keeper.openLane(instance, runs)
    lane.start()
    const end = await lane.ended
    if (end.why === 'done') state.deaths = 0
    this.#keeper.leave(instance, lane)
    return { end, results: lane.results, remaining: lane.remaining, unfinished: lane.unfinished }
  }

  /** The isolate could not be rebuilt: either somebody else was in the way, or the plugin itself fails every run. */
  #notBuilt(key: string, runs: readonly Run[], error: HubError): Ended {
    if (error.code !== 'plugin_load')
      return {
        end: { why: 'interrupted', message: error.message },
        results: [],
        remaining: runs.length,
        unfinished: NOTHING,
      }
    const { code, message } = error
    const results = runs.map((run) => this.#failed(key, run, { why: { code, message }, used: NOTHING }))
    return { end: { why: 'done' }, results, remaining: 0, unfinished: NOTHING }
  }

  #failed(key: string, run: Run, { why, used }: { why: Failed; used: Unfinished }): RunResult {
    const unit = this.#units.get(key)?.unit
    const { code, message, stack = '' } = why
    const error = unit === undefined ? new HubError(code, message) : errorOf({ unit, run, code, message, stack })
    return { id: run.id, value: null, effects: NO_EFFECTS, ...used, error }
  }

  /** The first build of a unit: a neighbour's fault is tried again, its own is the caller's to hear. */
  async #firstInstance(state: UnitState): Promise<Instance> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#keeper.ensure(state)
      } catch (error) {
        const isOwn = error instanceof HubError && error.code === 'plugin_load'
        if (isOwn || tries >= UNCLEAR_TRIES_MAX || this.#keeper.isClosed) throw error
      }
    }
  }
}

interface Failed {
  readonly code: ErrorCode
  readonly message: string
  /** The guest's own. */
  readonly stack?: string | undefined
}

const interrupted = (message: string) => ({ code: 'plugin_interrupted', message }) as const

const withOwed = (results: readonly RunResult[], owedMs: number): readonly RunResult[] =>
  owedMs === 0 ? results : results.map((result, n) => (n === 0 ? { ...result, cpuMs: result.cpuMs + owedMs } : result))
