/** The files of a SQLite store in its data directory. */
import { chmodSync, closeSync, existsSync, fsyncSync, openSync } from 'node:fs'
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

/** Answers are nobody's business but the hub's. */
const PRIVATE_MODE = 0o600

/** Makes an empty file that only this user may read; false when there is one already. */
export function makePrivate(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', PRIVATE_MODE))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Takes a file that is there away from all other users. By name, since opening and closing it would drop SQLite's locks. */
export function keepPrivate(path: string): void {
  try {
    chmodSync(path, PRIVATE_MODE)
  } catch (error) {
    // Not there, or another user's who gave us access: theirs to decide.
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'EPERM' && code !== 'EROFS') throw error
  }
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
