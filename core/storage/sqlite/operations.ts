/** The database file of a data folder, for commands that work on it with or without a running hub. */
import type Database from 'better-sqlite3'
import { LIMITS } from '../../limits.ts'
import type { Logger } from '../../observe/observe.ts'
import type { Store } from '../store.ts'
import type { Finding } from '../../finding.ts'
import { departureFinding, HALF_MOVED } from '../operations.ts'
import type { StorageOperations } from '../operations.ts'
import { acceptLoss } from './accept-loss.ts'
import { backupSqlite } from './backup.ts'
import { openReader, openWriter } from './connection.ts'
import { databaseFile } from './files.ts'
import { migrationStatus } from './migrate.ts'
import { departureOf, dropDeparture, hasMark } from './move-marks.ts'
import { openSqliteStore } from './open.ts'
import { restoreSqlite } from './restore.ts'

export function sqliteOperations(dir: string, logger: Logger): StorageOperations {
  const open = (): Promise<Store> => openSqliteStore({ dir, limits: LIMITS, logger, onFatal: () => {} })
  return {
    shared: false,
    open,
    status: async () => migrationStatus(dir),
    migrate: async () => (await open()).close(),
    backup: (file, progress) => backupSqlite({ dir, limits: LIMITS, target: file, progress }),
    replaces: async (file) =>
      migrationStatus(dir).current > 0
        ? `${dir} holds a database; it would be moved aside and ${file} put in its place.`
        : null,
    restore: (file) => restoreSqlite({ dir, backupFile: file }),
    acceptLoss: async () => acceptLoss(dir),
    hubs: async () => [],
    departure: async () => look(dir, departureOf) ?? null,
    reclaim: async () => reclaim(dir),
    findings: async () => look(dir, findingsOf) ?? [],
  }
}

/** Reads the file that is there; undefined when there is none. */
function look<Seen>(dir: string, see: (db: Database.Database) => Seen): Seen | undefined {
  const file = databaseFile(dir)
  if (!file.exists()) return undefined
  const { db } = openReader(file.path, { busyTimeoutMs: LIMITS.sqliteBusyTimeoutMs })
  try {
    return see(db)
  } finally {
    db.close()
  }
}

function findingsOf(db: Database.Database): readonly Finding[] {
  const departure = departureOf(db)
  return [...(hasMark(db) ? [HALF_MOVED] : []), ...(departure === null ? [] : [departureFinding(departure)])]
}

function reclaim(dir: string): void {
  const { busyTimeoutMs, walBytesMax } = { busyTimeoutMs: LIMITS.sqliteBusyTimeoutMs, walBytesMax: LIMITS.walBytesMax }
  const { db } = openWriter(databaseFile(dir).path, { busyTimeoutMs, walBytesMax })
  try {
    dropDeparture(db)
  } finally {
    db.close()
  }
}
