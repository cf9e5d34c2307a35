/**
 * `manifold.yaml` in, HubConfig out, or every mistake in it at once. A mistake of structure refuses the file; one inside an
 * installation (unknown plugin, settings that do not fit, bad filter, missing variable) sets only that installation aside.
 */
import { createHash } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import ipaddr from 'ipaddr.js'
import { parseForm } from '../ingest/form-definition.ts'
import { LIMITS } from '../limits.ts'
import type { FormDefinition } from '../model.ts'
import type { ConfigProblem, HubConfig, KnownPlugin } from './config.ts'
import { buildConfig } from './build.ts'
import { checkInstallations } from './check-installations.ts'
import { doubtsOf } from './doubts.ts'
import { convertExpanded } from './convert.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath, readDocument } from './document.ts'
import type { Mistake } from './explain.ts'
import { inspect, valueAt } from './explain.ts'
import type { FileConfig } from './file-schema.ts'
import { fileSchema, holdsSecret } from './file-schema.ts'
import { pathOfPointer } from './filter-problems.ts'
import { readConfigText } from './read-text.ts'

export type LoadResult =
  | { readonly config: HubConfig; /** Allowed, and yet most likely slips. */ readonly doubts: readonly ConfigProblem[] }
  | { readonly problems: readonly ConfigProblem[] }

export interface LoadInput {
  /** Null: no file, the defaults. */
  readonly file: string | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** The plugins there are, or how to find them once `pluginDirs` is known (absolute folders). */
  readonly plugins:
    | readonly KnownPlugin[]
    | ((pluginDirs: readonly string[]) => Promise<readonly KnownPlugin[]> | readonly KnownPlugin[])
  /** Instead of what is in the file: for checking text that is not saved. */
  readonly text?: string
}

/** Loads and checks; never throws for what somebody wrote. */
export async function loadConfig(input: LoadInput): Promise<LoadResult> {
  const file = input.file === null ? null : resolve(input.file)
  const read = input.text ?? (file === null ? 'version: 1\n' : await readConfigText(file))
  if (typeof read !== 'string') return { problems: [read] }
  const tree = readDocument({ file: file ?? '(no file)', text: read, env: input.env, limits: LIMITS })
  if (tree.fatal.length > 0) return { problems: tree.fatal }
  const value = withoutEmptySections(tree.value)
  if (value === null) return { problems: [emptyFile(tree)] }

  const { dirs, problems: dirProblems } = await findPluginDirs(tree, value, file)
  const plugins = typeof input.plugins === 'function' ? await input.plugins(dirs) : input.plugins
  const aside = checkInstallations({ tree, value, plugins })
  const checked = inspectExpanded(tree, value)
  const structural: ConfigProblem[] = [
    ...dirProblems,
    ...tree.missing.filter((problem) => !problem.path.startsWith('installations[')),
  ]
  const mistakes = 'mistakes' in checked ? checked.mistakes : []
  const { told: sorted, empty } = outOfWith(mistakes, { value, plugins })
  structural.push(...sorted.map((mistake) => toProblem(tree, mistake)), ...crossCheck(tree, value))
  const forms = readForms(tree, value)
  const missing = new Set(tree.missing.map((problem) => problem.path))
  // Of a form whose shape is wrong the rules of the API would tell the same once more.
  const told = new Set(mistakes.filter(({ path }) => path[0] === 'forms').map(({ path }) => path[1]))
  for (const { form, problem } of forms.problems)
    if (!missing.has(problem.path) && !told.has(form)) structural.push(problem)
  if (structural.length > 0 || 'mistakes' in checked) {
    const others = [...aside.values()].flat().filter(({ path }) => !empty.has(path))
    return { problems: inFileOrder([...structural, ...others]) }
  }
  const checksum = createHash('sha256').update(read).digest('hex')
  return {
    config: buildConfig({
      tree,
      data: checked.data,
      file,
      checksum,
      text: read,
      pluginDirs: dirs,
      definitions: forms.definitions,
      aside,
    }),
    doubts: doubtsOf({ tree, value, forms: forms.definitions, plugins }),
  }
}

/** `forms:` with everything below it commented out is no mistake. */
function withoutEmptySections(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null))
}

/** Parses; where a variable's text stands for a number or a boolean, it becomes one and the parse is repeated. */
function inspectExpanded(tree: ConfigTree, value: unknown): { data: FileConfig } | { mistakes: readonly Mistake[] } {
  for (;;) {
    const result = inspect(fileSchema, value, (path) => tree.isExpanded(path) || holdsSecret(path))
    if ('data' in result) return result
    const converted = result.mistakes.filter((mistake) => convertExpanded(tree, value, mistake))
    if (converted.length > 0) continue
    const missing = new Set(tree.missing.map((problem) => problem.path))
    return { mistakes: result.mistakes.filter((mistake) => !missing.has(formatPath(mistake.path))) }
  }
}

