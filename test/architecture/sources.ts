/** Reads the source tree the way the rules see it: every file with what it imports, resolved to paths of the tree. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, posix, relative, sep } from 'node:path'

export interface Import {
  readonly specifier: string
  /** Path from the root when it is a file of the tree, else null (a package or a Node built-in). */
  readonly file: string | null
  readonly typeOnly: boolean
  readonly line: number
}

export interface Source {
  /** From the root, with forward slashes. */
  readonly path: string
  readonly text: string
  readonly imports: readonly Import[]
}

const SOURCE = /\.(ts|mts|mjs|js)$/
const ROOMS = ['core', 'plugins', 'integrations', 'zapier-app', 'test']
const SKIPPED = /(^|\/)(node_modules|fixtures|\.[^/]*)(\/|$)/

/** All source files below the top folders of `root`; `test/fixtures` holds broken things on purpose and is left out. */
export function readSources(root: string): readonly Source[] {
  return listFiles(root)
    .filter((path) => SOURCE.test(path))
    .map((path) => {
      const text = readFileSync(`${root}/${path}`, 'utf8')
      return { path, text, imports: importsOf(path, text) }
    })
}

/** Every file, whatever its kind, below the top folders of `root`. */
export function listFiles(root: string): readonly string[] {
  return ROOMS.flatMap((room) => {
    try {
      return readdirSync(`${root}/${room}`, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => relative(root, `${entry.parentPath}/${entry.name}`).split(sep).join('/'))
        .filter((path) => !SKIPPED.test(path))
    } catch {
      return []
    }
  }).toSorted()
}

const STATEMENT = /(?<=^|[;\n}])[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*$\s,{}]+?\s+from\s+)?(['"])([^'"\n]+)\2/g
const CALL = /\bimport\(\s*(['"])([^'"\n]+)\1\s*\)(\.\w+)?/g

function importsOf(path: string, text: string): readonly Import[] {
  const found: Import[] = []
  const add = (index: number, specifier: string, typeOnly: boolean) => {
    const line = text.slice(0, index).split('\n').length
    const file = specifier.startsWith('.') ? posix.normalize(`${dirname(path)}/${specifier}`) : null
    found.push({ specifier, file, typeOnly, line })
  }
  for (const match of text.matchAll(STATEMENT)) add(match.index, match[3] as string, match[1] !== undefined)
  // `import('./x.ts').Name` is a type; `await import('./x.ts')` is code.
  for (const match of text.matchAll(CALL)) add(match.index, match[2] as string, /^\.[A-Z]/.test(match[3] ?? ''))
  return found
}
