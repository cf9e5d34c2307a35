/**
 * Circuit breakers, one for each installation and host: after a row of failures the host is left alone, deliveries wait
 * without being counted, and one at a time is sent as a probe until the host works again.
 */
import type { Limits } from '../limits.ts'
import type { FarBreaker } from '../fleet/fleet.ts'

/**
 *   closed ──failures──▶ open ──time──▶ half-open ──works──▶ closed
 *                          ▲               │
 *                          └────fails──────┘   the wait doubles
 */
export type BreakerState = 'closed' | 'open' | 'half-open'

export type BreakerLimits = Pick<Limits, 'breakerFailuresMax' | 'breakerProbeMs' | 'breakerProbeMsMax'>

interface Breaker {
  state: BreakerState
  failures: number
  openedAtMs: number
  probeAtMs: number
  probeWaitMs: number
  /** Run id that has the probe. */
  probeBy: string | null
  /** Dead letters of the row of failures, to bring back when the host works. */
  dead: string[]
}

/** Dead letters kept in mind for one breaker; more than this are left to a replay by hand. */
const DEAD_IDS_MAX = 10_000

export interface BreakerKey {
  /** `<workspace>/<installation>`. */
  readonly installation: string
  readonly host: string
}

export type Admission = { readonly kind: 'go' } | { readonly kind: 'wait'; readonly untilMs: number }

/** What a report changed. `deadIds` died of this host's failures and may be replayed. */
export type BreakerChange =
  | { readonly kind: 'opened'; readonly failures: number; readonly probeAtMs: number }
  | { readonly kind: 'closed'; readonly openMs: number; readonly deadIds: readonly string[] }

export interface Breakers {
  /** May a run talk to the host now? In the half-open state the first run that asks becomes the probe. */
  admit(key: BreakerKey, runId: string, nowMs: number): Admission
  /** Like `admit` but claims nothing: would a run have to wait? */
  peek(key: BreakerKey, nowMs: number): Admission
  works(key: BreakerKey, nowMs: number): BreakerChange | null
  fails(key: BreakerKey, runId: string, nowMs: number): BreakerChange | null
  /** For a run that is about to send: milliseconds to wait, or null. A probe under way is not asked to wait for itself. */
  check(installation: string, host: string, nowMs: number): number | null
  /** The run ended without telling anything about the host: another may probe. */
  release(installation: string, runId: string): void
  /** A delivery died of this host while it was failing. */
  buried(key: BreakerKey, deliveryId: string): void
  isOpen(installation: string): boolean
  /** Somebody says that they may work again: the next run goes at once as the probe. Answers the hosts; of one under way nothing changes. */
  hasten(installation: string, nowMs: number): readonly string[]
  isClosed(key: BreakerKey): boolean
  list(): readonly {
    readonly key: BreakerKey
    readonly state: BreakerState
    readonly probeAtMs: number
    readonly openedAtMs: number
  }[]
  /** Forgets the breakers of an installation that is gone or configured anew. */
  forget(installation: string): void
}

const go: Admission = { kind: 'go' }

