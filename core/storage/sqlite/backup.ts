/** A consistent copy of a running database, made by a thread of its own. */
import { renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { HubError } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import { toHubError } from './failures.ts'
import type { Failure } from './failures.ts'
import { makePrivate, syncToDisk } from './files.ts'

export interface BackupThreadData {
  readonly dir: string
  readonly limits: Limits
  readonly target: string
}

export type FromBackupThread =
  | { readonly kind: 'progress'; readonly fraction: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly failure: Failure }

/** The file appears under its name only when it is complete and on disk. */
export async function backupSqlite(options: {
  readonly dir: string
  readonly limits: Limits
  readonly target: string
  readonly progress: ((fraction: number) => void) | undefined
}): Promise<void> {
  const target = resolve(options.target)
  const partial = `${target}.partial`
  rmSync(partial, { force: true })
  try {
    makePrivate(partial)
    await copy({ dir: options.dir, limits: options.limits, target: partial }, options.progress)
    syncToDisk(partial)
    renameSync(partial, target)
    syncToDisk(dirname(target))
  } catch (error) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(partial + suffix, { force: true })
    if (error instanceof HubError && error.code !== 'internal') throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new HubError('unavailable', `The backup ${target} could not be written: ${why}`, { cause: error })
  }
}

function copy(data: BackupThreadData, progress: ((fraction: number) => void) | undefined): Promise<void> {
  return new Promise((done, failed) => {
    const worker = new Worker(new URL('./backup-thread.ts', import.meta.url), {
      workerData: data,
      name: 'manifold-backup',
    })
    worker.on('error', failed)
    worker.on('exit', () => failed(new Error('the backup thread ended before the copy was complete')))
    worker.on('message', (message: FromBackupThread) => {
      if (message.kind === 'progress') progress?.(message.fraction)
      else if (message.kind === 'done') done()
      else failed(toHubError(message.failure))
    })
  })
}
