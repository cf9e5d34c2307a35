/** The run of an attempt for the history: which deliveries, what came of each, why it failed. Pure. */
import type { Delivery, RunItem } from '../model.ts'
import type { Installation } from '../registry/installation.ts'
import { handlerType } from '../routing/match.ts'
import { wasCutOff } from '../runs/record.ts'
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
/** Of a run that was cut off: it is made again, and this one counts as no attempt. */
type Told = Counted | Extract<Verdict, { kind: 'repeat' }>

/** A delivery that was in the run. */
interface Item {
  readonly delivery: Delivery
  readonly verdict: Told
}

/**
 * What the history is told. Null for a run that is no attempt, since it was held back or interrupted before it began, and
 * where nothing was left to run, since the response was deleted.
 */
export function attemptRunEnd({ installation, deliveries, runId, end }: EndedRun): RunEnd | null {
  const items = deliveries.flatMap((delivery, place): readonly Item[] => {
    const verdict = end.verdicts[place]
    const isTold = verdict !== undefined && (isCounted(verdict) || (verdict.kind === 'repeat' && wasCutOff(end.result)))
    return isTold && !end.absent.has(place) ? [{ delivery, verdict }] : []
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
      outcome: kind === 'action' ? outcomeOf(verdict) : null,
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

const outcomeOf = (verdict: Told): RunItem['outcome'] =>
  verdict.kind === 'repeat' ? null : verdict.kind === 'delivered' ? 'delivered' : verdict.outcome

/** Of a batch the first that failed speaks for the run; each item has its own outcome. */
function failureOf(items: readonly Item[], { result }: AttemptEnd): RunFailure | null {
  for (const { verdict } of items) {
    if (verdict.kind === 'delivered') continue
    if (verdict.kind === 'repeat') return { code: 'plugin_interrupted', error: result?.error?.message ?? '' }
    return { code: verdict.code, error: verdict.error, cause: result?.error?.cause }
  }
  return null
}
