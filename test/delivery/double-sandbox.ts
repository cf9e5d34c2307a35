/** The sandbox as native functions: plugins of tests run here as they would behind the border, effects told when a run ends. */
import type { ActionItem, HubEvent, Json, Outcome } from '../../core/contract/index.ts'
import { HubError } from '../../core/errors.ts'
import type { GuestEffects, Run, RunResult, Sandbox } from '../../core/sandbox/sandbox.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] }
type Effects = Mutable<GuestEffects>

/** What a plugin function may use; the same names as in the contract. */
export interface DoubleContext {
  readonly run: Run
  enqueue(
    action: string,
    input: Json,
    options?: { key?: string; orderBy?: string; paceBy?: string; delayMs?: number },
  ): void
  emit(name: string, data: { [key: string]: Json }): void
  tally(name: string, by?: number): void
  readonly kv: {
    get(key: string): Promise<Json | undefined>
    set(key: string, value: Json): void
    list(prefix: string): Promise<Json | undefined>
  }
  http(request: {
    method?: string
    url: string
    body?: string
  }): Promise<{ status: number; headers: Record<string, string>; body: string }>
}

export interface DoublePlugin {
  /** Hosts with port that it may reach. */
  readonly hosts?: readonly string[]
  readonly on?: Record<string, (event: HubEvent, ctx: DoubleContext) => Promise<void> | void>
  /** Event type → the action that the manifest enqueues without asking a handler. */
  readonly forward?: Record<string, string>
  readonly actions?: Record<
    string,
    (
      items: readonly ActionItem[],
      ctx: DoubleContext,
    ) => Promise<readonly Outcome[] | Outcome> | readonly Outcome[] | Outcome
  >
  readonly schedules?: Record<
    string,
    (tick: { at: string; missed: number }, ctx: DoubleContext) => Promise<void> | void
  >
}

/** The sandbox as native functions: one run after the other in a batch, effects told only when a run ends. */
export class DoubleSandbox implements Pick<Sandbox, 'runBatch' | 'runEach'> {
  readonly code = new Map<string, DoublePlugin>()
  /** Sizes of the batches that crossed. */
  readonly crossings: number[] = []
  /** Asked before each run; an error ends it, `plugin_interrupted` as the real one would. */
  interfere: (key: string, run: Run) => HubError | null = () => null

  async runBatch(key: string, runs: readonly Run[]): Promise<readonly RunResult[]> {
    this.crossings.push(runs.length)
    const results: RunResult[] = []
    for (const run of runs) results.push(await this.runEach(key, run))
    return results
  }

  async runEach(key: string, run: Run): Promise<RunResult> {
    const effects: Effects = { enqueue: [], kv: [], emit: [], tally: [], metric: [] }
    const ended = (value: RunResult['value'], error: HubError | null): RunResult => ({
      id: run.id,
      value,
      effects: error === null ? effects : { enqueue: [], kv: [], emit: [], tally: [], metric: [] },
      logs: [],
      logsDropped: 0,
      cpuMs: 0,
      durationMs: 0,
      readingMs: 0,
      hostOps: 0,
      httpCalls: 0,
      error,
    })
    const refused = this.interfere(key, run)
    if (refused !== null) return ended(null, refused)
    try {
      return ended(await this.#call(key, run, effects), null)
    } catch (error) {
      return ended(null, error instanceof HubError ? error : new HubError('plugin_threw', String(error)))
    }
  }

  async #call(key: string, { input, ...run }: Run, effects: Effects): Promise<RunResult['value']> {
    const code = this.code.get(key) ?? {}
    const context = contextOf({ ...run, input }, effects)
    switch (input.kind) {
      case 'event':
        await code.on?.[input.type]?.(JSON.parse(input.eventJson) as HubEvent, context)
        return null
      case 'schedule':
        await code.schedules?.[input.name]?.(input.tick, context)
        return null
      case 'action': {
        const items = input.itemsJson.map((text) => JSON.parse(text) as ActionItem)
        const outcome = (await code.actions?.[input.name]?.(items, context)) ?? { outcome: 'delivered' as const }
        return Array.isArray(outcome) ? (outcome as readonly Outcome[]) : items.map(() => outcome as Outcome)
      }
      default:
        throw new Error(`no ${input.kind} here`)
    }
  }
}

function contextOf(run: Run, effects: Effects): DoubleContext {
  const own = new Map<string, Json>()
  return {
    run,
    enqueue: (action, input, options) => void effects.enqueue.push({ action, input, ...options }),
    emit: (name, data) => void effects.emit.push({ name, data }),
    tally: (name, by = 1) => void effects.tally.push({ name, by }),
    kv: {
      get: async (key) => (own.has(key) ? own.get(key) : run.capabilities('kv.get', { key })),
      set: (key, value) => {
        own.set(key, value)
        effects.kv.push({ key, value })
      },
      list: (prefix) => run.capabilities('kv.list', { prefix }),
    },
    http: (request) => run.capabilities('http', request) as never,
  }
}
