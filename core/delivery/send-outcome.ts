/** Makes the requests that actions answered with instead of making them themselves, and reads what came back. */
import { classify } from '../contract/index.ts'
import type { FinalOutcome, Json, Outcome, SendOutcome } from '../contract/index.ts'
import type { HubError } from '../errors.ts'
import type { CapabilityCalls, CapabilityHandler, RunResult } from '../sandbox/sandbox.ts'

/** One a delivery: what the plugin said, what the receiver's answer says, or why the request could not be made. */
export type Ending = FinalOutcome | HubError

export interface SendDeps {
  /** Of the run that answered: its permissions, counts, secrets and record hold for these requests too. */
  readonly handler: CapabilityHandler
  readonly nowMs: () => number
  readonly asHubError: (error: unknown) => HubError
}

/** Null where the run answered no outcomes. Never rejects. */
export function endingsOf(
  value: RunResult['value'],
  deps: SendDeps,
): readonly Ending[] | null | Promise<readonly Ending[]> {
  if (!isOutcomes(value)) return null
  if (value.length === 1) {
    const [only] = value as readonly [Outcome]
    return only.outcome === 'send' ? send(only, deps).then((ending) => [ending]) : [only]
  }
  return Promise.all(value.map(async (each) => (each.outcome === 'send' ? await send(each, deps) : each)))
}

const isOutcomes = (value: RunResult['value']): value is readonly Outcome[] => Array.isArray(value)

async function send({ request, permanent4xx }: SendOutcome, deps: SendDeps): Promise<Ending> {
  try {
    const answer = (await deps.handler('http', request as unknown as Json)) as CapabilityCalls['http']['answer']
    return classify(answer, { permanent4xx: permanent4xx ?? 'retry', nowMs: deps.nowMs() })
  } catch (error) {
    return deps.asHubError(error)
  }
}
