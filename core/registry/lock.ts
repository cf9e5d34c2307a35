/** `manifold.lock.json` in the data folder: for each plugin in use its version, the hash of its code, and what was granted. */
import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { syncFolder } from './sync-folder.ts'

export const LOCK_FILE = 'manifold.lock.json'

const lockSchema = z.strictObject({
  version: z.literal(1),
  plugins: z.record(
    z.string(),
    z.strictObject({
      version: z.string(),
      /** SHA-256 of the bundle, hex. */
      hash: z.string(),
      /**
       * SHA-256 of manifest and bundle, hex: the name under which both are kept (approved-files.ts). Empty in a lock from
       * before there was one: the grant holds, and gets its name when the plugin is loaded next.
       */
      files: z
        .string()
        .regex(/^(?:[0-9a-f]{64})?$/)
        .default(''),
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
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return { version: 1, plugins: Object.create(null) as Lock['plugins'] }
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error })
  }
  const parsed = lockSchema.safeParse(parseJson(text))
  if (!parsed.success) {
    throw new Error(
      `${file} is damaged (${parsed.error.issues[0]?.message}); restore it, or delete it to grant every plugin in use what it asks for now`,
    )
  }
  // Without a prototype: "constructor" is an id like any other.
  return { version: 1, plugins: Object.assign(Object.create(null) as Lock['plugins'], parsed.data.plugins) }
}

/** The file, while nobody else may change it. */
export interface HeldLock {
  /** As it is now; changed here, it is written by `write`. */
  readonly plugins: Lock['plugins']
  /** Replaces the file in one step; it is on the disk when this resolves. */
  write(): Promise<void>
}

/** One process at a time: an approval and a hub that starts beside it must not undo each other. */
export function holdLock(dataDir: string, work: (lock: HeldLock) => Promise<void>): Promise<void> {
  return alone(`${lockPath(dataDir)}.writing`, async () => {
    const { plugins } = await readLock(dataDir)
    await work({ plugins, write: () => writeLock(dataDir, plugins) })
  })
}

async function writeLock(dataDir: string, plugins: Lock['plugins']): Promise<void> {
  const file = lockPath(dataDir)
  const sorted = Object.fromEntries(Object.entries(plugins).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  const temporary = `${file}.${randomUUID()}.tmp`
  // On the disk before it takes the place of the old one: a lock that a power cut emptied would stop the next start.
  await writeFile(temporary, `${JSON.stringify({ version: 1, plugins: sorted }, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  })
  await rename(temporary, file)
  await syncFolder(dataDir)
}

/** Of a process that died while it wrote. Writing takes milliseconds. */
const LEFT_BEHIND_MS = 10_000
const LOOK_MS = 10

/** Does it while this process holds the file. */
async function alone(file: string, work: () => Promise<void>): Promise<void> {
  while (!(await taken(file))) {
    const sinceMs = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.POSITIVE_INFINITY,
    )
    if (Date.now() - sinceMs > LEFT_BEHIND_MS) await rm(file, { force: true })
    else await sleep(LOOK_MS)
  }
  try {
    await work()
  } finally {
    await rm(file, { force: true })
  }
}

async function taken(file: string): Promise<boolean> {
  try {
    await writeFile(file, '', { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
