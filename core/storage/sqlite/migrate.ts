/** The schema's numbered steps, forward only, each in its own transaction. */
import { readFileSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import { statusAmong, stepsIn } from '../steps.ts'
import type { MigrationStatus } from '../steps.ts'
import { APPLICATION_ID, openReader } from './connection.ts'
import { databaseFile } from './files.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)

/** Where the database of a data directory stands. Changes nothing. */
export function migrationStatus(dir: string): MigrationStatus {
  const file = databaseFile(dir)
  let current = 0
  if (file.exists()) {
    const { db } = openReader(file.path, { busyTimeoutMs: 1_000 })
    try {
      current = schemaVersion(db)
    } finally {
      db.close()
    }
  }
  return statusAmong(stepsIn(MIGRATIONS), current)
}

/** Brings the schema up to date; answers the names of the steps that ran. */
export function migrate(db: Database.Database): readonly string[] {
  const steps = stepsIn(MIGRATIONS)
  const { current, latest, pending } = statusAmong(steps, schemaVersion(db))
  if (current > latest) {
    throw new HubError(
      'storage_failed',
      `The database has schema ${current}, this program knows ${latest}: it was written by a newer Manifold. Start that version, or restore a backup made by this one.`,
    )
  }
  for (const { version, name } of steps) {
    if (version <= current) continue
    const sql = readFileSync(new URL(name, MIGRATIONS), 'utf8')
    db.transaction(() => {
      db.exec('CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT')
      db.exec(sql)
      db.prepare(
        "INSERT INTO meta (name, value) VALUES ('schema_version', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      ).run(String(version))
      db.pragma(`application_id = ${APPLICATION_ID}`)
    }).immediate()
  }
  return pending
}

function schemaVersion(db: Database.Database): number {
  const meta = db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").get()
  if (meta === undefined) return 0
  return Number(db.prepare("SELECT value FROM meta WHERE name = 'schema_version'").pluck().get() ?? 0)
}
