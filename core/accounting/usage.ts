/** What an installation has used since its process took it, its transforms in other processes included, as the API and `/metrics` show it. */
import { RUN_KINDS } from '../model.ts'
import type { RunKind } from '../model.ts'
import type { RunInput } from '../sandbox/sandbox.ts'
import type { Breach } from './cost.ts'
import { BREACHES } from './cost.ts'
import type { Rated } from './rates.ts'
import { RATED } from './rates.ts'

/** Who is given an event is a handler. */
export const usedKind = ({ kind }: RunInput): RunKind => (kind === 'event' ? 'handler' : kind)

/** `interrupted`: through a neighbour's fault, and run again. */
export const RUN_OUTCOMES = ['ok', 'failed', 'interrupted'] as const
export type RunOutcome = (typeof RUN_OUTCOMES)[number]

export interface Usage {
  /** RFC 3339: when this process began to count. */
  readonly since: string
  readonly points: number
  readonly pointsMax: number
  readonly runs: { readonly [kind in RunKind]: { readonly [outcome in RunOutcome]: number } }
  readonly failedByCode: { readonly [code: string]: number }
  readonly cpuMs: number
  readonly wallMs: number
  /** Capability calls, without those for http. */
  readonly hostOps: number
  /** Requests asked for, by `ctx.http`, `fetch` or `send()`. */
  readonly httpCalls: number
  readonly breaches: { readonly [breach in Breach]: number }
  readonly heapBytes: number
  readonly heapPeakBytes: number
  /** Of the process its isolate lives in, neighbours included. */
  readonly processRssBytes: number
  readonly lastMinute: Rated
  readonly lastHour: Rated
}

/** As a process counts that knows fewer kinds: while a fleet is replaced, two versions run side by side. */
export const withAllKinds = (usage: Usage): Usage => ({
  ...usage,
  runs: Object.fromEntries(
    RUN_KINDS.map((kind) => [kind, usage.runs[kind] ?? { ok: 0, failed: 0, interrupted: 0 }]),
  ) as Usage['runs'],
  breaches: Object.fromEntries(BREACHES.map((breach) => [breach, usage.breaches[breach] ?? 0])) as Usage['breaches'],
})

/** How many ended so, of all kinds. */
export const runsBy = ({ runs }: Pick<Usage, 'runs'>, outcome: RunOutcome): number =>
  RUN_KINDS.reduce((sum, kind) => sum + runs[kind][outcome], 0)

/** Those of these keys that are there. */
export const ofKeys = (all: ReadonlyMap<string, Usage>, keys: readonly string[]): Readonly<Record<string, Usage>> =>
  Object.fromEntries(
    keys.flatMap((key) => {
      const used = all.get(key)
      return used === undefined ? [] : [[key, used]]
    }),
  )

/** Those of one plugin together, in whatever processes they run; null when there are none. */
export function sumUsage(all: readonly Usage[]): Usage | null {
  const [first] = all
  if (first === undefined) return null
  const sum = (of: (usage: Usage) => number): number => all.reduce((total, usage) => total + of(usage), 0)
  const rated = (of: (usage: Usage) => Rated): Rated =>
    Object.fromEntries(RATED.map((name) => [name, sum((usage) => of(usage)[name])])) as Rated
  const codes = new Set(all.flatMap(({ failedByCode }) => Object.keys(failedByCode)))
  return {
    since: all.reduce((earliest, { since }) => (since < earliest ? since : earliest), first.since),
    points: sum(({ points }) => points),
    pointsMax: sum(({ pointsMax }) => pointsMax),
    runs: Object.fromEntries(
      RUN_KINDS.map((kind) => [
        kind,
        Object.fromEntries(RUN_OUTCOMES.map((outcome) => [outcome, sum(({ runs }) => runs[kind][outcome])])),
      ]),
    ) as Usage['runs'],
    failedByCode: Object.fromEntries(
      [...codes].map((code) => [code, sum(({ failedByCode }) => failedByCode[code] ?? 0)]),
    ),
    cpuMs: sum(({ cpuMs }) => cpuMs),
    wallMs: sum(({ wallMs }) => wallMs),
    hostOps: sum(({ hostOps }) => hostOps),
    httpCalls: sum(({ httpCalls }) => httpCalls),
    breaches: Object.fromEntries(
      BREACHES.map((breach) => [breach, sum(({ breaches }) => breaches[breach])]),
    ) as Usage['breaches'],
    heapBytes: sum(({ heapBytes }) => heapBytes),
    heapPeakBytes: sum(({ heapPeakBytes }) => heapPeakBytes),
    // They may share one: the sum would count it twice.
    processRssBytes: Math.max(...all.map(({ processRssBytes }) => processRssBytes)),
    lastMinute: rated(({ lastMinute }) => lastMinute),
    lastHour: rated(({ lastHour }) => lastHour),
  }
}
