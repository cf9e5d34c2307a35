/** `alert.raised`: something stands still or runs again, and a person should know. */
import { rfc3339 } from './clock.ts'
import { newId } from './ids.ts'
import type { NewEvent } from './model.ts'

/** The event that tells of it, about no form or response; `data` has its `kind`, its `reason`, and what is to be done. */
export const alertEvent = (data: object, nowMs: number, id = newId('event', nowMs)): NewEvent => ({
  id,
  type: 'alert.raised',
  at: rfc3339(nowMs),
  formId: null,
  responseId: null,
  hops: 0,
  data: JSON.stringify(data),
})
