/** One hub for one data folder: two writers of one database would each believe their own memory. */
import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HubError } from '../../errors.ts'

/** Held until `release`, or until the process ends, however it ends. */
export interface Ownership {
  release(): Promise<void>
}

/**
 * Listens on a local name made of the folder's real path: the system lets only one process have it and takes it back
 * when that process dies, so nothing stale is ever left behind. Rejects with `unavailable` when another has it.
 */
export function claimFolder(dir: string): Promise<Ownership> {
  const digest = createHash('sha256').update(realpathSync(dir)).digest('hex').slice(0, 32)
  // A leading NUL is Linux's abstract namespace: no file, gone with the process.
  const name = process.platform === 'linux' ? `\0manifold-${digest}` : localName(digest)
  const server = createServer((socket) => socket.destroy())
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      reject(
        new HubError('unavailable', `Another hub runs on ${dir}. Stop it, or choose another data folder with --data.`, {
          cause: error,
        }),
      )
    })
    server.listen(name, () => {
      server.unref()
      resolve({ release: () => new Promise((done) => void server.close(() => done())) })
    })
  })
}

const localName = (digest: string): string =>
  process.platform === 'win32' ? `\\\\.\\pipe\\manifold-${digest}` : join(tmpdir(), `manifold-${digest}.sock`)
