/** Makes the requests that actions answered with instead of making them themselves, and reads what came back. */
import { classify } from '../contract/index.ts'
import type { FinalOutcome, Json, Outcome, SendOutcome } from '../contract/index.ts'
import { asHubError, HubError } from '../errors.ts'
import type { CapabilityCalls, CapabilityHandler, RunResult } from '../sandbox/sandbox.ts'

/** One a delivery: what the plugin said, what the receiver's answer says, or why the request could not be made. */
export type Ending = FinalOutcome | HubError

export interface SendDeps {
  /** Of the run that answered: its permissions, counts, secrets and record hold for these requests too. */
  readonly handler: CapabilityHandler
  readonly nowMs: () => number
  /** Unix ms from which on no further request of a batch is begun: it would have too little time left. */
  readonly startUntilMs: number
}

/** Null where the run answered no outcomes. Never rejects. */
export function endingsOf(
  value: RunResult['value'],
  deps: SendDeps,
): readonly Ending[] | null | Promise<readonly Ending[]> {
  if (!isOutcomes(value)) return null
  return value.some(isSend) ? sendInTurn(value, deps) : (value as readonly FinalOutcome[])
}

const isOutcomes = (value: RunResult['value']): value is readonly Outcome[] => Array.isArray(value)
const isSend = (outcome: Outcome): outcome is SendOutcome => outcome.outcome === 'send'

/**
 * One after the other, as an installation's concurrency is counted in runs. One outcome for a whole batch is one request.
 * What comes behind a closed door, or behind the last request that the run's limit allows, waits for another run.
 */
async function sendInTurn(outcomes: readonly Outcome[], deps: SendDeps): Promise<readonly Ending[]> {
  const made = new Map<SendOutcome, Ending>()
  const endings: Ending[] = []
  let closed: HubError | null = null
  for (const outcome of outcomes) {
    if (!isSend(outcome)) {
      endings.push(outcome)
      continue
    }
    if (made.size > 0 && deps.nowMs() >= deps.startUntilMs) closed ??= leftOver()
    let ending: Ending = made.get(outcome) ?? closed ?? (await send(outcome, deps))
    if (ending instanceof HubError) {
      if (ending.code === 'capability_limit' && made.size > 0) ending = leftOver()
      if (ending.code === 'breaker_open' || ending.code === 'plugin_interrupted') closed = ending
    }
    made.set(outcome, ending)
    endings.push(ending)
  }
  return endings
}

/** Its delivery runs again at once; that is no attempt. */
const leftOver = (): HubError =>
  new HubError('plugin_interrupted', 'The run has no request left for this one; the next run makes it.')

async function send({ request, permanent4xx }: SendOutcome, deps: SendDeps): Promise<Ending> {
  try {
    const answer = (await deps.handler('http', request as unknown as Json)) as CapabilityCalls['http']['answer']
    return classify(answer, { permanent4xx: permanent4xx ?? 'retry', nowMs: deps.nowMs() })
  } catch (error) {
    return asHubError(error)
  }
}
