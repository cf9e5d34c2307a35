/** Stands around the sandbox and the capabilities and writes down what passed: runs, their log, their requests. */
import type { Clock } from '../clock.ts'
import { createMask } from '../capabilities/mask.ts'
import type { RunCapabilities } from '../capabilities/run-capabilities.ts'
import { HubError } from '../errors.ts'
import type { Exchange, RunLog } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import type { Run, RunResult, Sandbox, Unit } from '../sandbox/sandbox.ts'
import { atTime } from './frozen-time.ts'

/** One run as it ended. */
export interface RecordedRun {
  readonly kind: Run['input']['kind']
  readonly name: string
  readonly eventId: string | null
  readonly deliveryId: string | null
  readonly attempt: number
  readonly error: HubError | null
  readonly logs: readonly RunLog[]
  readonly metrics: readonly { readonly name: string; readonly by: number }[]
  readonly cpuMs: number
  readonly durationMs: number
}

export interface Recorder {
  readonly sandbox: Pick<Sandbox, 'runBatch' | 'runEach'>
  readonly capabilities: RunCapabilities
  readonly runs: readonly RecordedRun[]
  /** What capabilities refused to do, also where the plugin caught it. */
  readonly refusals: readonly HubError[]
  /** Of all runs; secrets are masked. */
  exchanges(): readonly Exchange[]
  /** Resolves when the isolates are those of the clock's present time: nothing waits for that later. */
  ready(): Promise<void>
  /** Something is being run. */
  isBusy(): boolean
}

export interface RecorderDeps {
  readonly sandbox: Sandbox
  readonly capabilities: RunCapabilities
  readonly installation: Installation
  readonly units: readonly Unit[]
  readonly clock: Clock
}

/** The units have been loaded for the clock's present time. */
export function createRecorder(deps: RecorderDeps): Recorder {
  const { sandbox, clock } = deps
  /** Of the run opened last: it knows the access tokens as well. */
  let mask = createMask(deps.installation.secrets.values())
  const runs: RecordedRun[] = []
  const refusals: HubError[] = []
  const opened: { readonly exchanges: readonly Exchange[] }[] = []
  let running = 0
  let loadedMs = clock.nowMs()
  /** An isolate may be rebuilt at any time; here it is when the clock was moved. */
  const ready = async (): Promise<void> => {
    if (clock.nowMs() === loadedMs) return
    loadedMs = clock.nowMs()
    for (const unit of deps.units) await sandbox.load({ ...unit, bundle: atTime(unit.bundle, loadedMs) })
  }
  const note = (run: Run, result: RunResult): void => {
    const { input } = run
    runs.push({
      kind: input.kind,
      name: input.kind === 'event' ? input.type : input.name,
      eventId: run.eventId ?? null,
      deliveryId: run.deliveryId ?? null,
      attempt: run.attempt,
      error: result.error,
      logs: result.logs.map((line) => ({ ...line, message: mask(line.message) })),
      metrics: result.effects.metric,
      cpuMs: result.cpuMs,
      durationMs: result.durationMs,
    })
  }
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    running += 1
    try {
      await ready()
      return await work()
    } finally {
      running -= 1
    }
  }
  return {
    sandbox: {
      runBatch: (key, batch) =>
        counted(async () => {
          const results = await sandbox.runBatch(key, batch)
          for (const [index, result] of results.entries()) note(batch[index] as Run, result)
          return results
        }),
      runEach: (key, run) =>
        counted(async () => {
          const result = await sandbox.runEach(key, run)
          note(run, result)
          return result
        }),
    },
    capabilities: {
      open: (installation, context) => {
        const run = deps.capabilities.open(installation, context)
        opened.push(run)
        mask = run.mask
        const handler: typeof run.handler = async (name, args) => {
          try {
            return await run.handler(name, args)
          } catch (error) {
            if (error instanceof HubError && error.code === 'capability_denied') refusals.push(error)
            throw error
          }
        }
        return { ...run, handler }
      },
    },
    runs,
    refusals,
    exchanges: () => opened.flatMap(({ exchanges }) => exchanges),
    ready,
    isBusy: () => running > 0,
  }
}
