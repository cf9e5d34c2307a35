/** The cursor of work on many deliveries: where it goes on, and which ones were meant when it was first asked for. */
import { HubError } from '../errors.ts'
import { utcTime } from '../ingest/times.ts'
import { openCursor, sealCursor } from './paging.ts'

/** Nothing is meant that ended after it was asked for. */
export interface SettledPlace {
  /** RFC 3339. */
  readonly endedBy: string
  readonly after?: string | undefined
}

/** As the `next_cursor` of an answer. */
export const sealPlace = ({ endedBy, after = '' }: SettledPlace): string => sealCursor(`${endedBy}~${after}`)

/** Rejects with `invalid_query` what `sealPlace` did not make. */
export function openPlace(cursor: string): SettledPlace {
  const [endedBy = '', ...after] = openCursor(cursor).split('~')
  if (utcTime(endedBy) !== endedBy)
    throw new HubError('invalid_query', 'The cursor is not one of these requests.', {
      problems: [{ pointer: '/cursor', detail: 'use next_cursor of the request before, unchanged' }],
    })
  return { endedBy, after: after.join('~') || undefined }
}
