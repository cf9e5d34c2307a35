/** One sequence of runs in one isolate, as the hub sees it: its clocks, its calls, its results. */
import { type ErrorCode, HubError, isErrorCode } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Logger } from '../observe/observe.ts'
import { inputText, type SliceCpu, wallMsOf } from './plan.ts'
import type { GuestErrorText, GuestReport } from './protocol.ts'
import { beginReading } from './reading.ts'
import {
  isCapability,
  isEnd,
  isFitArgument,
  NO_EFFECTS,
  readError,
  readLogs,
  readResult,
  readWhereabouts,
} from './report.ts'
import type { Reading } from './reading.ts'
import type { LogSoFar } from './report.ts'
import type { Run, RunResult, Unit } from './sandbox.ts'
import { errorOf } from './run-error.ts'
import { traceOf } from './trace.ts'

/**
 * How a lane ended. `breach`: its isolate broke a limit while it took part; `isCulprit` when nobody else can have done
 * it. `interrupted`: it was somebody else.
 */
export type LaneEnd =
  | { readonly why: 'done' }
  | {
      readonly why: 'breach'
      readonly code: ErrorCode
      readonly message: string
      readonly isCulprit: boolean
      /** What the broken slice used, where that is known. */
      readonly cpuUs?: number | undefined
      /** Where its code stood, as the guest's own stack. */
      readonly stack?: string | undefined
    }
  | { readonly why: 'interrupted'; readonly message: string }

/** Codes a guest may give its own error; every other must have been raised by the hub in the same run. */
const GUEST_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'capability_denied',
  'capability_limit',
  'capability_input',
  'plugin_invalid_result',
])

/** Calls this far over the limit are no mistake: the guest's half of the bridge, which counts too, was tampered with. */
const FLOOD_FACTOR = 4
/** A guest that is told to end a run says at once where that stands; one that says nothing is not waited for. */
const ENDING_GRACE_MS = 500

/** A limit that a run went over, before the guest has said where it stands. */
interface Ending {
  readonly code: 'plugin_wall' | 'plugin_cpu'
  readonly message: string
  readonly sinceMs: number
}

/** What a run without a result has used and said so far; `durationMs` is 0 where none has begun. */
export type Unfinished = Pick<
  RunResult,
  'logs' | 'logsDropped' | 'cpuMs' | 'readingMs' | 'durationMs' | 'hostOps' | 'httpCalls'
>

interface RunState {
  readonly run: Run
  readonly wallMs: number
  startedMs: number
  cpuUs: number
  /** Of it, what is charged whatever is free for the run. */
  readingUs: number
  ops: number
  httpCalls: number
  log: LogSoFar
  ending: Ending | null
  asked: string
  /** Made when the run calls for the first time: most never do. */
  calls: Set<number> | null
  raised: Set<string> | null
}

export interface LaneOptions {
  readonly id: number
  readonly unit: Unit
  readonly runs: readonly Run[]
  readonly bounds: Limits
  readonly logger: Logger
  /** Hands a GuestCommand's text to the isolate. */
  readonly command: (text: string) => void
  /** The guest is hostile beyond doubt: end the isolate. */
  readonly onHostile: (message: string) => void
  /** Its current run used too much CPU time, in more slices than one: end the isolate. */
  readonly onOver: (end: { readonly message: string; readonly stack: string }) => void
}

export class Lane {
  readonly id: number
  readonly #options: LaneOptions
  readonly #states: readonly RunState[]
  readonly #results: RunResult[] = []
  readonly ended: Promise<LaneEnd>
  #resolve: (end: LaneEnd) => void = () => undefined
  #isEnded = false

