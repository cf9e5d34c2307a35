/** Keeps the sandbox's own two programs between starts, by the content of everything they are made of. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
/** Outside the room: what the guest's code imports besides. */
const OUTSIDE = ['../contract/index.ts', '../limits.ts', '../../package-lock.json']
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/manifold', import.meta.url))

/** The program kept from the same sources, or what `make` makes, which is then kept. */
export async function cachedProgram(name: string, make: () => Promise<string>): Promise<string> {
  const file = join(CACHE, `sandbox-${name}-${await sourcesHash()}.js`)
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) return kept
  const made = await make()
  try {
    await mkdir(CACHE, { recursive: true })
    // Renamed into place, so that two starts at once never read half of it.
    const temporary = `${file}.${randomUUID()}.tmp`
    await writeFile(temporary, made)
    await rename(temporary, file)
  } catch {
    // A folder that cannot be written only costs the next start some time.
    return made
  }
  return made
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
