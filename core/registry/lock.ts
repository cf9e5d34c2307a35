/** `manifold.lock.json` in the data folder: for each plugin in use its version, the hash of its code, and what was granted. */
import { randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

export const LOCK_FILE = 'manifold.lock.json'

const lockSchema = z.strictObject({
  version: z.literal(1),
  plugins: z.record(
    z.string(),
    z.strictObject({
      version: z.string(),
      /** SHA-256 of the bundle, hex. */
      hash: z.string(),
      grants: z.array(z.string()),
      /** RFC 3339; when the grants were given. */
      grantedAt: z.string(),
    }),
  ),
})

export type Lock = z.infer<typeof lockSchema>
export type LockEntry = Lock['plugins'][string]

export const lockPath = (dataDir: string): string => join(dataDir, LOCK_FILE)

/** An absent file is an empty lock. A damaged one throws: silently granting everything anew would defeat it. */
export async function readLock(dataDir: string): Promise<Lock> {
  const file = lockPath(dataDir)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1, plugins: {} }
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error })
  }
  const parsed = lockSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    throw new Error(
      `${file} is damaged (${parsed.error.issues[0]?.message}); restore it, or delete it to grant every plugin in use what it asks for now`,
    )
  }
  return parsed.data
}

/** Replaces the file in one step. */
export async function writeLock(dataDir: string, lock: Lock): Promise<void> {
  const file = lockPath(dataDir)
  const plugins = Object.fromEntries(Object.entries(lock.plugins).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const temporary = `${file}.${randomUUID()}.tmp`
  await writeFile(temporary, `${JSON.stringify({ version: 1, plugins }, null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, file)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
