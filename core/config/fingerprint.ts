/** What a file or folder looked like, as a text to compare; and the folders in which a change of it shows. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

const FOLDER_ENTRIES_MAX = 5_000

export interface Fingerprint {
  readonly print: string
  /** To be listened at. A file counts through its folder: a rename over it would leave a watch on the old one. */
  readonly folders: readonly string[]
}

/** By path. */
export async function fingerprints(paths: readonly string[]): Promise<ReadonlyMap<string, Fingerprint>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await fingerprint(path)] as const)))
}

/** Of content for files, of names, sizes and times for folders. What cannot be read is told apart from what is empty. */
async function fingerprint(path: string): Promise<Fingerprint> {
  try {
    const folder = (await stat(path)).isDirectory() ? await lookInto(path) : null
    const content = folder === null ? await readFile(path) : folder.lines.toSorted().join('\n')
    const print = createHash('sha256').update(content).digest('hex')
    return { print, folders: folder?.folders ?? [dirname(path)] }
  } catch (error) {
    return { print: `unreadable ${(error as NodeJS.ErrnoException).code}`, folders: [dirname(path)] }
  }
}

/** Everything in it but `node_modules` and dot files. */
async function lookInto(folder: string): Promise<{ readonly lines: string[]; readonly folders: readonly string[] }> {
  const lines: string[] = []
  const folders = [folder]
  for (const next of folders) {
    if (lines.length >= FOLDER_ENTRIES_MAX || folders.length >= FOLDER_ENTRIES_MAX) break
    const entries = (await readdir(next, { withFileTypes: true })).filter(
      ({ name }) => !name.startsWith('.') && name !== 'node_modules',
    )
    for (const entry of entries) if (entry.isDirectory()) folders.push(join(next, entry.name))
    const files = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => join(next, name))
    lines.push(
      ...(await Promise.all(
        files.map(async (path) => {
          const info = await stat(path).catch(() => null)
          return `${path}:${info?.size}:${info?.mtimeMs}`
        }),
      )),
    )
  }
  return { lines, folders }
}
