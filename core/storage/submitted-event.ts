/** What a submission becomes, as readers of the log see it. */
import type { LogEvent } from '../model.ts'
import type { Submission } from './store.ts'

/** True when it has to be compared with nothing that is stored: new, final, under no name of the sender's, and to be stored. */
export const isPlain = ({ status, clientId, idempotency, aside }: Submission): boolean =>
  status === 'completed' && clientId === null && idempotency === null && aside === undefined

/** `seq` 0: not stored yet. Pure. */
export function submittedEvent(
  submission: Submission,
  stored: { readonly seq: number; readonly responseId: string; readonly startedAt: string | null },
): LogEvent {
  const { status, formVersion, at, submittedAt = at } = submission
  return {
    seq: stored.seq,
    id: submission.eventId,
    workspace: submission.workspace,
    type: status === 'completed' ? 'response.submitted' : 'response.partial',
    at,
    formId: submission.formId,
    responseId: stored.responseId,
    hops: 0,
    data: submission.data,
    meta: submission.meta,
    response: {
      status,
      formVersion,
      startedAt: stored.startedAt,
      submittedAt: status === 'completed' ? submittedAt : null,
    },
  }
}
