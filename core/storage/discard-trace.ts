/** What is left of deliveries that were discarded: an entry of the log that says who, when, which and how many. */
import type { NewEvent } from '../model.ts'

export interface DiscardTrace {
  readonly eventId: string
  /** RFC 3339. */
  readonly at: string
  /** Who, and by which filters. */
  readonly data: { readonly [name: string]: unknown }
}

/** The entry, once it is known how many. */
export const discardEvent = ({ eventId, at, data }: DiscardTrace, discarded: number): NewEvent => ({
  id: eventId,
  type: 'deliveries.discarded',
  at,
  formId: null,
  responseId: null,
  hops: 0,
  data: JSON.stringify({ ...data, discarded }),
})