/** Settings that stand beside `with` instead of below it, a blank or two too far left: then that it is `empty` says nothing. */
function outOfWith(
  mistakes: readonly Mistake[],
  { value, plugins }: { readonly value: unknown; readonly plugins: readonly KnownPlugin[] },
): { readonly told: readonly Mistake[]; readonly empty: ReadonlySet<string> } {
  const isStray = ({ path: [list, index, key, ...rest], onKey }: Mistake): boolean => {
    if (list !== 'installations' || index === undefined || rest.length > 0 || !onKey) return false
    const use = valueAt(value, [list, index, 'use'])
    return plugins.some(({ id, settings }) => id === use && settings?.includes(String(key)))
  }
  const strays = mistakes.filter(isStray)
  const holders = strays.map(({ path }) => [...path.slice(0, -1), 'with']).filter((path) => !valueAt(value, path))
  const empty = new Set(holders.map(formatPath))
  const told = mistakes
    .filter(({ path }) => !empty.has(formatPath(path)))
    .map((mistake) => {
      if (!strays.includes(mistake)) return mistake
      const [, index = 0, key] = mistake.path
      const use = String(valueAt(value, ['installations', index, 'use']))
      return {
        ...mistake,
        message: `"${key}" is a setting of "${use}"`,
        hint: 'indent it two spaces deeper, below "with:"',
      }
    })
  return { told, empty }
}

const toProblem = (tree: ConfigTree, mistake: Mistake): ConfigProblem => ({
  place: mistake.onKey ? tree.keyPlaceOf(mistake.path) : tree.placeOf(mistake.path),
  path: formatPath(mistake.path),
  message: mistake.message,
  hint: mistake.hint,
})

/** What one part of the file says against another; looked at whatever else is wrong, so that all is told at once. */
function crossCheck(tree: ConfigTree, value: unknown): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  const firstAt = new Map<string, number>()
  for (const [index, installation] of listAt(value, ['installations']).entries()) {
    const id = valueAt(installation, ['id'])
    if (typeof id !== 'string') continue
    const workspace = valueAt(installation, ['workspace'])
    const key = `${typeof workspace === 'string' ? workspace : 'default'}/${id}`
    const first = firstAt.get(key)
    firstAt.set(key, first ?? index)
    if (first === undefined) continue
    const path = ['installations', index, 'id']
    const { line } = tree.placeOf(['installations', first, 'id'])
    problems.push({
      place: tree.placeOf(path),
      path: formatPath(path),
      message: `the id "${id}" is taken (line ${line})`,
      hint: 'give each installation its own id',
    })
  }
  for (const [index, cidr] of listAt(value, ['network', 'allow']).entries()) {
    if (typeof cidr !== 'string' || ipaddr.isValidCIDR(cidr)) continue
    const path = ['network', 'allow', index]
    const hidden = tree.isExpanded(path)
    const hint =
      ipaddr.isValid(cidr) && !hidden
        ? `write ${cidr}/${cidr.includes(':') ? 128 : 32}`
        : 'write an address and a prefix length, such as 10.0.0.0/8'
    problems.push({
      place: tree.placeOf(path),
      path: formatPath(path),
      message: `must be a range of addresses in CIDR notation${hidden ? '' : ` (got "${cidr}")`}`,
      hint,
    })
  }
  return problems
}

const listAt = (value: unknown, path: Path): readonly unknown[] => {
  const found = valueAt(value, path)
  return Array.isArray(found) ? (found as readonly unknown[]) : []
}

interface FormProblem {
  readonly form: string
  readonly problem: ConfigProblem
}

/** Forms are read by the rules of the API: what it would refuse, the file may not hold. */
function readForms(
  tree: ConfigTree,
  value: unknown,
): { definitions: ReadonlyMap<string, FormDefinition>; problems: readonly FormProblem[] } {
  const definitions = new Map<string, FormDefinition>()
  const problems: FormProblem[] = []
  for (const [id, raw] of Object.entries((valueAt(value, ['forms']) ?? {}) as Record<string, unknown>)) {
    if (raw === null || typeof raw !== 'object') continue
    const { workspace: _workspace, ...wire } = raw as Record<string, unknown>
    const parsed = parseForm(wire)
    if (parsed.ok) definitions.set(id, parsed.definition)
    else {
      for (const { pointer, detail } of parsed.problems) {
        const path = ['forms', id, ...pathOfPointer(pointer, wire)]
        const problem = { place: tree.placeOf(path), path: formatPath(path), message: detail, hint: null }
        problems.push({ form: id, problem })
      }
    }
  }
  return { definitions, problems }
}

async function findPluginDirs(
  tree: ConfigTree,
  value: unknown,
  file: string | null,
): Promise<{ dirs: string[]; problems: ConfigProblem[] }> {
  const listed = valueAt(value, ['pluginDirs'])
  const dirs: string[] = []
  const problems: ConfigProblem[] = []
  for (const [index, entry] of (Array.isArray(listed) ? listed : []).entries()) {
    if (typeof entry !== 'string' || entry === '') continue
    const path = ['pluginDirs', index]
    const dir = resolve(file === null ? '.' : dirname(file), entry)
    const wrong = await folderProblem(dir)
    if (wrong === null) dirs.push(dir)
    else
      problems.push({
        place: tree.placeOf(path),
        path: formatPath(path),
        message: `${dir}: ${wrong}`,
        hint: 'make the folder, or leave the line out',
      })
  }
  return { dirs, problems }
}

async function folderProblem(dir: string): Promise<string | null> {
  try {
    return (await stat(await realpath(dir))).isDirectory() ? null : 'is not a folder'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return 'there is no such folder'
    return code === 'ELOOP' ? 'is a symbolic link that leads back to itself' : `cannot be read (${code})`
  }
}

const emptyFile = (tree: ConfigTree): ConfigProblem => ({
  place: tree.placeOf([]),
  path: '',
  message: 'the file is empty',
  hint: 'write at least "version: 1"; `manifold init` makes a commented example',
})

function inFileOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return problems.toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
}
