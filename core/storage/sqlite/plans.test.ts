/** Every query that people or lanes wait for is answered by the index made for it, from the first row on. */
import { noCounts, partsText } from '../ladder/counts.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Procedure } from '../procedure.ts'
import { eraseSharedRuns } from '../procedures/batches.ts'
import { dropAsideEventsOf } from '../procedures/event-quarantine.ts'
import type { DeliveryQuery, ReplayQuery, ResponseQuery } from '../store.ts'
import { READS, WRITES } from '../verbs.ts'
import { openWriter } from './connection.ts'
import type { Connection } from './connection.ts'
import { migrate } from './migrate.ts'

const dir = mkdtempSync(join(tmpdir(), 'manifold-plans-'))
let connection: Connection

beforeAll(() => {
  connection = openWriter(join(dir, 'plans.db'), { busyTimeoutMs: 0, walBytesMax: 0 })
  migrate(connection.db)
})
afterAll(() => {
  connection.db.close()
  rmSync(dir, { recursive: true, force: true })
})

/** What every statement is answered with. */
const COUNTED = {
  at: '2026-01-01T00:00:00.000Z',
  type: 'track.x',
  parts: partsText(noCounts()),
  day: 'd',
  salt: 's',
}
const ROW = {
  seq: 1,
  created_at: '2026-01-01T00:00:00.000Z',
  id: 'id',
  data: '{}',
  reason: 'r',
  error: 'e',
  ...COUNTED,
}
/** A page of those looked at: begins where the page before ended, ends at the last of so many rows. */
const STRETCH = '(created_at,id)>(?,?) AND (created_at,id)<(?,?)'

/** The plan of each statement of a procedure; `row` is what each is answered with, beside the usual. */
function plans(procedure: Procedure<unknown>, row: object = {}): string {
  const details: string[] = []
  let step = procedure.next()
  while (step.done !== true) {
    const params = 'params' in step.value ? step.value.params : (step.value.many[0] ?? [])
    const rows = connection.db.prepare(`EXPLAIN QUERY PLAN ${step.value.sql}`).all(params) as { detail: string }[]
    details.push(...rows.map(({ detail }) => detail))
    step = procedure.next({ rows: [{ ...ROW, ...row }, ROW], changes: 0 })
  }
  return details.join('\n')
}

const workspace = 'w'
const TRACKED = {
  workspace,
  id: 'e',
  type: 'track.click',
  at: 't',
  formId: null,
  clientId: 'c',
  data: '{}',
  meta: '{}',
}
const counting = {
  ladder: { timezone: 'UTC', rungs: [{ rung: 'day', keepMs: 9 }] },
  nowMs: 1,
  valuesMax: 1,
  keepMs: 1,
  freshSalt: 's',
} as const
const page = { limit: 50, after: '2026-01-02T00:00:00.000Z~id' }
const since = '2026-01-01T00:00:00Z'
const lane = { workspace, installation: 'i' }
const responses = (query: ResponseQuery) => READS.listResponses({ workspace, query, rowsMax: 9 })
const deliveries = (query: DeliveryQuery) => READS.listDeliveries({ workspace, query, rowsMax: 9 })
const replays = (query: Omit<ReplayQuery, 'workspace'>) =>
  WRITES.replay({ workspace, after: page.after, limit: 9, nowMs: 1, rowsMax: 9, ...query })

