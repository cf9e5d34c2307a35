/** Every setting of the file as it was typed, each with the line it stands on; nothing in it is secret. */
import { stringify } from 'yaml'
import { LIMITS } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import type { KnownPlugin } from './config.ts'
import { formatPath, readDocument } from './document.ts'
import type { ConfigTree, Path } from './document.ts'
import { valueAt } from './explain.ts'
import { MASK, mask, secretsIn } from './print.ts'

/** Whose setting it is; null: the whole hub's. */
export type SettingOwner = {
  readonly kind: 'installation' | 'form'
  readonly workspace: WorkspaceId
  readonly id: string
} | null

export interface TypedSetting {
  /** With ids where the list has them, so that it is the same setting wherever it stands: `installations.crm.with.url`. */
  readonly name: string
  /** `${NAME}` as it was typed; `***` for what is secret. Lists and mappings are here only where they are empty. */
  readonly value: unknown
  readonly line: number
  readonly column: number
  readonly owner: SettingOwner
}

export interface TypedInput {
  readonly file: string
  readonly text: string
  readonly plugins: readonly KnownPlugin[]
}

/** A file with all that is asked of it. */
export interface TypedFile {
  readonly settings: readonly TypedSetting[]
  /** What stands there, unmasked: to compare, never to show. */
  rawOf(setting: TypedSetting): unknown
  /** What belongs to it, as it was typed; null: there is no such thing. */
  pieceOf(owner: NonNullable<SettingOwner>): unknown
  /** The same as a piece of the file. */
  yamlOf(owner: NonNullable<SettingOwner>): string | null
}

/** Null for a text that is no YAML. */
export function readTyped({ file, text, plugins }: TypedInput): TypedFile | null {
  const tree = readDocument({ file, text, env: null, limits: LIMITS })
  if (tree.fatal.length > 0) return null
  const shown = maskTyped(tree, plugins)
  const raw = new WeakMap<TypedSetting, unknown>()
  const settings = leaves(tree.value, []).map(({ path, value }) => {
    const name = formatPath(path.map((part, at) => labelOf(tree.value, path.slice(0, at), part)))
    const { line, column } = tree.keyPlaceOf(path)
    const setting = { name, value: valueAt(shown, path), line, column, owner: ownerAt(tree.value, path) }
    raw.set(setting, value)
    return setting
  })
  const pieceOf = (owner: NonNullable<SettingOwner>): unknown => {
    const path = pathOf(tree.value, owner)
    return path === null ? null : valueAt(shown, path)
  }
  return {
    settings,
    rawOf: (setting) => raw.get(setting),
    pieceOf,
    yamlOf: (owner) => {
      const piece = pieceOf(owner)
      if (piece === null) return null
      const whole = owner.kind === 'form' ? { forms: { [owner.id]: piece } } : { installations: [piece] }
      return stringify(whole, { lineWidth: 0 })
    },
  }
}

/** A name of a variable gives nothing away; what stands for it otherwise, such as a default, may. */
const ONLY_VARIABLE = /^\$\{[A-Za-z_][A-Za-z0-9_]*\}$/

function maskTyped(tree: ConfigTree, plugins: readonly KnownPlugin[]): unknown {
  const isSecret = secretsIn(tree, plugins)
  return mask(tree.value, [], (path) => {
    const value = valueAt(tree.value, path)
    return isSecret(path) && !(typeof value === 'string' && ONLY_VARIABLE.test(value)) && value !== MASK
  })
}

interface Leaf {
  readonly path: Path
  readonly value: unknown
}

function leaves(value: unknown, path: Path): readonly Leaf[] {
  if (value === null || typeof value !== 'object') return [{ path, value }]
  const inner: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  if (inner.length === 0) return path.length === 0 ? [] : [{ path, value }]
  return inner.flatMap(([part, each]) => leaves(each, [...path, part]))
}

/** What is in a list goes by its id or key, where it has one. */
function labelOf(root: unknown, list: Path, part: string | number): string | number {
  if (typeof part === 'string') return part
  const item = valueAt(root, [...list, part])
  const { id, key } = (item !== null && typeof item === 'object' ? item : {}) as { id?: unknown; key?: unknown }
  return typeof id === 'string' ? id : typeof key === 'string' ? key : part
}

function ownerAt(root: unknown, [section, at]: Path): SettingOwner {
  if (at === undefined) return null
  const entry = valueAt(root, [section ?? '', at]) as { workspace?: unknown; id?: unknown } | null
  const workspace = typeof entry?.workspace === 'string' ? entry.workspace : DEFAULT_WORKSPACE
  if (section === 'forms') return { kind: 'form', workspace, id: String(at) }
  return section === 'installations' ? { kind: 'installation', workspace, id: String(entry?.id) } : null
}

function pathOf(root: unknown, { kind, workspace, id }: NonNullable<SettingOwner>): Path | null {
  const isIt = (path: Path): boolean => {
    const owner = ownerAt(root, path)
    return owner?.workspace === workspace && owner.id === id
  }
  if (kind === 'form') return valueAt(root, ['forms', id]) !== undefined && isIt(['forms', id]) ? ['forms', id] : null
  const all = valueAt(root, ['installations'])
  const index = Array.isArray(all) ? all.findIndex((_entry, at) => isIt(['installations', at])) : -1
  return index < 0 ? null : ['installations', index]
}
