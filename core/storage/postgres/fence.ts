/**
 * The fence: what a lane's owner writes counts only while it is the owner. A process that was stopped and comes back
 * after others took its work over is refused here, in the transaction, whatever it believes of itself.
 */
import type { HandledBatch } from '../store.ts'
import type { FireSchedule } from '../procedures/schedules.ts'
import type { Finished } from '../procedures/attempts.ts'
import type { Admitted, Extra, WriteCall } from './group-commit.ts'

/** Which lanes this process holds, with the token it got for each. */
export interface Holdings {
  readonly owner: string
  token(key: string): number | undefined
  /** The database says that another process has it. */
  lost(key: string): void
}

interface LeaseRow {
  readonly workspace: string
  readonly installation: string
  readonly token: number
}

const HELD = 'SELECT workspace, installation, token FROM leases WHERE owner = ?'
const FENCED = new Set(['commitHandled', 'finishAttempts', 'fireSchedule'])

/** The question of a group that holds such calls. */
export const fenceQuestion = (holdings: Holdings, calls: readonly WriteCall[]): Extra | null =>
  calls.some(({ verb }) => FENCED.has(verb)) ? { sql: HELD, params: [holdings.owner] } : null

/** `rows` are the leases of this process as they stand, and nobody can take one before this transaction ends. */
export function passFence(
  holdings: Holdings,
  calls: readonly WriteCall[],
  rows: readonly unknown[],
): readonly Admitted[] {
  const held = new Map((rows as readonly LeaseRow[]).map((row) => [`${row.workspace}/${row.installation}`, row.token]))
  const passes = ({
    workspace,
    installation,
  }: {
    readonly workspace: string
    readonly installation: string
  }): boolean => {
    const key = `${workspace}/${installation}`
    const token = held.get(key)
    if (token !== undefined && token === holdings.token(key)) return true
    holdings.lost(key)
    return false
  }
  return calls.map(({ verb, input }): Admitted => {
    if (verb === 'finishAttempts') return ends(input as readonly Finished[], passes)
    if (verb === 'commitHandled') {
      const { batch } = input as { readonly batch: HandledBatch }
      return passes(batch) ? { run: input } : { value: { kind: 'moved', cursor: batch.fromCursor } }
    }
    if (verb === 'fireSchedule') return passes(input as FireSchedule) ? { run: input } : { value: false }
    return { run: input }
  })
}

/** Those of lost lanes are refused, the others are written. */
function ends(finished: readonly Finished[], passes: (each: Finished) => boolean): Admitted {
  const ours = finished.filter(passes)
  if (ours.length === finished.length) return { run: finished }
  return {
    run: ours,
    answer: (value) => {
      const results = [...(value as readonly unknown[])]
      return finished.map((each) => (ours.includes(each) ? results.shift() : null))
    },
  }
}
