/** Calls that waited together become one transaction, yet each keeps its own fate. */
import { HubError } from '../../errors.ts'
import { joinable } from '../join.ts'
import type { Joined } from '../join.ts'
import type { Procedure } from '../procedure.ts'
import { WRITES } from '../verbs.ts'
import type { Connection } from './connection.ts'
import { failureOf } from './failures.ts'
import type { Failure } from './failures.ts'
import type { Call } from './messages.ts'
import { bringsWork } from './reserve.ts'

export interface GroupResult {
  readonly values: unknown[]
  readonly failures: (Failure | undefined)[] | null
  /** The last sequence, when the group was committed. */
  readonly head: number | null
}

/** Thrown inside to start again with a savepoint around each call. */
class NotAlone extends Error {}

const RESERVE_LEFT: Failure = {
  code: 'storage_full',
  message: 'The disk is nearly full; what is left is kept for work that was accepted before. Nothing was written.',
  fatal: false,
  detail: 'reserve',
}

const SELECT_HEAD = 'SELECT seq FROM log_head WHERE only_row = 1'

/**
 * First all calls run in one transaction without savepoints, since nearly always all succeed. When one fails after it
 * wrote something, everything is rolled back and run again with a savepoint around each. An error of the disk or of a
 * lock concerns all of them: nothing is written and all are told so.
 */
export function commitGroup(
  connection: Connection,
  calls: readonly Call[],
  options: { readonly reserveOnly: boolean },
): GroupResult {
  const group = { calls, reserveOnly: options.reserveOnly }
  try {
    return attempt(connection, group, false)
  } catch (error) {
    if (!(error instanceof NotAlone)) return allFailed(connection, calls, error)
  }
  try {
    return attempt(connection, group, true)
  } catch (error) {
    return allFailed(connection, calls, error)
  }
}

interface Group {
  readonly calls: readonly Call[]
  /** The disk is nearly full: calls that bring new work are refused. */
  readonly reserveOnly: boolean
}

function attempt(connection: Connection, { calls, reserveOnly }: Group, alone: boolean): GroupResult {
  const { db } = connection
  const values: unknown[] = []
  let failures: (Failure | undefined)[] | null = null
  exec(connection, 'BEGIN IMMEDIATE')
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as Call
    if (reserveOnly && bringsWork(call)) {
      failures ??= []
      failures[i] = RESERVE_LEFT
      values.push(undefined)
      continue
    }
    const joined = alone || reserveOnly ? null : joinable(calls, i)
    if (joined !== null) {
      values.push(...runJoined(connection, joined))
      i += joined.inputs.length - 1
      continue
    }
    let wrote = false
    if (alone) exec(connection, 'SAVEPOINT one_call')
    try {
      values.push(connection.run(procedureOf(call), () => (wrote = true)))
    } catch (error) {
      const failure = failureOf(error)
      if (!db.inTransaction || concernsAll(failure)) throw error
      if (wrote && !alone) {
        exec(connection, 'ROLLBACK')
        throw new NotAlone()
      }
      if (alone) exec(connection, 'ROLLBACK TO one_call')
      failures ??= []
      failures[i] = failure
      values.push(undefined)
    }
    if (alone) exec(connection, 'RELEASE one_call')
  }
  const head = connection.run(selectHead())
  exec(connection, 'COMMIT')
  return { values, failures, head }
}

/** Which of them fails is not known then: everything is run again, each on its own. */
function runJoined(connection: Connection, { verb, merge, inputs }: Joined): readonly unknown[] {
  try {
    return merge.split(connection.run(procedureOf({ verb, input: merge.join(inputs) })), inputs)
  } catch (error) {
    if (!connection.db.inTransaction || concernsAll(failureOf(error))) throw error
    exec(connection, 'ROLLBACK')
    throw new NotAlone()
  }
}

const concernsAll = ({ fatal, code }: Failure): boolean => fatal || code === 'storage_full' || code === 'storage_busy'

function allFailed(connection: Connection, calls: readonly Call[], error: unknown): GroupResult {
  const failure = failureOf(error)
  if (connection.db.inTransaction) {
    try {
      exec(connection, 'ROLLBACK')
    } catch (rollbackError) {
      const worse = failureOf(rollbackError)
      if (worse.fatal) return { values: [], failures: calls.map(() => worse), head: null }
    }
  }
  return { values: [], failures: calls.map(() => failure), head: null }
}

function procedureOf({ verb, input }: Call): Procedure<unknown> {
  if (!Object.hasOwn(WRITES, verb)) throw new HubError('internal', `There is no procedure "${verb}".`)
  const procedure = WRITES[verb as keyof typeof WRITES] as (argument: unknown) => Procedure<unknown>
  return procedure(input)
}

function* statement(sql: string): Procedure<void> {
  yield { sql, params: [] }
}

const exec = (connection: Connection, sql: string): void => connection.run(statement(sql))

function* selectHead(): Procedure<number> {
  const { rows } = yield { sql: SELECT_HEAD, params: [] }
  return (rows[0] as { seq: number }).seq
}
