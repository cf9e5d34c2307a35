/** The history of runs: entries, what each was about, and their end by count, by age and with the responses they are about. */
import { idsFrom } from '../../ids.ts'
import type { RunItem, WorkspaceId } from '../../model.ts'
import { all, allMany, first, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { RunItemRow, RunRow } from '../run-rows.ts'
import type { MoreRuns, RunQuery } from '../store.ts'
import { page, timeBoundMs, when, where } from '../where.ts'
import type { Condition } from '../where.ts'

const COLUMNS = `workspace, id, installation, plugin, version, bundle, kind, name, attempt, started_at, duration_ms, cpu_ms,
  outcome, error_code, error, stack, left_out, more, effects, requests, logs`
const INSERT = `INSERT INTO runs (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (workspace, id) DO NOTHING`
const INSERT_ITEM = `INSERT INTO run_items (workspace, run_id, n, event_id, delivery_id, form_id, response_id, outcome)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, run_id, n) DO NOTHING`
const ITEMS = `SELECT run_id, event_id, delivery_id, form_id, response_id, outcome FROM run_items
  WHERE workspace = ? AND run_id = ? ORDER BY run_id, n`
const DELETE = 'DELETE FROM runs WHERE workspace = ? AND id = ?'
const DELETE_ITEMS = 'DELETE FROM run_items WHERE workspace = ? AND run_id = ?'

/** Rows that one call may drop of one installation: those that came in, and some of those left from a higher limit. */
const TRIM_ROWS_MAX = 500

/** An entry with its texts. */
export interface RunEntry {
  readonly row: RunRow
  readonly items: readonly RunItem[]
}

/** A stored entry with what it was about. */
export interface FoundRun {
  readonly row: RunRow
  readonly items: readonly RunItemRow[]
}

/** Writes entries and counts, and drops the oldest of the same installations beyond `keptMax`. */
export function* appendRuns(input: {
  readonly runs: readonly RunEntry[]
  readonly more: readonly MoreRuns[]
  readonly keptMax: number
}): Procedure<void> {
  const runs = yield* withoutErased(input.runs)
  yield* runMany(
    INSERT,
    runs.map(({ row }) => valuesOf(row)),
  )
  yield* runMany(
    INSERT_ITEM,
    runs.flatMap(({ row, items }) => items.map((item, n) => itemValues(row, { item, n }))),
  )
  yield* runMany(
    'UPDATE runs SET more = more + ? WHERE workspace = ? AND id = ?',
    input.more.map(({ workspace, id, by }): SqlValue[] => [by, workspace, id]),
  )
  const lanes = new Map(
    runs.map(({ row }) => [`${row.workspace}/${row.installation}`, [row.workspace, row.installation] as const]),
  )
  for (const [workspace, installation] of lanes.values()) {
    const old = yield* all<{ id: string }>(
      `SELECT id FROM runs WHERE workspace = ? AND installation = ? ORDER BY id DESC LIMIT ${TRIM_ROWS_MAX} OFFSET ?`,
      [workspace, installation, input.keptMax],
    )
    yield* drop(old.map(({ id }): SqlValue[] => [workspace, id]))
  }
}

/** A run may be under way, or wait to be written, while what it is about is deleted. */
function* withoutErased(runs: readonly RunEntry[]): Procedure<readonly RunEntry[]> {
  const responses = new Map<string, SqlValue[]>()
  const looseEvents = new Map<string, SqlValue[]>()
  for (const { row, items } of runs) {
    for (const { responseId, eventId, formId } of items) {
      if (responseId !== null) responses.set(responseId, [row.workspace, responseId])
      else if (eventId !== null && formId !== null) looseEvents.set(eventId, [row.workspace, eventId])
    }
  }
  const gone = yield* allMany<{ id: string }>(
    'SELECT response_id AS id FROM erased_responses WHERE workspace = ? AND response_id = ?',
    [...responses.values()],
  )
  const empty = yield* allMany<{ id: string }>(
    'SELECT id FROM events WHERE workspace = ? AND id = ? AND data IS NULL',
    [...looseEvents.values()],
  )
  if (gone.length + empty.length === 0) return runs
  const erased = new Set([...gone, ...empty].map(({ id }) => id))
  return runs.filter(({ items }) => !items.some(({ responseId, eventId }) => erased.has(responseId ?? eventId ?? '')))
}

const valuesOf = (row: RunRow): SqlValue[] => [
  row.workspace,
  row.id,
  row.installation,
  row.plugin,
  row.version,
  row.bundle,
  row.kind,
  row.name,
  row.attempt,
  row.started_at,
  row.duration_ms,
  row.cpu_ms,
  row.outcome,
  row.error_code,
  row.error,
  row.stack,
  row.left_out,
  row.more,
  row.effects,
  row.requests,
  row.logs,
]

const itemValues = (
  { workspace, id }: RunRow,
  { item, n }: { readonly item: RunItem; readonly n: number },
): SqlValue[] => [workspace, id, n, item.eventId, item.deliveryId, item.formId, item.responseId, item.outcome]

/** `keys`: workspace and id of each. */
function* drop(keys: readonly SqlValue[][]): Procedure<void> {
  yield* runMany(DELETE_ITEMS, keys)
  yield* runMany(DELETE, keys)
}

/** Drops the runs that any of these responses took part in; `keys`: workspace and id of each. */
export function* eraseRunsOf(keys: readonly SqlValue[][]): Procedure<void> {
  const found = yield* allMany<{ workspace: string; run_id: string }>(
    'SELECT workspace, run_id FROM run_items WHERE workspace = ? AND response_id = ?',
    keys,
  )
  yield* drop(found.map(({ workspace, run_id: id }): SqlValue[] => [workspace, id]))
}

/** Drops a slice of the runs of a form that no response took part in; answers how many. */
export function* eraseLooseRuns(workspace: WorkspaceId, formId: string, rowsMax: number): Procedure<number> {
  const found = yield* all<{ run_id: string }>(
    'SELECT run_id FROM run_items WHERE workspace = ? AND form_id = ? AND response_id IS NULL LIMIT ?',
    [workspace, formId, rowsMax],
  )
  yield* drop(found.map(({ run_id: id }): SqlValue[] => [workspace, id]))
  return found.length
}

/** Drops a slice of the runs of one installation, or of as many as are in one slice, that started before a time. */
export function* purgeRuns(beforeMs: number, rowsMax: number): Procedure<number> {
  const old = yield* all<{ workspace: string; id: string }>(
    `SELECT r.workspace, r.id FROM installations i JOIN runs r ON r.workspace = i.workspace AND r.installation = i.id
      WHERE r.id < ? LIMIT ?`,
    [idsFrom('run', beforeMs), rowsMax],
  )
  yield* drop(old.map(({ workspace, id }): SqlValue[] => [workspace, id]))
  return old.length
}

/** A page, newest start first. Ids sort by it. */
export function* listRuns(input: {
  readonly workspace: WorkspaceId
  readonly query: RunQuery
}): Procedure<{ readonly rows: readonly FoundRun[]; readonly next: string | null }> {
  const { workspace, query } = input
  const since = timeBoundMs(query.since, 'since')
  const until = timeBoundMs(query.until, 'until')
  const { sql, params } = where([
    ['workspace = ?', workspace],
    about('event_id', workspace, query.event),
    about('delivery_id', workspace, query.delivery),
    about('response_id', workspace, query.response),
    when('installation = ?', query.installation),
    when('kind = ?', query.kind),
    // Written out, so that the small index of failed ones serves.
    query.outcome === undefined ? undefined : [query.outcome === 'ok' ? "outcome = 'ok'" : "outcome = 'failed'"],
    when('id >= ?', since === undefined ? undefined : idsFrom('run', since)),
    when('id < ?', until === undefined ? undefined : idsFrom('run', until)),
    when('id < ?', query.after),
  ])
  const rows = yield* all<RunRow>(`SELECT ${COLUMNS} FROM runs WHERE ${sql} ORDER BY id DESC LIMIT ?`, [
    ...params,
    query.limit + 1,
  ])
  const cut = page(rows, query.limit, ({ id }) => id)
  return { rows: yield* withItems(cut.rows), next: cut.next }
}

const about = (
  column: 'event_id' | 'delivery_id' | 'response_id',
  workspace: WorkspaceId,
  id: string | undefined,
): Condition =>
  id === undefined
    ? undefined
    : [`id IN (SELECT run_id FROM run_items WHERE workspace = ? AND ${column} = ?)`, workspace, id]

/** One entry by its id. */
export function* getRun(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<FoundRun | undefined> {
  const row = yield* first<RunRow>(`SELECT ${COLUMNS} FROM runs WHERE workspace = ? AND id = ?`, [
    input.workspace,
    input.id,
  ])
  return row === undefined ? undefined : (yield* withItems([row]))[0]
}

function* withItems(rows: readonly RunRow[]): Procedure<readonly FoundRun[]> {
  const items = yield* allMany<RunItemRow>(
    ITEMS,
    rows.map(({ workspace, id }): SqlValue[] => [workspace, id]),
  )
  const byRun = Map.groupBy(items, (item) => item.run_id)
  return rows.map((row) => ({ row, items: byRun.get(row.id) ?? [] }))
}
