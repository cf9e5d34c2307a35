/** What runs of one installation came to, as sums in plain JSON: one process can tell another. */
import { RUN_KINDS } from '../model.ts'
import type { RunKind } from '../model.ts'
import type { Run, RunResult } from '../sandbox/sandbox.ts'
import type { Offence } from '../sandbox/options.ts'
import type { Breach } from './cost.ts'
import { BREACHES, breachOf } from './cost.ts'
import type { Rated } from './rates.ts'
import { RUN_OUTCOMES, runsBy, usedKind } from './usage.ts'
import type { RunOutcome } from './usage.ts'

const SUMMED = ['cpuMs', 'wallMs', 'hostOps', 'httpCalls'] as const

/** As in `Usage`. */
export interface Tallied {
  readonly runs: { readonly [kind in RunKind]: { readonly [outcome in RunOutcome]: number } }
  readonly failedByCode: { readonly [code: string]: number }
  readonly breaches: { readonly [breach in Breach]: number }
  readonly cpuMs: number
  readonly wallMs: number
  readonly hostOps: number
  readonly httpCalls: number
}

/** Sums that grow. Every run is a handful of additions. */
export class Tally {
  readonly #runs: Record<RunKind, Record<RunOutcome, number>> = {
    handler: noRuns(),
    action: noRuns(),
    schedule: noRuns(),
    route: noRuns(),
    transform: noRuns(),
    check: noRuns(),
  }
  readonly #failedByCode = new Map<string, number>()
  readonly #breaches: Record<Breach, number> = { cpu: 0, memory: 0, wall: 0, killed: 0, bridge: 0, load: 0 }
  readonly #sums = { cpuMs: 0, wallMs: 0, hostOps: 0, httpCalls: 0 }

  /** One run; answers what it adds to sums over time. */
  add(run: Run, result: RunResult): Rated {
    const { error, cpuMs, durationMs: wallMs, hostOps } = result
    const outcome = error === null ? 'ok' : error.code === 'plugin_interrupted' ? 'interrupted' : 'failed'
    this.#runs[usedKind(run.input)][outcome] += 1
    if (error !== null && outcome === 'failed') this.#fail(error.code, 1)
    const breach = breachOf(result)
    if (breach !== null) this.#breaches[breach] += 1
    const amounts = {
      runs: outcome === 'interrupted' ? 0 : 1,
      failed: outcome === 'failed' ? 1 : 0,
      cpuMs,
      wallMs,
      hostOps,
      httpCalls: result.httpCalls + sendsOf(result),
    }
    for (const name of SUMMED) this.#sums[name] += amounts[name]
    return amounts
  }

  /** CPU time beside all runs; answers what it adds to sums over time. */
  spent(cpuMs: number): Rated {
    this.#sums.cpuMs += cpuMs
    return { runs: 0, failed: 0, cpuMs, wallMs: 0, hostOps: 0, httpCalls: 0 }
  }

  /** What it did beside breaking a limit of its own. */
  offended(what: Offence): void {
    this.#breaches[what] += 1
  }

  /** What another process has counted; answers what it adds to sums over time. */
  merge(tallied: Tallied): Rated {
    for (const kind of RUN_KINDS)
      for (const outcome of RUN_OUTCOMES) this.#runs[kind][outcome] += tallied.runs[kind][outcome]
    for (const [code, count] of Object.entries(tallied.failedByCode)) this.#fail(code, count)
    // A process with an older program does not know all of them.
    for (const breach of BREACHES) this.#breaches[breach] += tallied.breaches[breach] ?? 0
    for (const name of SUMMED) this.#sums[name] += tallied[name]
    const { cpuMs, wallMs, hostOps, httpCalls } = tallied
    const failed = runsBy(tallied, 'failed')
    return { runs: runsBy(tallied, 'ok') + failed, failed, cpuMs, wallMs, hostOps, httpCalls }
  }

  tallied(): Tallied {
    return {
      runs: structuredClone(this.#runs),
      failedByCode: Object.fromEntries(this.#failedByCode),
      breaches: { ...this.#breaches },
      ...this.#sums,
    }
  }

  #fail(code: string, count: number): void {
    this.#failedByCode.set(code, (this.#failedByCode.get(code) ?? 0) + count)
  }
}

function noRuns(): Record<RunOutcome, number> {
  return { ok: 0, failed: 0, interrupted: 0 }
}

/** The hub makes these requests for it. */
const sendsOf = ({ value }: RunResult): number =>
  Array.isArray(value) ? value.filter(({ outcome }) => outcome === 'send').length : 0
