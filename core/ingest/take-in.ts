/** Hands submissions to the store, together with what installations are to get of them in the same transaction. */
import type { LogEvent } from '../model.ts'
import type { AcceptResult, Forward, Store, Submission } from '../storage/store.ts'
import { isPlain, submittedEvent } from '../storage/submitted-event.ts'

/** Those who want something of a response before it is stored. */
export interface Forwarding {
  /** What installations get in the transaction that stores it; `event.seq` is 0. */
  wanted(event: LogEvent): readonly Forward[]
  /** It is on its way to the disk: what can be begun meanwhile may begin. */
  storing(event: LogEvent, forwards: readonly Forward[]): void
  /** Nothing of it was stored. */
  refused(eventId: string): void
}

export interface TakeInDeps {
  readonly store: Pick<Store, 'accept'>
  readonly forwarding: Forwarding
}

/** As `Store.accept`. Responses that complete or repeat another one go the usual way, through the log alone. */
export async function takeIn(
  { store, forwarding }: TakeInDeps,
  submissions: readonly Submission[],
): Promise<readonly AcceptResult[]> {
  const planned = submissions.map((submission) => {
    if (!isPlain(submission)) return { submission, event: null }
    const event = submittedEvent(submission, { seq: 0, ...submission })
    return { submission: { ...submission, forwards: forwarding.wanted(event) }, event }
  })
  try {
    const storing = store.accept(planned.map(({ submission }) => submission))
    for (const { submission, event } of planned) {
      if (event !== null) forwarding.storing(event, submission.forwards ?? [])
    }
    return await storing
  } catch (error) {
    for (const { eventId } of submissions) forwarding.refused(eventId)
    throw error
  }
}
