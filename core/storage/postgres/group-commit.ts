/**
 * Calls that wait together become one transaction, and each keeps its own fate. The transactions of all processes follow
 * each other where a procedure was written for a single writer: it holds the writers' lock alone. Those that only add
 * rows, or change rows of a lane that nobody else runs, share it. Event sequences are taken by updating the one row of
 * `log_head`, which is held until the commit: so they are committed in their order, without a gap.
 */
import { crc32 } from 'node:zlib'
import type { Pool, PoolClient } from 'pg'
import { HubError } from '../../errors.ts'
import { joinable } from '../join.ts'
import type { Procedure, SqlValue, StepResult } from '../procedure.ts'
import type { AcceptInput } from '../procedures/accept.ts'
import type { TrackInput } from '../procedures/track.ts'
import { WRITES } from '../verbs.ts'
import { withClient } from './connect.ts'
import { sendAll } from './pipeline.ts'
import type { Call } from './pipeline.ts'
import { runProcedure } from './run-procedure.ts'
import { statementOf } from './sql.ts'
import { leavesConnectionUsable, meaningOf, toHubError, UNKNOWN_COMMIT } from './sqlstates.ts'

export interface WriteCall {
  readonly verb: string
  readonly input: unknown
}

/** A statement beside those of the calls. */
export interface Extra {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

/** What becomes of a call: it is run, with this input, or it is answered without being run. */
export type Admitted =
  | { readonly run: unknown; readonly answer?: (value: unknown) => unknown }
  | { readonly value: unknown }

/** What other processes have to do with a transaction, in it. */
export interface Companion {
  /** Asked right after the writer's lock is held; null when none of the calls needs it. */
  question(calls: readonly WriteCall[]): Extra | null
  /** With the rows that the question brought. */
  admit(calls: readonly WriteCall[], rows: readonly unknown[]): readonly Admitted[]
  /** A commit got no answer: what was refused to the caller may be written all the same. */
  doubt(): void
  /** Run right before the commit; `head` is the sequence before the transaction began. */
  announce(calls: readonly WriteCall[], head: number): readonly Extra[]
}

/** For a process that is alone. */
export const ALONE: Companion = {
  question: () => null,
  admit: (calls) => calls.map(({ input }) => ({ run: input })),
  announce: () => [],
  doubt: () => {},
}

export type Outcome = { readonly value: unknown } | { readonly error: HubError }

/** Any number, the same for all processes. */
export const WRITERS = 8_420_002

const BEGIN = statementOf('BEGIN ISOLATION LEVEL READ COMMITTED')
const COMMIT = statementOf('COMMIT')
const HEAD = statementOf('SELECT seq FROM log_head WHERE only_row = 1')
const LOCK_ALONE = statementOf(`SELECT pg_advisory_xact_lock(${WRITERS})`)
const LOCK_SHARED = statementOf(`SELECT pg_advisory_xact_lock_shared(${WRITERS})`)
const LOCK_NAME = statementOf(`SELECT pg_advisory_xact_lock(${WRITERS}, ?)`)
const TRIES_MAX = 3

/** One of several calls cannot be done; they are to be run one by one. */
class NotTogether extends HubError {}

/** The outcome of each call, in order. Never rejects. */
export async function commitGroup(
  pool: Pool,
  calls: readonly WriteCall[],
  companion: Companion,
): Promise<readonly Outcome[]> {
  try {
    return await attempt(pool, calls, companion)
  } catch (error) {
    if (calls.length === 1 || !(error instanceof NotTogether)) return calls.map(() => ({ error: toHubError(error) }))
  }
  const outcomes: Outcome[] = []
  for (const call of calls) outcomes.push(...(await commitGroup(pool, [call], companion)))
  return outcomes
}

async function attempt(pool: Pool, calls: readonly WriteCall[], companion: Companion): Promise<readonly Outcome[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await withClient(pool, (client) => transaction(client, calls, companion))
    } catch (error) {
      if (tries >= TRIES_MAX || meaningOf(error).again !== 'at_once') throw error
    }
  }
}

