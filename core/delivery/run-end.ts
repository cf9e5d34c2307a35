/** The run of an attempt for the history: which deliveries, what came of each, why it failed. Pure. */
import type { Delivery } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { handlerType } from '../routing/match.ts'
import type { RunEnd, RunFailure } from '../runs/record.ts'
import type { AttemptEnd } from './attempt.ts'
import type { Verdict } from './outcome.ts'

export interface EndedRun {
  readonly installation: Installation
  readonly deliveries: readonly Delivery[]
  readonly runId: string
  readonly end: AttemptEnd
}

type Counted = Extract<Verdict, { kind: 'delivered' | 'retry' | 'dead' | 'refused' }>

/** A delivery that was in the run. */
interface Item {
  readonly delivery: Delivery
  readonly verdict: Counted
}

/**
 * What the history is told. Null for a run that is no attempt, since it is made again (held back, or interrupted), and
 * where nothing was left to run, since the response was deleted.
 */
export function attemptRunEnd({ installation, deliveries, runId, end }: EndedRun): RunEnd | null {
  const items = deliveries.flatMap((delivery, place): readonly Item[] => {
    const verdict = end.verdicts[place]
    return verdict !== undefined && isCounted(verdict) && !end.erased.has(place) ? [{ delivery, verdict }] : []
  })
  const failure = failureOf(items, end)
  const [first] = items
  // A plugin may answer this code as well, but then there is an answer.
  if (first === undefined || (end.result === null && failure?.code === 'event_erased')) return null
  const { kind } = first.delivery
  return {
    id: runId,
    installation,
    kind,
    name: nameOf(installation, first.delivery),
    attempt: first.delivery.attempts + 1,
    startedAtMs: end.startedAtMs,
    durationMs: end.durationMs,
    items: items.map(({ delivery: { id, eventId, formId, responseId }, verdict }) => ({
      eventId,
      deliveryId: id,
      formId,
      responseId,
      outcome: kind !== 'action' ? null : verdict.kind === 'delivered' ? 'delivered' : verdict.outcome,
    })),
    result: end.result,
    effects: end.effects,
    exchanges: end.exchanges,
    failure,
    mask: end.mask,
  }
}

const isCounted = (verdict: Verdict): verdict is Counted => verdict.kind !== 'held' && verdict.kind !== 'repeat'

/** What the manifest calls it. */
const nameOf = ({ plugin }: Installation, { kind, name }: Delivery): string =>
  kind === 'handler' ? (handlerType(plugin.manifest.on, name) ?? name) : name

/** Of a batch the first that failed speaks for the run; each item has its own outcome. */
function failureOf(items: readonly Item[], { result }: AttemptEnd): RunFailure | null {
  for (const { verdict } of items) {
    if (verdict.kind === 'delivered') continue
    return { code: verdict.code, error: verdict.error, cause: result?.error?.cause }
  }
  return null
}