describe('query plans', () => {
  it.each<[name: string, procedure: () => Procedure<unknown>, index: string, row?: object]>([
    ['responses', () => responses(page), 'responses_by_time'],
    ['responses of a form', () => responses({ ...page, form: 'f' }), 'responses_by_form'],
    [
      'responses of a form in a time',
      () => responses({ ...page, form: 'f', since, until: since }),
      'responses_by_form',
    ],
    [
      'responses by an answer',
      () => responses({ ...page, form: 'f', answer: { field: 'a', value: 'b' } }),
      `responses_by_form (workspace=? AND form_id=? AND ${STRETCH})`,
    ],
    [
      'responses since',
      () => responses({ ...page, since }),
      'responses_by_time (workspace=? AND created_at>? AND (created_at,id)<(?,?))',
    ],
    ['responses by words', () => responses({ ...page, text: 'a b' }), `responses_by_time (workspace=? AND ${STRETCH})`],
    [
      'completed ones',
      () => responses({ ...page, status: 'completed' }),
      `responses_by_time (workspace=? AND ${STRETCH})`,
    ],
    [
      'partial ones',
      () => responses({ ...page, status: 'partial' }),
      'responses_partial (workspace=? AND (created_at,id)<(?,?))',
    ],
    [
      'partial ones of a form, oldest first',
      () => responses({ ...page, form: 'f', status: 'partial', order: 'oldest' }),
      'responses_partial_of_form (workspace=? AND form_id=? AND (created_at,id)>(?,?))',
    ],
    ['count of a form', () => READS.countResponses({ workspace, form: 'f' }), 'COVERING INDEX responses_by_form'],
    ['quarantine', () => READS.listQuarantine({ workspace, query: page }), 'quarantine_by_time'],
    [
      'quarantine of a form',
      () => READS.listQuarantine({ workspace, query: { ...page, form: 'f', since } }),
      'quarantine_by_form',
    ],
    ['quarantine by verdict', () => READS.quarantineCounts(), 'COVERING INDEX quarantine_by_verdict'],
    ['deliveries', () => deliveries(page), 'deliveries_by_time'],
    ['deliveries of one', () => deliveries({ ...page, installation: 'i' }), 'deliveries_by_installation'],
    [
      'delivered of one',
      () => deliveries({ ...page, installation: 'i', state: 'delivered', since }),
      'deliveries_by_installation',
    ],
    ['dead', () => deliveries({ ...page, state: 'dead' }), 'deliveries_dead '],
    ['dead of one', () => deliveries({ ...page, installation: 'i', state: 'dead' }), 'deliveries_dead_of_one'],
    ['waiting of one', () => deliveries({ ...page, installation: 'i', state: 'retrying' }), 'deliveries_due'],
    ['of a response', () => deliveries({ ...page, installation: 'i', response: 'r' }), 'deliveries_by_response'],
    [
      'words in those of one',
      () => deliveries({ ...page, installation: 'i', text: { words: 'w', inAnswers: true } }),
      `deliveries_by_installation (workspace=? AND installation=? AND ${STRETCH})`,
    ],
    [
      'answers of those',
      () => deliveries({ ...page, text: { words: 'w', inAnswers: true } }),
      'SEARCH r USING INDEX sqlite_autoindex_responses_1 (workspace=? AND id=?)',
    ],
    [
      'words since then',
      () => deliveries({ limit: 9, since, until: since, text: { words: 'w', inAnswers: true } }),
      'deliveries_by_time (workspace=? AND (created_at,id)>(?,?) AND created_at<?)',
    ],
    ['of a form', () => deliveries({ ...page, form: 'f' }), 'deliveries_by_form (workspace=? AND form_id=?'],
    [
      'delivered of a form',
      () => deliveries({ ...page, form: 'f', state: 'delivered', since }),
      `deliveries_by_form (workspace=? AND form_id=? AND ${STRETCH})`,
    ],
    [
      'of a form and one',
      () => deliveries({ ...page, form: 'f', installation: 'i' }),
      `deliveries_by_installation (workspace=? AND installation=? AND ${STRETCH})`,
    ],
    ['of a code', () => deliveries({ ...page, code: 'c', since }), `deliveries_by_time (workspace=? AND ${STRETCH})`],
    [
      'dead of a code and form',
      () => deliveries({ ...page, state: 'dead', code: 'c', form: 'f', since }),
      `deliveries_dead (workspace=? AND ${STRETCH})`,
    ],
    [
      'of a reason and one',
      () => deliveries({ ...page, reason: 'config_error', installation: 'i' }),
      `deliveries_dead_of_one (workspace=? AND installation=? AND ${STRETCH})`,
    ],
    [
      'more waiting than are sorted',
      () => deliveries({ ...page, state: 'pending' }),
      `deliveries_by_time (workspace=? AND ${STRETCH})`,
      { n: 10 },
    ],
    [
      'so many waiting of one',
      () => deliveries({ ...page, installation: 'i', state: 'retrying' }),
      `deliveries_by_installation (workspace=? AND installation=? AND ${STRETCH})`,
      { n: 10 },
    ],
    [
      'how many wait, counted',
      () => READS.countDeliveries({ workspace, query: { state: 'pending' } }),
      'deliveries_due',
      { n: 10 },
    ],
    [
      'waiting with words',
      () => deliveries({ ...page, state: 'pending', text: { words: 'w', inAnswers: true } }),
      'deliveries_due (workspace=?)',
    ],
    [
      'count by reason',
      () =>
        READS.countDeliveries({ workspace, query: { state: 'dead', reason: 'config_error', code: 'c', form: 'f' } }),
      'COVERING INDEX deliveries_dead_causes',
    ],
    [
      'dead by cause',
      () => READS.groupDead({ workspace, query: {}, rowsMax: 9, groupsMax: 9 }),
      'COVERING INDEX deliveries_dead_causes',
    ],
    [
      'dead of a code by cause',
      () => READS.groupDead({ workspace, query: { code: 'c', form: 'f' }, rowsMax: 9, groupsMax: 9 }),
      'COVERING INDEX deliveries_dead_causes',
    ],
    ['of a cause', () => deliveries({ ...page, cause: 'c' }), 'deliveries_by_cause (cause=? AND workspace=?'],
    [
      'count of a cause',
      () => READS.countDeliveries({ workspace, query: { cause: 'c' } }),
      'COVERING INDEX deliveries_by_cause',
    ],
    [
      'what has no cause yet',
      () => WRITES.purgeSlice({ nowMs: 1, runsBeforeMs: 1, trafficBeforeMs: 1 }),
      'deliveries_by_cause (cause=?)',
    ],
    [
      'what shares of runs are left',
      () => WRITES.purgeSlice({ nowMs: 1, runsBeforeMs: 1, trafficBeforeMs: 1 }),
      'erased_responses_left (batches_erased=?)',
    ],
    [
      'minutes by age',
      () => WRITES.purgeSlice({ nowMs: 1, runsBeforeMs: 1, trafficBeforeMs: 1 }),
      'traffic_by_age (minute<?)',
    ],
    [
      'what came and went',
      () => READS.traffic({ workspace, sinceMinute: 1, stepMinutes: 60 }),
      'workspace=? AND minute>?',
    ],
    [
      'what names no run',
      () => WRITES.purgeSlice({ nowMs: 1, runsBeforeMs: 1, trafficBeforeMs: 1 }),
      'attempts_unmarked (batch=?)',
    ],
    [
      'behaviour events by age',
      () => WRITES.expireTrackedSlice({ before: since, at: since, counting }),
      'events_tracked_by_age (at<?)',
    ],
    ['counts by age', () => WRITES.foldLadderSlice(counting), 'event_counts_by_age (rung=? AND end_ms<?)'],
    ['sketches by age', () => WRITES.foldLadderSlice(counting), 'event_visitors_by_age (end_ms<?)'],
    [
      'counts of a time',
      () => READS.readLadder({ workspace, fromMs: 1, toMs: 2 }),
      'event_counts_1 (workspace=? AND rung=? AND start_ms>? AND start_ms<?)',
    ],
    [
      'events in quarantine by age',
      () => WRITES.expireTrackedSlice({ before: since, at: since, counting }),
      'event_quarantine_by_age (received_at<?)',
    ],
    [
      'events in quarantine of a form',
      () => dropAsideEventsOf(workspace, 'f'),
      'event_quarantine_of_form (workspace=? AND form_id=?)',
    ],
    [
      'a behaviour event by its id',
      () => WRITES.track({ events: [TRACKED] }),
      'events_by_client (workspace=? AND client_id=?)',
    ],
    ['the event of a response', () => READS.eventOfResponse({ workspace, responseId: 'r' }), 'events_by_response'],
    ['of an event alone', () => deliveries({ ...page, event: 'e' }), 'deliveries_of_event_alone'],
    [
      'replay of the dead',
      () => replays({ states: ['dead'], installation: 'i', form: 'f', since }),
      `deliveries_dead_of_one (workspace=? AND installation=? AND ${STRETCH})`,
    ],
    [
      'replay of a cause',
      () => replays({ states: ['dead', 'dead'], cause: 'c', installation: 'i' }),
      `deliveries_by_cause (cause=? AND workspace=? AND ${STRETCH})`,
    ],
    [
      'replay of a form',
      () => replays({ states: ['dead', 'delivered'], form: 'f', host: 'h', endedBy: since }),
      `deliveries_by_form (workspace=? AND form_id=? AND ${STRETCH})`,
    ],
    [
      'replay by id',
      () => replays({ states: ['dead'], deliveryIds: ['d'] }),
      'autoindex_deliveries_1 (workspace=? AND id=?)',
    ],
    [
      'count before a replay',
      () => READS.countReplaySlice({ workspace, states: ['dead', 'delivered'], since, rowsMax: 9 }),
      `deliveries_by_time (workspace=? AND created_at>? AND (created_at,id)<(?,?))`,
    ],
    ['lanes', () => READS.laneCounts(), 'COVERING INDEX deliveries_due (workspace=? AND installation=?)'],
    [
      'due',
      () => READS.loadDue({ ...lane, untilMs: 1, limit: 1, exceptIds: [] }),
      'COVERING INDEX deliveries_due (workspace=? AND installation=? AND due_at_ms<?)',
    ],
    [
      'due from a place',
      () => READS.loadDue({ ...lane, untilMs: 1, limit: 1, exceptIds: [], from: { dueAtMs: 1, id: 'd' } }),
      'COVERING INDEX deliveries_due (workspace=? AND installation=? AND (due_at_ms,id)>(?,?) AND due_at_ms<?)',
    ],
    [
      'heads',
      () => READS.loadDue({ ...lane, untilMs: 1, limit: 1, exceptIds: [], heads: true }),
      'COVERING INDEX deliveries_in_order (workspace=? AND installation=? AND order_key=?)',
    ],
    [
      'next due',
      () => READS.nextDue({ ...lane, afterMs: 1 }),
      'COVERING INDEX deliveries_due (workspace=? AND installation=? AND due_at_ms>?)',
    ],
    ['the log', () => READS.readEvents({ afterSeq: 1, limit: 1 }), 'INTEGER PRIMARY KEY (rowid>?)'],
    [
      'the log of a workspace',
      () => READS.readEvents({ workspace, afterSeq: 1, limit: 1 }),
      'events_by_workspace (workspace=? AND seq>?)',
    ],
    [
      'the beginning of a time',
      () => READS.seqBefore({ workspace, at: since }),
      'COVERING INDEX events_by_time (workspace=? AND at>?)',
    ],
    ['runs', () => READS.listRuns({ workspace, query: { limit: 50, after: 'run_1', since } }), 'autoindex_runs_1'],
    [
      'runs of one',
      () => READS.listRuns({ workspace, query: { limit: 50, installation: 'i' } }),
      'runs_by_installation (workspace=? AND installation=?)',
    ],
    ['failed runs', () => READS.listRuns({ workspace, query: { limit: 50, outcome: 'failed' } }), 'runs_failed'],
    ['runs of an event', () => READS.listRuns({ workspace, query: { limit: 50, event: 'e' } }), 'run_items_by_event'],
    [
      'runs of a delivery',
      () => READS.listRuns({ workspace, query: { limit: 50, delivery: 'd' } }),
      'run_items_by_delivery',
    ],
    [
      'runs of a response',
      () => READS.listRuns({ workspace, query: { limit: 50, response: 'r' } }),
      'run_items_by_response',
    ],
    [
      'the record of a shared run',
      () => eraseSharedRuns([{ workspace, batch: 'run_1', error: 'e' }]),
      'SEARCH a USING INDEX attempts_by_batch (workspace=? AND batch=?)',
    ],
    ['keys', () => READS.kvList({ ...lane, prefix: 'p', after: null, limit: 1, nowMs: 1 }), 'kv_key>? AND kv_key<?'],
    ['a key by its hash', () => READS.keyByHash('h'), '(hash=?)'],
  ])('%s', (_name, procedure, index, row) => {
    const plan = plans(procedure(), row)
    expect(plan).toContain(index)
    expect(plan).not.toMatch(/SCAN (responses|events|deliveries|attempts|runs|run_items|kv|d|e|o)\b/)
  })
})
