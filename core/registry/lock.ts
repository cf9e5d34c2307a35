/** `manifold.lock.json` in the data folder: for each plugin in use its version, the hash of its code, and what was granted. */
import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
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
  return alone(`${lockPath(dataDir)}.writing`, async (isMine) => {
    const { plugins } = await readLock(dataDir)
    const write = async (): Promise<void> => {
      if (!(await isMine()))
        throw new Error(
          `${lockPath(dataDir)} was not written: another process took over while this one stood still; try again`,
        )
      await writeLock(dataDir, plugins)
    }
    await work({ plugins, write })
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

/**
 * Does it while this call holds the file, which says who that is. Whoever stood still for so long that another took over
 * finds another name there, and neither writes nor frees anything.
 */
async function alone(file: string, work: (isMine: () => Promise<boolean>) => Promise<void>): Promise<void> {
  const token = randomUUID()
  while (!(await taken(file, token))) if (!(await freed(file))) await sleep(LOOK_MS)
  const isMine = async (): Promise<boolean> => {
    const owner = await ownerOf(file)
    if (owner !== null) return owner === token
    // One that came late may have it in his hands, and puts it back.
    await sleep(LOOK_MS)
    return (await ownerOf(file)) === token
  }
  try {
    await work(isMine)
  } finally {
    if (await isMine()) await rm(file, { force: true })
  }
}

async function taken(file: string, token: string): Promise<boolean> {
  try {
    await writeFile(file, token, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

const ownerOf = (file: string): Promise<string | null> => readFile(file, 'utf8').catch(() => null)

/** Takes away what a process left behind; true when it is gone. */
async function freed(file: string): Promise<boolean> {
  const owner = await ownerOf(file)
  const leftMs = await stat(file).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  )
  if (leftMs < LEFT_BEHIND_MS) return false
  const aside = `${file}.${randomUUID()}`
  try {
    // Only one gets what is there; but that may be of one who was quicker, and has taken it anew since.
    await rename(file, aside)
    if ((await ownerOf(aside)) !== owner) await link(aside, file)
    return true
  } catch {
    return false
  } finally {
    await rm(aside, { force: true })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
