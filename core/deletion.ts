/** Which events delete, and what of it they mean: what is remembered of that may not be used any more. */
import type { LogEvent } from './model.ts'

/** After it nothing that is remembered of its response, or of the responses of its form, may be used. */
export const isDeletion = ({ type }: Pick<LogEvent, 'type'>): boolean =>
  type === 'response.deleted' || type === 'response.discarded' || type === 'form.deleted'

/** Whether that is of the response, or of the form, that a deletion deletes. */
export const isDeletedBy = (
  { workspace, formId, responseId }: Pick<LogEvent, 'workspace' | 'formId' | 'responseId'>,
  deletion: LogEvent,
): boolean =>
  workspace === deletion.workspace &&
  (deletion.responseId === null ? formId === deletion.formId : responseId === deletion.responseId)