  constructor(options: LaneOptions) {
    this.id = options.id
    this.#options = options
    const nowMs = performance.now()
    this.#states = options.runs.map((run) => ({
      run,
      wallMs: wallMsOf(run.input, options.unit),
      startedMs: nowMs,
      cpuUs: 0,
      readingUs: 0,
      ops: 0,
      httpCalls: 0,
      log: NO_LOG,
      ending: null,
      asked: '',
      calls: null,
      raised: null,
    }))
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** Results so far, in order. */
  get results(): readonly RunResult[] {
    return this.#results
  }

  /** Runs without a result. */
  get remaining(): number {
    return this.#states.length - this.#results.length
  }

  /** Of the run that has no result yet. */
  get unfinished(): Unfinished {
    const state = this.#current
    return state === undefined ? NOTHING : usedBy(state)
  }

  /** Sends the runs; their JSON is spliced in unread. */
  start(): void {
    const orders = this.#states.map(({ run, wallMs }) => {
      const { kind } = run.input
      const name = run.input.kind === 'event' ? run.input.type : run.input.name
      const head = JSON.stringify({ id: run.id, attempt: run.attempt, kind, name, wallMs })
      return `${head.slice(0, -1)},"input":${inputText(run.input)}}`
    })
    this.#options.command(`{"k":"run","l":${this.id},"runs":[${orders.join()}]}`)
  }

  /**
   * Takes what one slice reported about this lane; `chars`: of all that was reported. `over`: too much was used, and it
   * is not certain by whom.
   */
  take(reports: readonly GuestReport[], slice: SliceCpu & { readonly chars: number }): 'ok' | 'over' {
    const { cpuMs } = this.#options.unit.limits
    for (const report of reports) {
      if (this.#isEnded) return 'ok'
      const state = this.#states[report.r]
      if (state === undefined || report.r !== this.#results.length) continue
      if (report.c !== undefined) this.#call(state, report, slice.chars)
      else if (!isEnd(report)) this.#note(state, report)
      else {
        use(state, slice)
        this.#finish(state, report, slice)
      }
    }
    const current = this.#current
    if (current === undefined || this.#isEnded) return 'ok'
    use(current, slice)
    if (current.cpuUs <= cpuMs * 1_000) return 'ok'
    if (!slice.isAlone) return 'over'
    if (current.ending === null) this.#ask(current, 'plugin_cpu', overCpu(cpuMs))
    return 'ok'
  }

  /** Lines of what it runs, said after its isolate had broken a limit. */
  hear(report: GuestReport): void {
    const state = this.#current
    if (state !== undefined && !this.#isEnded && report.o === 1 && report.r === this.#results.length)
      this.#note(state, report)
  }

  /** Ends the current run when its wall time is over. */
  sweep(nowMs: number): void {
    const state = this.#current
    if (state === undefined || this.#isEnded) return
    const { ending, startedMs, wallMs } = state
    if (ending === null) {
      if (nowMs - startedMs >= wallMs) this.#ask(state, 'plugin_wall', `the run was not over after ${wallMs} ms`)
      return
    }
    if (nowMs - ending.sinceMs < ENDING_GRACE_MS) return
    this.#endLate(state, ending, { words: '', stack: '' })
    if (this.#isEnded) this.#options.command(`{"k":"drop","l":${this.id}}`)
  }

  /** Has the guest end the run and say where it stands. */
  #ask(state: RunState, code: Ending['code'], message: string): void {
    state.ending = { code, message, sinceMs: performance.now() }
    this.#options.command(`{"k":"skip","l":${this.id},"r":${this.#results.length}}`)
  }

  #endLate(state: RunState, { code, message }: Ending, where: { words: string; stack: string }): void {
    const end = { message: `${message}${where.words}`, stack: where.stack }
    if (code === 'plugin_cpu') this.#options.onOver(end)
    else this.#push(state, { error: this.#error(state, { code, ...end }) })
  }

  #note(state: RunState, report: GuestReport): void {
    const { unit, bounds } = this.#options
    state.log = readLogs(report, { limits: unit.limits, bounds, bundle: unit.bundle, before: state.log })
  }

  /** Fails the current run for something that happened beside its handler, such as an unhandled rejection. */
  fail(error: GuestErrorText): void {
    const state = this.#current
    if (state === undefined || this.#isEnded) return
    this.#push(state, { error: this.#thrown(state, error, 'unhandled rejection: ') })
    this.#options.command(`{"k":"drop","l":${this.id}}`)
  }

  /** Ends the lane from outside; a culprit's current run gets the error. */
  end(end: LaneEnd): void {
    if (this.#isEnded) return
    const state = this.#current
    if (end.why === 'breach' && end.isCulprit && state !== undefined) {
      state.cpuUs += end.cpuUs ?? 0
      const isPlaced = traceOf(this.#options.unit.bundle, end.stack ?? '').place !== null
      const isTold = end.code === 'plugin_cpu' && !isPlaced && state.asked !== ''
      const words = isTold ? `, after it had called ctx.${state.asked}` : ''
      this.#push(state, { error: this.#error(state, { ...end, message: `${end.message}${words}` }) })
    }
    this.#isEnded = true
    this.#resolve(end)
  }

  get #current(): RunState | undefined {
    return this.#states[this.#results.length]
  }

  #finish(state: RunState, report: GuestReport, { isAlone, chars }: { isAlone: boolean; chars: number }): void {
    const { unit, bounds } = this.#options
    this.#note(state, report)
    if (state.ending !== null) return this.#endLate(state, state.ending, readWhereabouts(report.w))
    const thrown = readError(report.x)
    if (thrown !== null) return this.#push(state, { error: this.#thrown(state, thrown) })
    if (isAlone && state.cpuUs > unit.limits.cpuMs * 1_000) {
      const message = overCpu(unit.limits.cpuMs)
      return this.#push(state, { error: this.#error(state, { code: 'plugin_cpu', message }) })
    }
    try {
      const scope = { input: state.run.input, limits: unit.limits, bounds, opsBefore: state.ops, chars }
      const endOfReading = beginReading(chars, bounds)
      const read = readResult(report, scope)
      pay(state, endOfReading())
      this.#push(state, { ...read, error: null })
    } catch (error) {
      if (!(error instanceof HubError))
        this.#options.logger.error({ err: error, unit: unit.key }, 'a report was not read')
      // What nobody foresaw is the guest's doing as well, and must not end the hub.
      const told =
        error instanceof HubError ? error : new HubError('plugin_invalid_result', 'the report of the run is unreadable')
      this.#push(state, { error: this.#error(state, { code: told.code, message: told.message }) })
    }
  }

  #push(state: RunState, parts: Partial<RunResult> & { error: HubError | null }): void {
    const nowMs = performance.now()
    this.#results.push({ id: state.run.id, value: null, effects: NO_EFFECTS, ...usedBy(state), ...parts })
    const next = this.#current
    if (next !== undefined) next.startedMs = nowMs
    else {
      this.#isEnded = true
      this.#resolve({ why: 'done' })
    }
  }

  #call(state: RunState, report: GuestReport, chars: number): void {
    const { unit, bounds } = this.#options
    const { n: name, a: args } = report
    const id = report.c
    state.calls ??= new Set()
    if (!Number.isSafeInteger(id) || state.calls.has(id as number)) return
    state.calls.add(id as number)
    state.ops += 1
    const { hostOpsMax, httpCallsMax } = unit.limits
    if (state.ops > hostOpsMax * FLOOD_FACTOR) return this.#options.onHostile('the guest floods the hub with calls')
    // It is over: all that is still wanted of it is where it stands.
    if (state.ending !== null) return
    if (name === 'http') state.httpCalls += 1
    const refuse = (code: ErrorCode, message: string): void =>
      this.#settle(state, report, { error: new HubError(code, message) })
    if (!isCapability(name)) return refuse('capability_input', 'There is no such capability')
    if (state.ops > hostOpsMax) return refuse('capability_limit', `A run may use ${hostOpsMax} host operations`)
    if (state.httpCalls > httpCallsMax) return refuse('capability_limit', `A run may make ${httpCallsMax} http calls`)
    const endOfReading = beginReading(chars, bounds)
    const isFit = isFitArgument(args, bounds)
    pay(state, endOfReading())
    if (!isFit) return refuse('capability_input', `ctx.${name} was given something nested too deeply`)
    state.asked = name
    void this.#serve(state, report)
  }

  async #serve(state: RunState, report: GuestReport): Promise<void> {
    try {
      const value = await state.run.capabilities(report.n as string, (report.a ?? null) as never)
      this.#settle(state, report, { value })
    } catch (error) {
      if (!(error instanceof HubError))
        this.#options.logger.error(
          { err: error, capability: report.n, unit: this.#options.unit.key },
          'a capability failed',
        )
      this.#settle(state, report, {
        error: error instanceof HubError ? error : new HubError('internal', 'The hub failed to serve this call'),
      })
    }
  }

  #settle(state: RunState, report: GuestReport, outcome: { value?: unknown; error?: HubError }): void {
    if (this.#isEnded || this.#current !== state || state.ending !== null) return
    const { error, value } = outcome
    const tail =
      error === undefined
        ? value === undefined
          ? ''
          : `,"v":${JSON.stringify(value)}`
        : `,"e":${JSON.stringify({ code: error.code, message: error.message })}`
    if (error !== undefined) (state.raised ??= new Set()).add(error.code)
    this.#options.command(`{"k":"settle","l":${this.id},"r":${report.r},"c":${report.c}${tail}}`)
  }

  /** The plugin's own error: its code counts only if the hub gave it in this run, or if it is the guest's to give. */
  #thrown(state: RunState, thrown: GuestErrorText, prefix = ''): HubError {
    const { code, name, message } = thrown
    const isKnown =
      code !== undefined && isErrorCode(code) && (GUEST_CODES.has(code) || state.raised?.has(code) === true)
    const words = name === 'Error' || name === 'CapabilityError' || name === '' ? message : `${name}: ${message}`
    const text = `${prefix}${words === '' ? 'an error without a message' : words}`
    return this.#error(state, {
      code: isKnown ? code : 'plugin_threw',
      message: text,
      stack: thrown.stack,
    })
  }

  #error(state: RunState, what: { code: ErrorCode; message: string; stack?: string | undefined }): HubError {
    return errorOf({ unit: this.#options.unit, run: state.run, ...what })
  }
}

const NO_LOG: LogSoFar = { logs: [], dropped: 0 }
export const NOTHING: Unfinished = {
  logs: [],
  logsDropped: 0,
  cpuMs: 0,
  readingMs: 0,
  durationMs: 0,
  hostOps: 0,
  httpCalls: 0,
}

function use(state: RunState, { shareUs, readingUs }: Omit<SliceCpu, 'isAlone'>): void {
  state.cpuUs += shareUs
  state.readingUs += readingUs
}

function pay(state: RunState, { us, chargedUs }: Reading): void {
  use(state, { shareUs: us, readingUs: chargedUs })
}

const usedBy = ({ log, cpuUs, readingUs, startedMs, ops, httpCalls }: RunState): Unfinished => ({
  logs: log.logs,
  logsDropped: log.dropped,
  cpuMs: cpuUs / 1_000,
  readingMs: readingUs / 1_000,
  durationMs: performance.now() - startedMs,
  hostOps: ops - httpCalls,
  httpCalls,
})

const overCpu = (cpuMs: number): string => `the run used more than ${cpuMs} ms of CPU`
