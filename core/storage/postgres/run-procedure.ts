/** Runs the shared procedures on a connection: each yielded statement is a round trip, however many rows it has. */
import type { ClientBase } from 'pg'
import type { Procedure, Step } from '../procedure.ts'
import { sendAll } from './pipeline.ts'
import type { Call } from './pipeline.ts'
import { statementOf } from './sql.ts'

/** `wrote` is told before each statement that changes something. */
export async function runProcedure<Result>(
  client: ClientBase,
  procedure: Procedure<Result>,
  wrote?: () => void,
): Promise<Result> {
  let step = procedure.next()
  while (step.done !== true) {
    const call = callOf(step.value)
    if (!call.statement.reads) wrote?.()
    const [result] = await sendAll(client, [call])
    step = procedure.next(result ?? { rows: [], changes: 0 })
  }
  return step.value
}

/** A statement as it goes over the wire. */
export const callOf = (step: Step): Call => ({
  statement: statementOf(step.sql),
  rows: 'params' in step ? [step.params] : step.many,
})
