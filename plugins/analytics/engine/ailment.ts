/** What it means that the engine failed: what it was given is at fault, it has run short of something, or it is done for. */
import type { DuckDBConnection } from '@duckdb/node-api'

/** Nothing more can be done with the file as it is open: it has to be opened again. */
export class EngineLost extends Error {
  override readonly name = 'EngineLost'
}

/** How to go on with an engine that is done for: its file is opened `again`, or made `anew` since it is damaged. */
export type Cure = 'again' | 'anew'

const INVALIDATED = /^FATAL Error|database has been invalidated/
const DAMAGED = /corrupt database file/i

/** Null: it goes on by itself. */
export function cureOf(error: unknown): Cure | null {
  const text = messageOf(error)
  if (DAMAGED.test(text)) return 'anew'
  return error instanceof EngineLost || INVALIDATED.test(text) ? 'again' : null
}

const OF_ROWS = /^(?:Conversion|Constraint|Invalid Input|Invalid Type|Mismatch Type|Out of Range) Error/

/** The same rows will never be taken, by the engine or by what makes them ready for it. */
export const isOfRows = (error: unknown): boolean =>
  OF_ROWS.test(messageOf(error)) || error instanceof TypeError || error instanceof RangeError

/** Fewer rows at a time may do. */
export const isOfMemory = (error: unknown): boolean => /out of memory|failed to pin block/i.test(messageOf(error))

/** Ends what a transaction began; where not even that can be done, its connection is stuck in it. */
export async function takeBack(connection: DuckDBConnection): Promise<void> {
  try {
    await connection.run('ROLLBACK')
  } catch (error) {
    // A commit that failed has ended it already.
    if (/no transaction is active/.test(messageOf(error))) return
    throw new EngineLost(`a transaction cannot be taken back: ${messageOf(error)}`, { cause: error })
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
