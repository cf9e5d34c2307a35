/**
 * How much memory joined texts may take while they are made: the engine joins a stretch of rows at once, outside the memory it
 * counts, and nothing stops it within one. So it is known before: how long the longest text is that a question joins, how often,
 * and for how many rows at a time.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import type { Growth } from './growth.ts'
import { isTree, lower } from './tree.ts'
import type { Tree } from './tree.ts'

/** Rows that are computed at once: a vector of each thread. */
const ROWS_AT_ONCE = 2_048 * 2
const BYTES_PER_CHAR_MAX = 4
/** Numbers and times as text. */
const SHORT_BYTES = 40
const BYTES_PER_MB = 2 ** 20

const SHORTENS: ReadonlySet<string> = new Set(['left', 'right', 'substring', 'substr'])
/** What these make of a text is small, whatever its length; so is what compares. */
const MEASURES: ReadonlySet<string> = new Set(
  `length len strlen char_length character_length ascii ord unicode md5 sha256 hash contains starts_with ends_with prefix suffix
   position strpos instr regexp_matches regexp_full_match count ~~ !~~ ~~* !~~*`.split(/\s+/),
)
const COMPARES: ReadonlySet<unknown> = new Set(['COMPARISON', 'BETWEEN'])

export interface TextBounds {
  /** Names of views in lower case. */
  readonly visible: ReadonlySet<string>
  readonly bytesMax: number
  readonly refuse: (detail: string) => never
}

/** Calls `refuse` when what is joined at once may be more than `bytesMax`. */
export async function checkTextBytes(
  connection: DuckDBConnection,
  { statement, growth }: { readonly statement: Tree; readonly growth: Growth },
  { visible, bytesMax, refuse }: TextBounds,
): Promise<void> {
  if (growth.copies === 0) return
  const texts = new Texts(growth.joins, visible)
  texts.look(statement)
  const found = await longest(connection, texts)
  const bytes = Math.max(SHORT_BYTES, texts.longestHere, found.bytes)
  const all = bytes * growth.copies * ROWS_AT_ONCE
  if (all <= bytesMax) return
  const what = found.bytes === bytes ? `"${found.name}" is up to ${bytes} bytes long` : `texts of ${bytes} bytes`
  refuse(
    `joins texts, for which it may take ${mb(all)} MB at a time, and ${mb(bytesMax)} MB at most: ${what}. Shorten what is joined, as in left("${found.name}", 1000)`,
  )
}

const mb = (bytes: number): number => Math.ceil(bytes / BYTES_PER_MB)

/** Which columns may be joined. */
class Texts {
  readonly #joins: ReadonlySet<Tree>
  readonly #visible: ReadonlySet<string>
  readonly views = new Set<string>()
  readonly names = new Set<string>()
  /** Names that the question gives itself: what stands under one may be any column. */
  readonly given = new Set<string>()
  hasStar = false
  /** The longest of those that it says itself, or cuts to a length. */
  longestHere = 0

  constructor(joins: ReadonlySet<Tree>, visible: ReadonlySet<string>) {
    this.#joins = joins
    this.#visible = visible
  }

  /** Whether any of these may be joined. */
  wants(name: string): boolean {
    return this.hasStar || [...this.given].some((given) => this.names.has(given)) || this.names.has(name)
  }

  look(value: unknown): void {
    if (Array.isArray(value)) return value.forEach((each) => this.look(each))
    if (!isTree(value)) return
    const { class: kind, type, alias } = value
    if (typeof alias === 'string' && alias !== '') this.given.add(lower(alias))
    for (const part of ['column_name_alias', 'aliases'] as const)
      for (const name of Array.isArray(value[part]) ? (value[part] as readonly unknown[]) : [])
        this.given.add(lower(name))
    if (type === 'BASE_TABLE' && this.#visible.has(lower(value['table_name'])))
      this.views.add(lower(value['table_name']))
    if (kind === 'STAR') this.hasStar = true
    if (kind === 'CONSTANT') this.longestHere = Math.max(this.longestHere, constantBytes(value))
    if (kind === 'COLUMN_REF') this.names.add(lower((value['column_names'] as readonly unknown[]).at(-1)))
    else if (!this.#isSmall(value)) for (const part of Object.values(value)) this.look(part)
  }

  #isSmall(tree: Tree): boolean {
    const name = lower(tree['function_name'])
    const length = SHORTENS.has(name) ? lengthIn(tree) : null
    if (length !== null) this.longestHere = Math.max(this.longestHere, length * BYTES_PER_CHAR_MAX)
    return (length !== null || MEASURES.has(name) || COMPARES.has(tree['class'])) && !this.#hasJoin(tree)
  }

  #hasJoin(value: unknown): boolean {
    if (Array.isArray(value)) return value.some((each) => this.#hasJoin(each))
    if (!isTree(value)) return false
    return (
      value['class'] === 'SUBQUERY' ||
      this.#joins.has(value) ||
      Object.values(value).some((part) => this.#hasJoin(part))
    )
  }
}

const constantBytes = ({ value }: Tree): number => {
  const text = isTree(value) ? value['value'] : undefined
  return typeof text === 'string' ? Buffer.byteLength(text) : 0
}

/** The number that a text is cut to; null: it is not written there. */
function lengthIn({ children }: Tree): number | null {
  const last = Array.isArray(children) ? (children as readonly Tree[]).at(-1) : undefined
  const value = last?.['class'] === 'CONSTANT' && isTree(last['value']) ? last['value']['value'] : undefined
  return typeof value === 'number' && value >= 0 ? value : null
}

/** The longest text in those columns, as of the moment that the question sees. */
async function longest(
  connection: DuckDBConnection,
  texts: Texts,
): Promise<{ readonly name: string; readonly bytes: number }> {
  let most = { name: '', bytes: 0 }
  for (const view of texts.views) {
    const from = `"${view.replaceAll('"', '""')}"`
    const columns = (
      await rowsOf(connection, `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${from})`)
    )
      .filter(({ name, type }) => /VARCHAR|JSON/.test(String(type)) && texts.wants(lower(name)))
      .map(({ name }) => String(name))
    if (columns.length === 0) continue
    const lengths = columns.map((name, n) => `max(strlen(CAST("${name.replaceAll('"', '""')}" AS VARCHAR))) AS l${n}`)
    const [row = {}] = await rowsOf(connection, `SELECT ${lengths.join(', ')} FROM ${from}`)
    for (const [n, name] of columns.entries()) {
      const bytes = Number(row[`l${n}`] ?? 0)
      if (bytes > most.bytes) most = { name, bytes }
    }
  }
  return most
}
