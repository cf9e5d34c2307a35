/** Keeps the sandbox's own two programs between starts, by the content of everything they are made of. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../limits.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
/** Outside the room: what the guest's code imports besides. */
const OUTSIDE = ['../contract/index.ts', '../limits.ts', '../../package-lock.json']
const PREFIX = 'sandbox-'
const SUFFIX = '.js'
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/manifold', import.meta.url))

/** Of a process that died while it wrote; writing takes milliseconds. */
const LEFT_BEHIND_MS = 60_000

export interface ProgramRequest {
  readonly name: 'guest' | 'child'
  readonly make: () => Promise<string>
  /** Where programs are kept; default: beside the packages, like everything that is made of them. */
  readonly dir?: string
}

/** The program kept from the same sources, or what `make` makes, which is then kept, and the longest unused ones are not. */
export async function cachedProgram({ name, make, dir = CACHE }: ProgramRequest): Promise<string> {
  const file = join(dir, `${PREFIX}${name}-${await sourcesHash()}${SUFFIX}`)
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) {
    const now = new Date()
    await utimes(file, now, now).catch(() => undefined)
    return kept
  }
  const made = await make()
  try {
    await mkdir(dir, { recursive: true })
    // Renamed into place, so that two starts at once never read half of it.
    const temporary = `${file}.${randomUUID()}.tmp`
    await writeFile(temporary, made)
    await rename(temporary, file)
    await prune(dir)
  } catch {
    // A folder that cannot be written only costs the next start some time.
    return made
  }
  return made
}

async function prune(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => name.startsWith(PREFIX))
  const aged = await Promise.all(
    names.map(async (name) => ({ name, usedMs: (await stat(join(dir, name)).catch(() => null))?.mtimeMs ?? 0 })),
  )
  const newestFirst = aged.toSorted((a, b) => b.usedMs - a.usedMs)
  const isOver = newestFirst.filter(({ name }) => name.endsWith(SUFFIX)).slice(LIMITS.childProgramsKeptMax)
  const leftBehind = newestFirst.filter(
    ({ name, usedMs }) => !name.endsWith(SUFFIX) && Date.now() - usedMs > LEFT_BEHIND_MS,
  )
  await Promise.all([...isOver, ...leftBehind].map(({ name }) => rm(join(dir, name), { force: true })))
}

let hash: Promise<string> | undefined

function sourcesHash(): Promise<string> {
  hash ??= hashSources()
  return hash
}

async function hashSources(): Promise<string> {
  const own = (await readdir(HERE, { recursive: true })).filter((name) => name.endsWith('.ts')).toSorted()
  // The child names its native library by its place, so a copied folder makes its own.
  const sum = createHash('sha256').update(HERE)
  for (const name of [...own, ...OUTSIDE]) sum.update(`${name}\0`).update(await readFile(join(HERE, name)))
  return sum.digest('hex').slice(0, 32)
}
