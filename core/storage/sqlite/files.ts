/** The files of a SQLite store in its data directory. */
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'

export interface DatabaseFile {
  readonly path: string
  readonly wal: string
  readonly shm: string
  exists(): boolean
}

/** `<dir>/manifold.db` and what SQLite keeps beside it. */
export function databaseFile(dir: string): DatabaseFile {
  const path = join(dir, 'manifold.db')
  return { path, wal: `${path}-wal`, shm: `${path}-shm`, exists: () => existsSync(path) }
}

/** Makes a file's bytes, or a directory's entries, reach the disk. Never on an open database: closing drops its locks. */
export function syncToDisk(path: string): void {
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
