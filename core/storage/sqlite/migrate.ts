/** The schema's numbered steps, forward only, each in its own transaction. */
import { readdirSync, readFileSync } from 'node:fs'
import type Database from 'better-sqlite3'
import { HubError } from '../../errors.ts'
import { APPLICATION_ID, openReader } from './connection.ts'
import { databaseFile } from './files.ts'

const MIGRATIONS = new URL('./migrations/', import.meta.url)

export interface MigrationStatus {
  /** 0: there is no database yet. */
  readonly current: number
  readonly latest: number
  /** File names that the next start will run. */
  readonly pending: readonly string[]
}

interface Migration {
  readonly version: number
  readonly name: string
}

function known(): readonly Migration[] {
  const names = readdirSync(MIGRATIONS).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
  return names.sort().map((name) => ({ version: Number(name.slice(0, 4)), name }))
}

/** Where the database of a data directory stands. Changes nothing. */
export function migrationStatus(dir: string): MigrationStatus {
  const file = databaseFile(dir)
  const migrations = known()
  let current = 0
  if (file.exists()) {
    const { db } = openReader(file.path, { busyTimeoutMs: 1_000 })
    try {
      current = schemaVersion(db)
    } finally {
      db.close()
    }
  }
  return statusOf(migrations, current)
}

function statusOf(migrations: readonly Migration[], current: number): MigrationStatus {
  const pending = migrations.filter(({ version }) => version > current).map(({ name }) => name)
  return { current, latest: migrations.at(-1)?.version ?? 0, pending }
}

/** Brings the schema up to date; answers the names of the steps that ran. */
export function migrate(db: Database.Database): readonly string[] {
  const migrations = known()
  const { current, latest, pending } = statusOf(migrations, schemaVersion(db))
  if (current > latest) {
    throw new HubError(
      'storage_failed',
      `The database has schema ${current}, this program knows ${latest}: it was written by a newer Manifold. Start that version, or restore a backup made by this one.`,
    )
  }
  for (const { version, name } of migrations) {
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
