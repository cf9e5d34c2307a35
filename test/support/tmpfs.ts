/** A small disk of its own, to be filled up. */
import { execFile } from 'node:child_process'
import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tempDir } from './temp.ts'

const run = promisify(execFile)
const FILLER_STEP_BYTES = 4_096

export interface Tmpfs extends AsyncDisposable {
  readonly path: string
  freeBytes(): Promise<number>
  /** Takes all free space but `leaveBytes` with one file. */
  fill(leaveBytes?: number): Promise<void>
  /** Removes that file. */
  free(): Promise<void>
}

/** Mounts a tmpfs of this size; throws one line that says what to do when it may not. */
export async function mountTmpfs(bytes: number): Promise<Tmpfs> {
  const dir = await tempDir('tmpfs')
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir.path]).then(
    () => true,
    () => false,
  )
  if (!mounted) {
    await dir[Symbol.asyncDispose]()
    throw new Error('This test mounts a tmpfs: run it as root, or in `unshare --user --map-root-user --mount`.')
  }
  const filler = join(dir.path, 'filler')
  const freeBytes = async () => {
    const { bavail, bsize } = await statfs(dir.path)
    return bavail * bsize
  }
  return {
    path: dir.path,
    freeBytes,
    fill: async (leaveBytes = 0) => {
      const free = (await freeBytes()) - leaveBytes
      await writeFile(filler, Buffer.alloc(Math.max(0, free - (free % FILLER_STEP_BYTES))))
    },
    free: () => rm(filler, { force: true }),
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['-l', dir.path])
      await dir[Symbol.asyncDispose]()
    },
  }
}
