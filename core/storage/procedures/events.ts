/** The log: appending with gap-free sequences, reading in order, erasing. */
import type { NewEvent, WorkspaceId } from '../../model.ts'
import { all, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { ToldEvent } from '../queries.ts'
import type { EventRow } from '../rows.ts'
import { holds, likeText, timeBound, when, where } from '../where.ts'

/** The update holds the row until the commit. */
const TAKE_SEQUENCES = 'UPDATE log_head SET seq = seq + ? WHERE only_row = 1 RETURNING seq'

/** Also the statement of `accept`, which fills the last four columns. */
export const INSERT_EVENT = `INSERT INTO events
  (seq, id, workspace, type, at, form_id, response_id, hops, data, meta, form_version, started_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const SELECT_EVENTS = `SELECT e.seq, e.id, e.workspace, e.type, e.at, e.form_id, e.response_id, e.hops,
    e.form_version, e.started_at, e.meta, e.data, r.form_version AS r_form_version, r.started_at AS r_started_at,
    r.submitted_at AS r_submitted_at, r.meta AS r_meta, r.data AS r_data
  FROM events e LEFT JOIN responses r
    ON e.type = 'response.submitted' AND r.workspace = e.workspace AND r.id = e.response_id`

/** Appends in order; answers the sequence of the last one (the others precede it without a gap). */
export function* append(workspace: WorkspaceId, events: readonly NewEvent[]): Procedure<number> {
  if (events.length === 0) return 0
  const head = yield* first<{ seq: number }>(TAKE_SEQUENCES, [events.length])
  const last = (head as { seq: number }).seq
  const from = last - events.length + 1
  yield* runMany(
    INSERT_EVENT,
    events.map((event, i): SqlValue[] => [
      from + i,
      event.id,
      workspace,
      event.type,
      event.at,
      event.formId,
      event.responseId,
      event.hops,
      event.data,
      null,
      null,
      null,
    ]),
  )
  return last
}

/** The store's `appendEvents`. */
export function* appendEvents(input: {
  readonly workspace: WorkspaceId
  readonly events: readonly NewEvent[]
}): Procedure<number> {
  return yield* append(input.workspace, input.events)
}

/** Entries after a sequence, of one workspace or of all. */
export function* readEvents(query: {
  readonly workspace?: WorkspaceId
  readonly afterSeq: number
  readonly limit: number
}): Procedure<readonly EventRow[]> {
  if (query.workspace === undefined) {
    return yield* all<EventRow>(`${SELECT_EVENTS} WHERE e.seq > ? ORDER BY e.seq LIMIT ?`, [
      query.afterSeq,
      query.limit,
    ])
  }
  return yield* all<EventRow>(`${SELECT_EVENTS} WHERE e.workspace = ? AND e.seq > ? ORDER BY e.seq LIMIT ?`, [
    query.workspace,
    query.afterSeq,
    query.limit,
  ])
}

/** One entry by its id. */
export function* getEvent(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<EventRow | undefined> {
  return yield* first<EventRow>(`${SELECT_EVENTS} WHERE e.id = ? AND e.workspace = ?`, [input.id, input.workspace])
}

/** The newest entry with the answers of a response. */
export function* eventOfResponse(input: {
  readonly workspace: WorkspaceId
  readonly responseId: string
}): Procedure<EventRow | undefined> {
  return yield* first<EventRow>(
    `${SELECT_EVENTS} WHERE e.workspace = ? AND e.response_id = ? AND e.type IN ('response.submitted', 'response.partial')
      ORDER BY e.seq DESC LIMIT 1`,
    [input.workspace, input.responseId],
  )
}

/** As the indexes of those kinds have it, so that each store sees that they serve. */
const IS_TOLD =
  "(e.type = 'form.changed' OR e.type = 'delivery.dead' OR e.type = 'alert.raised') AND e.data IS NOT NULL"

/** The newest of what hooks are told besides responses, of all forms (null) or of one, newest first. */
export function* newestTold(query: {
  readonly workspace: WorkspaceId
  readonly event: ToldEvent
  readonly formId: string | null
  readonly notOf?: string
  readonly limit: number
}): Procedure<readonly EventRow[]> {
  const isCreated = query.event === 'form.created'
  const { sql, params } = where([
    [IS_TOLD],
    ['e.workspace = ?', query.workspace],
    ['e.type = ?', isCreated ? 'form.changed' : query.event],
    when('e.form_id = ?', query.formId ?? undefined),
    // As `saveForm` writes it.
    isCreated ? [`e.data LIKE '%"created":true}'`] : undefined,
    // Inside a text JSON escapes the quotes, so this is the member alone.
    query.notOf === undefined
      ? undefined
      : [`NOT (${holds('e.data')})`, likeText(`"installation":${JSON.stringify(query.notOf)}`)],
  ])
  return yield* all<EventRow>(`${SELECT_EVENTS} WHERE ${sql} ORDER BY e.seq DESC LIMIT ?`, [...params, query.limit])
}

/** The highest sequence given out. */
export function* headSeq(): Procedure<number> {
  const head = yield* first<{ seq: number }>('SELECT seq FROM log_head WHERE only_row = 1', [])
  return (head as { seq: number }).seq
}

/**
 * The sequence before the workspace's first entry of this time or later. Wall clocks step back now and then, so the
 * log's times are not sorted; starting there misses nothing. (`+ 0` keeps a planner from walking the log from its
 * beginning instead of the index of times from there on.)
 */
export function* seqBefore(input: { readonly workspace: WorkspaceId; readonly at: string }): Procedure<number> {
  const found = yield* first<{ seq: number | null }>(
    'SELECT min(seq + 0) AS seq FROM events WHERE workspace = ? AND at >= ?',
    [input.workspace, timeBound(input.at, 'at') ?? input.at],
  )
  if (found?.seq !== null && found?.seq !== undefined) return found.seq - 1
  return yield* headSeq()
}
