/** Behaviour events become entries of the log, each once, however often its sender sends it. */
import { allMany, runMany } from '../procedure.ts'
import type { Procedure, SqlValue } from '../procedure.ts'
import type { TrackedEvent, TrackResult } from '../tracked.ts'
import { takeSequences } from './write-response.ts'

const FIND = 'SELECT workspace, client_id, id, type, at FROM events WHERE workspace = ? AND client_id = ?'
const INSERT = `INSERT INTO events (seq, id, workspace, type, at, form_id, hops, data, meta, client_id)
  VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`

/** What became of one; of a stored one the caller knows the rest. */
export type Tracked = { readonly kind: 'stored'; readonly seq: number } | Extract<TrackResult, { kind: 'duplicate' }>

export interface TrackInput {
  readonly events: readonly TrackedEvent[]
}

type Known = Pick<TrackedEvent, 'id' | 'type' | 'at'>

/** In order; a later one of the same call sees the earlier ones. */
export function* track({ events }: TrackInput): Procedure<readonly Tracked[]> {
  const known = yield* knownOf(events)
  const fresh: TrackedEvent[] = []
  const places = events.map((event): number | Known => {
    const name = nameOf(event)
    const before = name === null ? undefined : known.get(name)
    if (before !== undefined) return before
    if (name !== null) known.set(name, event)
    return fresh.push(event) - 1
  })
  const from = fresh.length === 0 ? 0 : yield* takeSequences(fresh.length, 0)
  yield* runMany(
    INSERT,
    fresh.map(({ id, workspace, type, at, formId, data, meta, clientId }, i): SqlValue[] => [
      from + i,
      id,
      workspace,
      type,
      at,
      formId,
      data,
      meta,
      clientId,
    ]),
  )
  return places.map((place): Tracked =>
    typeof place === 'number'
      ? { kind: 'stored', seq: from + place }
      : { kind: 'duplicate', id: place.id, type: place.type, at: place.at },
  )
}

const nameOf = ({ workspace, clientId }: Pick<TrackedEvent, 'workspace' | 'clientId'>): string | null =>
  clientId === null ? null : `${workspace}/${clientId}`

function* knownOf(events: readonly TrackedEvent[]): Procedure<Map<string, Known>> {
  const named = events.filter(({ clientId }) => clientId !== null)
  const rows = yield* allMany<Known & { readonly workspace: string; readonly client_id: string }>(
    FIND,
    named.map(({ workspace, clientId }): SqlValue[] => [workspace, clientId]),
  )
  return new Map(rows.map(({ workspace, client_id, id, type, at }) => [`${workspace}/${client_id}`, { id, type, at }]))
}