async function transaction(
  client: PoolClient,
  calls: readonly WriteCall[],
  companion: Companion,
): Promise<readonly Outcome[]> {
  const question = companion.question(calls)
  let outcomes: readonly Outcome[]
  let head: number
  try {
    const [, , log, answered] = await sendAll(client, [
      { statement: BEGIN, rows: [[]] },
      { statement: calls.every(mayShare) ? LOCK_SHARED : LOCK_ALONE, rows: [[]] },
      { statement: HEAD, rows: [[]] },
      ...(question === null ? [] : [toCall(question)]),
      { statement: LOCK_NAME, rows: namesOf(calls).map((name) => [name]) },
    ])
    head = (log as StepResult & { readonly rows: readonly [{ seq: number }] }).rows[0].seq
    outcomes = await runAll(client, calls, companion.admit(calls, answered?.rows ?? []))
  } catch (error) {
    await undo(client, error)
    throw error
  }
  const last = companion.announce(calls, head).map(toCall)
  try {
    await sendAll(client, [...last, { statement: COMMIT, rows: [[]] }])
  } catch (error) {
    await undo(client, error)
    if (meaningOf(error).again === 'at_once') throw error
    if (!leavesConnectionUsable(error)) companion.doubt()
    throw new HubError('storage_busy', UNKNOWN_COMMIT, { cause: error })
  }
  return outcomes
}

/** What a lane's owner writes of it, new responses and behaviour events, and the history of runs. */
const mayShare = ({ verb }: WriteCall): boolean =>
  verb === 'accept' ||
  verb === 'track' ||
  verb === 'appendRuns' ||
  verb === 'finishAttempts' ||
  verb === 'commitHandled' ||
  verb === 'fireSchedule' ||
  verb === 'ping'

/**
 * Under what names responses come that have to be compared with stored ones: two of one name must not be compared at the
 * same time. Behaviour events come by the thousand, so those of a workspace that have an id share one name. Numbers that some names may share, which only costs them a wait; in one order, so that nobody waits in a circle.
 */
function namesOf(calls: readonly WriteCall[]): readonly number[] {
  const names = new Set<number>()
  for (const { verb, input } of calls) {
    if (verb === 'track') {
      for (const { workspace, clientId } of (input as TrackInput).events)
        if (clientId !== null) names.add(crc32(`track\0${workspace}`) | 0)
    }
    if (verb !== 'accept') continue
    for (const { workspace, formId, idempotency, clientId } of (input as AcceptInput).submissions) {
      if (idempotency !== null) names.add(crc32(`key\0${workspace}\0${idempotency.key}`) | 0)
      if (clientId !== null) names.add(crc32(`client\0${workspace}\0${formId}\0${clientId}`) | 0)
    }
  }
  return [...names].sort((one, other) => one - other)
}

/** The connection is lent again, so it must not stay in a transaction that failed. One that is broken is thrown away. */
async function undo(client: PoolClient, error: unknown): Promise<void> {
  if (leavesConnectionUsable(error)) await client.query('ROLLBACK')
}

const toCall = ({ sql, params }: Extra): Call => ({ statement: statementOf(sql), rows: [params] })

async function runAll(
  client: PoolClient,
  calls: readonly WriteCall[],
  admitted: readonly Admitted[],
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as WriteCall
    const joined = joinable(calls, i)
    if (joined !== null) {
      const result = await runTogether(client, { verb: joined.verb, input: joined.merge.join(joined.inputs) }, calls)
      for (const value of joined.merge.split(result, joined.inputs)) outcomes.push({ value })
      i += joined.inputs.length - 1
      continue
    }
    const how = admitted[i] as Admitted
    if ('value' in how) {
      outcomes.push(how)
      continue
    }
    const outcome = await runOne(client, { verb: call.verb, input: how.run }, calls)
    outcomes.push('value' in outcome && how.answer !== undefined ? { value: how.answer(outcome.value) } : outcome)
  }
  return outcomes
}

/** Which call of a joined one fails is not known: then all are run one by one. */
async function runTogether(client: PoolClient, call: WriteCall, calls: readonly WriteCall[]): Promise<unknown> {
  try {
    return await runProcedure(client, procedureOf(call))
  } catch (error) {
    throw separate(error, calls)
  }
}

/** One that refuses before it wrote anything leaves the transaction whole. */
async function runOne(client: PoolClient, call: WriteCall, calls: readonly WriteCall[]): Promise<Outcome> {
  let wrote = false
  try {
    return { value: await runProcedure(client, procedureOf(call), () => (wrote = true)) }
  } catch (error) {
    if (error instanceof HubError && !wrote) return { error }
    throw separate(error, calls)
  }
}

/** What concerns the database concerns all calls; what concerns one call must not undo the others. */
function separate(error: unknown, calls: readonly WriteCall[]): unknown {
  if (calls.length === 1 || (!(error instanceof HubError) && meaningOf(error).again !== 'never')) return error
  return new NotTogether('internal', 'One of several calls failed.', { cause: error })
}

function procedureOf({ verb, input }: WriteCall): Procedure<unknown> {
  if (!Object.hasOwn(WRITES, verb)) throw new HubError('internal', `There is no procedure "${verb}".`)
  const procedure = WRITES[verb as keyof typeof WRITES] as (argument: unknown) => Procedure<unknown>
  return procedure(input)
}
