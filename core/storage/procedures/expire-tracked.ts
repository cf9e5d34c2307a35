/** What behaviour events say is forgotten by age, and counted in the same transaction; that they were there stays, since the log has no gaps. */
import { rfc3339 } from '../../clock.ts'
import { newId } from '../../ids.ts'
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { ladderEvent } from '../ladder/counted.ts'
import { all, first, runMany } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { ExpireTracked } from '../tracked.ts'
import { expireAsideEvents } from './event-quarantine.ts'
import { append } from './events.ts'
import { countForgotten, noteLadder } from './ladder.ts'

/**
 * The event that says so: everything of `track.*` received before `data.before` is gone, and counted. (Programs from before the
 * ladder counted nothing, and did not say so.)
 */
const EXPIRED = 'events.expired'

const SLICE_ROWS = 1_000
const OLD = `type LIKE 'track.%' AND data IS NOT NULL AND at < ?`
const FIND = `SELECT seq, workspace, type, at, data, meta FROM events WHERE ${OLD} ORDER BY at`
const LAST = `SELECT at FROM events WHERE ${OLD} ORDER BY at LIMIT 1 OFFSET ${SLICE_ROWS - 1}`
const FORGET = 'UPDATE events SET data = NULL, meta = NULL, client_id = NULL WHERE seq = ?'

export type Announced = NewEvent & { readonly workspace: WorkspaceId; readonly seq: number }

interface Row {
  readonly seq: number
  readonly workspace: WorkspaceId
  readonly type: string
  readonly at: string
  readonly data: string
  readonly meta: string | null
}

/**
 * One slice of what was received before that time; `more` says that another is due. A slice ends between two moments, never
 * within one, so that what it says of itself in the log is all of it: who follows the log and who reads the counts lose and gain
 * the same events.
 */
export function* expireTrackedSlice({ before, at, counting }: ExpireTracked): Procedure<{
  readonly announced: readonly Announced[]
  readonly dropped: number
  readonly more: boolean
}> {
  yield* expireAsideEvents(before)
  const last = yield* first<{ at: string }>(LAST, [before])
  const until = last === undefined ? before : rfc3339(Date.parse(last.at) + 1)
  const found = yield* all<Row>(FIND, [until])
  yield* countForgotten(
    found.map((row) => ({ workspace: row.workspace, ...ladderEvent(row) })),
    counting,
  )
  yield* runMany(
    FORGET,
    found.map(({ seq }) => [seq]),
  )
  const announced: Announced[] = []
  for (const workspace of new Set(found.map((row) => row.workspace))) {
    const data = JSON.stringify({ before: until, counted: true })
    const event = { id: newId('event'), type: EXPIRED, at, formId: null, responseId: null, hops: 0, data }
    const seq = yield* append(workspace, [event])
    yield* noteLadder(workspace, seq)
    announced.push({ ...event, workspace, seq })
  }
  return { announced, dropped: found.length, more: last !== undefined }
}
