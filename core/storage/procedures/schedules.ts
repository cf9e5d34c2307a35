/** When schedules fired last, and firing them once. */
import type { NewDelivery, WorkspaceId } from '../../model.ts'
import { all, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { ScheduleDbRow } from '../rows.ts'
import { saveLaneNotes } from './lane-notes.ts'
import type { LaneNotes } from './lane-notes.ts'
import { insertDeliveries } from './effects.ts'

/** The store's `fireSchedule`. */
export interface FireSchedule {
  readonly workspace: WorkspaceId
  readonly installation: string
  readonly plugin: string
  readonly name: string
  readonly fromMs: number
  readonly toMs: number
  readonly delivery: NewDelivery | null
  readonly at: string
}

/** All of them. */
export function* schedules(): Procedure<readonly ScheduleDbRow[]> {
  return yield* all<ScheduleDbRow>(
    'SELECT workspace, installation, name, last_fired_at_ms FROM schedules ORDER BY workspace, installation, name',
    [],
  )
}

/** False: another process fired it. Else whether the delivery is new. */
export function* fireSchedule(input: FireSchedule): Procedure<false | { readonly created: boolean }> {
  const { workspace, installation, plugin, at, delivery } = input
  const fired = yield* run(
    `INSERT INTO schedules (workspace, installation, name, last_fired_at_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (workspace, installation, name) DO UPDATE SET last_fired_at_ms = excluded.last_fired_at_ms
        WHERE schedules.last_fired_at_ms = ?`,
    [workspace, installation, input.name, Math.floor(input.toMs), Math.floor(input.fromMs)],
  )
  if (fired === 0) return false
  if (delivery === null) return { created: false }
  const notes: LaneNotes = new Map()
  const { deliveryIds } = yield* insertDeliveries({ workspace, installation, plugin, at }, [delivery], notes)
  yield* saveLaneNotes(notes)
  return { created: deliveryIds.length > 0 }
}
