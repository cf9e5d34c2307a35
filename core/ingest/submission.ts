/** One row for the store, whichever way the answers came in. */
import { newId } from '../ids.ts'
import type { Submission } from '../storage/store.ts'
import type { Answers } from './validate.ts'

/** What came in, checked. */
export interface Arrived extends Pick<
  Submission,
  'workspace' | 'formId' | 'formVersion' | 'status' | 'meta' | 'clientId' | 'startedAt' | 'at' | 'submittedAt'
> {
  readonly data: Answers
  readonly idempotency?: Submission['idempotency']
}

/** Under an id of its own. */
export function submissionOf({ data, idempotency = null, ...arrived }: Arrived): Submission {
  const responseId = newId('response')
  return { ...arrived, data: JSON.stringify(data), responseId, eventId: eventIdOf(responseId), idempotency }
}

/** A response's first event has the same UUID as the response, so that a repeat can be answered exactly as the first. */
export const eventIdOf = (responseId: string): string => `evt${responseId.slice(3)}`
