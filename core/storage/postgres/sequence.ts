/** Is the end of the log there that was ever committed? Asked at start. */
import type { Pool } from 'pg'
import { HubError } from '../../errors.ts'

/** Counting a whole log of a thousand million entries takes minutes; what a crash or a bad restore takes is its end. */
const CHECKED_EVENTS = 100_000

/**
 * Throws when the newest entries do not follow each other up to the last sequence given out. Ranges whose loss an admin
 * accepted, while this was a SQLite file, count as there.
 */
export async function assertUnbroken(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ seq: string; wanted: string; found: string; last: string }>(
    `SELECT h.seq, least(h.seq - h.first_seq + 1, $1) AS wanted,
        (SELECT count(*) FROM events e WHERE e.seq > h.seq - $1)
          + (SELECT coalesce(sum(l.to_seq - greatest(l.from_seq, h.seq - $1 + 1) + 1), 0)
              FROM lost_ranges l WHERE l.to_seq > h.seq - $1) AS found,
        greatest((SELECT coalesce(max(e.seq), h.first_seq - 1) FROM events e),
          (SELECT max(l.to_seq) FROM lost_ranges l)) AS last
      FROM log_head h`,
    [CHECKED_EVENTS],
  )
  const [row] = rows
  if (row === undefined) throw new HubError('storage_failed', 'The database has no log_head row; restore a backup.')
  const [seq, wanted, found, last] = [row.seq, row.wanted, row.found, row.last].map(Number)
  if (wanted === found && seq === last) return
  throw new HubError(
    'storage_failed',
    `The database is damaged: of the last ${wanted} events up to ${seq} it holds ${found}, the newest is ${last}. Restore a backup (pg_restore).`,
  )
}
