/** Which index answers a question about deliveries, and what is left to ask of the rows it brings. */
import type { DeliveryState, WorkspaceId } from '../../model.ts'
import { first } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { DeliveryQuery, ReplayQuery } from '../store.ts'
import { when, where } from '../where.ts'
import type { Condition } from '../where.ts'
import type { Path } from './stretches.ts'

/** All that lists, counts and replays can be narrowed down by, but words. */
export type DeliveryFilter = Omit<DeliveryQuery, 'limit' | 'after' | 'text' | 'state'> &
  Pick<ReplayQuery, 'host' | 'endedBy'> & {
    readonly states?: readonly DeliveryState[] | undefined
    /** What was erased has nothing left that could be sent. */
    readonly hasInput?: true
  }

/** Those that are named by their ids. */
export const pathByIds = (workspace: WorkspaceId, filter: DeliveryFilter): Path => ({
  table: 'deliveries',
  indexed: [['workspace = ?', workspace]],
  others: othersOf(filter),
  isOrdered: false,
})

/**
 * The index for these filters. `sortedMax`: where more are waiting than are worth sorting, they are looked for by time, so a page
 * of them may be short; without it they are sorted however many they are.
 */
export function* pathOf(workspace: WorkspaceId, filter: DeliveryFilter, sortedMax?: number): Procedure<Path> {
  const { event, response, installation, form, reason, cause } = filter
  const states = filter.states === undefined ? undefined : [...new Set(filter.states)]
  const own: Condition = ['workspace = ?', workspace]
  if (event !== undefined || response !== undefined) {
    const few = [
      own,
      ...(event === undefined ? [] : yield* ofEvent(workspace, event)),
      when('response_id = ?', response),
    ]
    return { table: 'deliveries', indexed: few, others: othersOf({ ...filter, states }), isOrdered: false }
  }
  const byInstallation = when('installation = ?', installation)
  const isWaiting =
    states !== undefined && states.length > 0 && states.every((state) => state === 'pending' || state === 'retrying')
  if (isWaiting && (sortedMax === undefined || (yield* waitingOf(own, byInstallation)) <= sortedMax)) {
    const waiting = [own, byInstallation, ['finished_at IS NULL']] as const
    return {
      table: 'deliveries',
      indexed: waiting,
      others: othersOf({ ...filter, states, installation: undefined }),
      isOrdered: false,
    }
  }
  // Only what is dead has a reason and a cause. The state is no parameter, or the small indexes of dead ones would not serve.
  const isDead = states?.length === 1 && states[0] === 'dead'
  if (isDead || reason !== undefined || cause !== undefined) {
    const rest = { ...filter, states: isDead ? undefined : states }
    const dead: Condition = ["state = 'dead'"]
    return cause === undefined
      ? {
          table: 'deliveries',
          indexed: [own, byInstallation, dead],
          others: othersOf({ ...rest, installation: undefined }),
          isOrdered: true,
        }
      : {
          table: 'deliveries',
          indexed: [own, ['cause = ?', cause], dead],
          others: othersOf({ ...rest, cause: undefined }),
          isOrdered: true,
        }
  }
  const rest = installation === undefined ? { ...filter, form: undefined } : { ...filter, installation: undefined }
  const lane = installation === undefined ? when('form_id = ?', form) : byInstallation
  return { table: 'deliveries', indexed: [own, lane], others: othersOf({ ...rest, states }), isOrdered: true }
}

/** As the lanes' counters say. */
function* waitingOf(...lane: readonly Condition[]): Procedure<number> {
  const { sql, params } = where(lane)
  const row = yield* first<{ n: number | null }>(
    `SELECT sum(pending + retrying) AS n FROM lane_counts WHERE ${sql}`,
    params,
  )
  return Number(row?.n ?? 0)
}

function othersOf({
  installation,
  form,
  states,
  reason,
  code,
  cause,
  host,
  endedBy,
  hasInput,
}: DeliveryFilter): readonly Condition[] {
  const others = [
    when("installation || '' = ?", installation),
    when("form_id || '' = ?", form),
    ofStates(states),
    when("reason || '' = ?", reason),
    when("error_code || '' = ?", code),
    when("cause || '' = ?", cause),
    when("host || '' = ?", host),
    when('finished_at <= ?', endedBy),
    hasInput === true ? (['input IS NOT NULL'] as const) : undefined,
  ]
  return others.filter((condition) => condition !== undefined)
}

function ofStates(states: readonly DeliveryState[] | undefined): Condition {
  if (states === undefined) return undefined
  if (states.length === 0) return ['1 = 0']
  return [`state || '' IN (${states.map(() => '?').join(', ')})`, ...states]
}

/** Deliveries are indexed by response, or by event when there is none; the event itself says which it is. */
function* ofEvent(workspace: WorkspaceId, eventId: string): Procedure<readonly Condition[]> {
  const event = yield* first<{ response_id: string | null }>(
    'SELECT response_id FROM events WHERE id = ? AND workspace = ?',
    [eventId, workspace],
  )
  const responseId = event?.response_id ?? null
  return [['event_id = ?', eventId], responseId === null ? ['response_id IS NULL'] : ['response_id = ?', responseId]]
}
