/** What is known of behaviour events without looking for them: when they changed, how far back they are whole, which forms they watch. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LoggedEvent } from 'manifold/plugin'
import { rowsOf } from './database.ts'
import type { Row } from './database.ts'
import { isTracked } from './event-columns.ts'
import { expiredBefore } from './event-table.ts'
import { sqlText } from './sql-text.ts'

/** What the snippet tells of forms. */
export const VISITS = ['form_view', 'form_start', 'form_field', 'form_abandon', 'form_submit'] as const
const TRACKED_VISITS: ReadonlySet<string> = new Set(VISITS.map((family) => `track.${family}`))

export class EventState {
  /** Place of the log, and id of the event, that changed them last: an answer stays right while these stay. */
  changedAt: number
  changedBy: string
  /** What happened before this time may be gone, in ms since 1970; 0: nothing was ever forgotten. */
  fromMs: number
  /** By form, places of the log. */
  readonly #watched: Map<string, number>

  private constructor({ applied, changedBy, fromMs }: Known, watched: Map<string, number>) {
    this.changedAt = applied
    this.changedBy = changedBy
    this.fromMs = fromMs
    this.#watched = watched
  }

  static async open(writer: DuckDBConnection, progress: Row): Promise<EventState> {
    const applied = Number(progress['applied'] ?? 0)
    const rows = await rowsOf(
      writer,
      `SELECT DISTINCT form_id FROM events WHERE type IN (${VISITS.map(sqlText).join(', ')}) AND form_id IS NOT NULL`,
    )
    const watched = new Map(rows.map((row) => [String(row['form_id']), applied]))
    const changedBy = typeof progress['events_by'] === 'string' ? progress['events_by'] : ''
    return new EventState({ applied, changedBy, fromMs: Number(progress['events_from'] ?? 0) }, watched)
  }

  /** Where the snippet's words about this form changed last; 0: it told none. */
  watchedAt(form: string): number {
    return this.#watched.get(form) ?? 0
  }

  /** What was written up to this place. */
  heard(events: readonly LoggedEvent[], reached: number): void {
    const changing = events.findLast(changesEvents)
    if (changing !== undefined) [this.changedAt, this.changedBy] = [reached, changing.id]
    this.fromMs = Math.max(this.fromMs, expiredBefore(events) ?? 0)
    for (const { type, data, form } of events) {
      const about = data?.['form_id']
      if (TRACKED_VISITS.has(type) && typeof about === 'string') this.#watched.set(about, reached)
      if (type !== 'form.deleted') continue
      const gone = form?.id ?? data?.['id']
      if (typeof gone === 'string') this.#watched.delete(gone)
    }
    // By age or with a field events go, or what they say, of whichever form.
    const isOfAll = events.some((event) => event.type === 'events.expired' || hides(event))
    if (isOfAll) for (const id of this.#watched.keys()) this.#watched.set(id, reached)
  }
}

interface Known {
  readonly applied: number
  readonly changedBy: string
  readonly fromMs: number
}

export const changesEvents = (event: LoggedEvent): boolean =>
  isTracked(event) || event.type === 'events.expired' || event.type === 'form.deleted' || hides(event)

/** A field's answers are nobody's any more. */
export const hides = ({ type, form }: LoggedEvent): boolean =>
  type === 'form.changed' && (form?.hidden?.length ?? 0) > 0