/** All breakers of a process. They live in memory: after a restart each host gets the benefit of the doubt. */
export function createBreakers(limits: BreakerLimits): Breakers {
  const all = new Map<string, Map<string, Breaker>>()
  const find = ({ installation, host }: BreakerKey): Breaker | undefined => all.get(installation)?.get(host)
  const obtain = (key: BreakerKey): Breaker => {
    const known = find(key)
    if (known !== undefined) return known
    const breaker = closed()
    const ofInstallation = all.get(key.installation)
    if (ofInstallation === undefined) all.set(key.installation, new Map([[key.host, breaker]]))
    else ofInstallation.set(key.host, breaker)
    return breaker
  }
  const open = (breaker: Breaker, waitMs: number, nowMs: number): void => {
    breaker.state = 'open'
    breaker.probeWaitMs = Math.min(waitMs, limits.breakerProbeMsMax)
    breaker.probeAtMs = nowMs + breaker.probeWaitMs
    breaker.probeBy = null
  }

  return {
    peek: (key, nowMs) => peek(find(key), nowMs),
    admit: (key, runId, nowMs) => {
      const breaker = find(key)
      if (breaker?.probeBy === runId) return go
      const answer = peek(breaker, nowMs)
      if (answer.kind === 'wait' || breaker === undefined || breaker.state === 'closed') return answer
      breaker.state = 'half-open'
      breaker.probeBy = runId
      return go
    },
    check: (installation, host, nowMs) => {
      const breaker = find({ installation, host })
      return breaker?.state === 'open' && nowMs < breaker.probeAtMs ? breaker.probeAtMs - nowMs : null
    },
    works: (key, nowMs) => {
      const breaker = find(key)
      if (breaker === undefined) return null
      const wasClosed = breaker.state === 'closed'
      // A closed breaker without failures remembers nothing, so it need not exist.
      all.get(key.installation)?.delete(key.host)
      if (wasClosed) return null
      return { kind: 'closed', openMs: nowMs - breaker.openedAtMs, deadIds: breaker.dead }
    },
    fails: (key, runId, nowMs) => {
      const breaker = obtain(key)
      breaker.failures += 1
      if (breaker.state === 'closed') {
        if (breaker.failures < limits.breakerFailuresMax) return null
        breaker.openedAtMs = nowMs
        open(breaker, limits.breakerProbeMs, nowMs)
        return { kind: 'opened', failures: breaker.failures, probeAtMs: breaker.probeAtMs }
      }
      // Runs that were under way when it opened say nothing new; only a probe's failure makes the wait longer.
      const probed = breaker.probeBy === runId || (breaker.probeBy === null && nowMs >= breaker.probeAtMs)
      if (probed) open(breaker, breaker.probeWaitMs * 2, nowMs)
      return null
    },
    release: (installation, runId) => {
      for (const breaker of all.get(installation)?.values() ?? []) {
        if (breaker.probeBy !== runId) continue
        breaker.probeBy = null
        breaker.state = 'open'
      }
    },
    buried: (key, deliveryId) => {
      const breaker = find(key)
      if (breaker !== undefined && breaker.dead.length < DEAD_IDS_MAX) breaker.dead.push(deliveryId)
    },
    hasten: (installation, nowMs) =>
      [...(all.get(installation) ?? [])].flatMap(([host, breaker]) => {
        if (breaker.state !== 'open') return []
        // Should it fail, the waits begin anew.
        breaker.probeWaitMs = limits.breakerProbeMs / 2
        breaker.probeAtMs = Math.min(breaker.probeAtMs, nowMs)
        return [host]
      }),
    isOpen: (installation) => [...(all.get(installation)?.values() ?? [])].some(({ state }) => state !== 'closed'),
    isClosed: (key) => (find(key)?.state ?? 'closed') === 'closed',
    list: () =>
      [...all].flatMap(([installation, hosts]) =>
        [...hosts].map(([host, { state, probeAtMs, openedAtMs }]) => ({
          key: { installation, host },
          state,
          probeAtMs,
          openedAtMs,
        })),
      ),
    forget: (installation) => void all.delete(installation),
  }
}

function peek(breaker: Breaker | undefined, nowMs: number): Admission {
  if (breaker === undefined || breaker.state === 'closed') return go
  if (breaker.probeBy === null && nowMs >= breaker.probeAtMs) return go
  // While a probe is under way its end wakes the lane; the time is only for a probe that never tells.
  return { kind: 'wait', untilMs: breaker.probeBy === null ? breaker.probeAtMs : nowMs + breaker.probeWaitMs }
}

const closed = (): Breaker => ({
  state: 'closed',
  failures: 0,
  openedAtMs: 0,
  probeAtMs: 0,
  probeWaitMs: 0,
  probeBy: null,
  dead: [],
})

/** Those that hold something back, as other processes and people are told of them. */
export const notClosed = (breakers: Pick<Breakers, 'list'>): readonly FarBreaker[] =>
  breakers.list().flatMap(({ key, state, probeAtMs }): readonly FarBreaker[] => {
    if (state === 'closed') return []
    return [{ ...key, state: state === 'open' ? 'open' : 'half_open', probeAtMs: state === 'open' ? probeAtMs : null }]
  })
