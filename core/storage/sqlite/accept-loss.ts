/** An admin's decision to go on without events that are gone. */
import { HubError } from '../../errors.ts'
import { LIMITS } from '../../limits.ts'
import { openWriter } from './connection.ts'
import { databaseFile } from './files.ts'
import { migrate } from './migrate.ts'
import { checkSequence } from './sequence.ts'
import type { LostRange } from './sequence.ts'
import { assertMoved } from './move-marks.ts'
import { readWatermark, Watermark } from './watermark.ts'

/**
 * Writes the missing ranges down as lost and lets the log go on after them: a sequence is never given out twice.
 * Answers the ranges; none when nothing was missing.
 */
export function acceptLoss(dir: string, options: { readonly nowMs?: () => number } = {}): readonly LostRange[] {
  const file = databaseFile(dir)
  if (!file.exists()) throw new HubError('not_found', `There is no database in ${dir}.`)
  const { db } = openWriter(file.path, { busyTimeoutMs: LIMITS.sqliteBusyTimeoutMs, walBytesMax: LIMITS.walBytesMax })
  try {
    assertMoved(db, dir)
    migrate(db)
    const at = new Date((options.nowMs ?? Date.now)()).toISOString()
    const watermark = readWatermark(dir)
    const { head, lost } = checkSequence(db, watermark)
    const last = Math.max(head, watermark ?? 0, ...lost.map(({ to }) => to))
    db.transaction(() => {
      const insert = db.prepare('INSERT INTO lost_ranges (from_seq, to_seq, accepted_at) VALUES (?, ?, ?)')
      for (const { from, to } of lost) insert.run(from, to, at)
      db.prepare('UPDATE log_head SET seq = ? WHERE only_row = 1').run(last)
    }).immediate()
    new Watermark(dir, last).close()
    return lost
  } finally {
    db.close()
  }
}
