/** Copies the database page by page from one snapshot, beside the writer and the reader. */
import { parentPort, workerData } from 'node:worker_threads'
import type { BackupThreadData, FromBackupThread } from './backup.ts'
import { FORGET_SALTS } from '../procedures/day-salt.ts'
import { openReader, openWriter } from './connection.ts'
import { failureOf } from './failures.ts'
import { databaseFile } from './files.ts'

const PAGES_PER_STEP = 1_000

const { dir, limits, target } = workerData as BackupThreadData
const say = (message: FromBackupThread): void => parentPort?.postMessage(message)

/** Overwritten, not only unlinked; what is closed leaves no other file behind. */
function forgetSalts(): void {
  const { db: copy } = openWriter(target, { busyTimeoutMs: limits.sqliteBusyTimeoutMs, walBytesMax: 0 })
  copy.exec(FORGET_SALTS)
  copy.pragma('wal_checkpoint(TRUNCATE)')
  copy.close()
}

const { db } = openReader(databaseFile(dir).path, { busyTimeoutMs: limits.sqliteBusyTimeoutMs })
try {
  // An open read transaction pins the snapshot: without it every commit would make the copy start again.
  db.exec('BEGIN')
  db.prepare('SELECT seq FROM log_head').get()
  await db.backup(target, {
    progress: ({ totalPages, remainingPages }) => {
      if (totalPages > 0) say({ kind: 'progress', fraction: (totalPages - remainingPages) / totalPages })
      return PAGES_PER_STEP
    },
  })
  db.exec('COMMIT')
  forgetSalts()
  say({ kind: 'progress', fraction: 1 })
  say({ kind: 'done' })
} catch (error) {
  say({ kind: 'failed', failure: failureOf(error) })
} finally {
  db.close()
}
