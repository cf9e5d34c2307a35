/**
 * What lists of many rows may take. The engine copies such a list for each column and each row that it stands in, outside the memory
 * it counts, and nothing stops it within one step. So it is known before anything runs: what gathers rows is not put beside others
 * again, and how many rows there can be at most, how often each may stand in a list.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import { isTree, lower } from './tree.ts'
import type { Tree } from './tree.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))
const GATHERS = words('list array_agg histogram')
/** With a number behind their arguments they answer a list of so many. */
const OF_MANY: ReadonlyMap<string, number> = new Map(
  [...words('min max')]
    .map((name): [string, number] => [name, 1])
    .concat([...words('arg_min arg_max argmin argmax min_by max_by')].map((name) => [name, 2])),
)
const NAMES: ReadonlySet<unknown> = new Set(['COLUMN_REF', 'STAR', 'POSITIONAL_REFERENCE'])
const RANGES = words('range generate_series')

/** Of a list of the form's choices, and of VALUES. */
const ITEMS_MAX = 1_000
const BYTES_EACH = 32
const BYTES_PER_MB = 2 ** 20

export interface ListBounds {
  /** Names of views in lower case. */
  readonly visible: ReadonlySet<string>
  readonly bytesMax: number
  readonly refuse: (detail: string) => never
}

/** Calls `refuse` when lists may take more than `bytesMax`. */
export async function checkLists(connection: DuckDBConnection, statement: Tree, bounds: ListBounds): Promise<void> {
  const lists = new Lists(statement, bounds)
  if (!lists.gathers(statement)) return
  lists.checkPlaces(statement)
  const counts = new Map<string, number>()
  for (const view of lists.views) {
    const [row] = await rowsOf(connection, `SELECT count(*) AS rows FROM "${view.replaceAll('"', '""')}"`)
    counts.set(view, Number(row?.['rows']))
  }
  const bytes = lists.values(statement, counts) * BYTES_EACH
  if (bytes <= bounds.bytesMax) return
  const mb = (many: number): string => (Number.isFinite(many) ? `${Math.ceil(many / BYTES_PER_MB)} MB` : 'any memory')
  bounds.refuse(
    `puts rows into lists, which may take ${mb(bytes)}, and ${mb(bounds.bytesMax)} at most: gather from one view, fewer rows (LIMIT in a query of its own) or fewer columns`,
  )
}

class Lists {
  readonly views = new Set<string>()
  readonly #refuse: ListBounds['refuse']
  /** Queries that WITH names. */
  readonly #named = new Map<string, Tree>()

  constructor(statement: Tree, { visible, refuse }: ListBounds) {
    this.#refuse = refuse
    for (const tree of treesIn(statement)) {
      for (const { key, value } of isTree(tree['cte_map']) ? (tree['cte_map']['map'] as readonly Tree[]) : [])
        this.#named.set(lower(key), value as Tree)
      if (tree['type'] === 'CTE_NODE') this.#named.set(lower(tree['ctename']), tree['query'] as Tree)
      const table = lower(tree['table_name'])
      if (tree['type'] === 'BASE_TABLE' && visible.has(table)) this.views.add(table)
    }
  }

  /** Whether lists of many rows are made in it, or in what it names. */
  gathers(value: unknown, seen: ReadonlySet<string> = new Set()): boolean {
    for (const tree of treesIn(value)) {
      if (isGather(tree)) return true
      const name = lower(tree['table_name'])
      const query = tree['type'] === 'BASE_TABLE' && !seen.has(name) ? this.#named.get(name) : undefined
      if (query !== undefined && this.gathers(query, new Set([...seen, name]))) return true
    }
    return false
  }

  /** A list of many rows may stand in a row of its own, and nowhere where rows are made many again. */
  checkPlaces(statement: Tree): void {
    for (const tree of treesIn(statement)) {
      const { class: kind, type } = tree
      if (kind === 'WINDOW' && isGather(tree)) this.#refuse('gathers rows into lists for each row (OVER)')
      if (type === 'JOIN' && (this.gathers(tree['left']) || this.gathers(tree['right'])))
        this.#refuse('joins lists of many rows to other rows: gather them last')
      if (kind === 'SUBQUERY' && this.gathers(tree['subquery']))
        this.#refuse('gathers rows into lists in a subquery that stands for a value: gather them in the query itself')
      if (lower(tree['function_name']) === 'map' && this.gathers(tree))
        this.#refuse('makes a map of lists of many rows: group by its keys, or use histogram()')
      if (type === 'SELECT_NODE' && unnests(tree) && this.gathers(tree))
        this.#refuse('takes lists of many rows apart again (unnest)')
    }
  }

  /** How often a value may stand in lists, at most. */
  values(statement: Tree, counts: ReadonlyMap<string, number>): number {
    let rows = 0
    let copies = 0
    for (const tree of treesIn(statement)) {
      if (tree['type'] !== 'SELECT_NODE' || !this.gathers(tree)) continue
      const { select_list: list, from_table: from, group_sets: sets } = tree
      const isOwn = !this.gathers(from)
      if (isOwn) rows += this.#rowsFrom(from, counts) * Math.max(1, Array.isArray(sets) ? sets.length : 1)
      for (const part of treesIn([list, tree['having'], tree['qualify'], tree['modifiers']]))
        if (isOwn ? isGather(part) : NAMES.has(part['class'])) copies += 1 + (isOwn ? namesIn(part) : 0)
    }
    return rows * Math.max(1, copies)
  }

  #rowsFrom(from: unknown, counts: ReadonlyMap<string, number>): number {
    if (!isTree(from)) return 1
    const { type } = from
    const name = lower(from['table_name'])
    if (type === 'EMPTY') return 1
    if (type === 'BASE_TABLE') {
      const query = this.#named.get(name)
      return query === undefined ? (counts.get(name) ?? Infinity) : this.#rowsOf(query, counts)
    }
    if (type === 'SUBQUERY') return this.#rowsOf(from['subquery'], counts)
    if (type === 'JOIN') return this.#rowsFrom(from['left'], counts) * this.#rowsFrom(from['right'], counts)
    if (type === 'EXPRESSION_LIST') return ITEMS_MAX
    return this.#rowsOfCall(from['function'])
  }

  #rowsOfCall(call: unknown): number {
    if (!isTree(call) || !RANGES.has(lower(call['function_name']))) return ITEMS_MAX
    const ends = (call['children'] as readonly Tree[]).map(numberIn)
    return ends.length < 3 && ends.every((end) => end !== null)
      ? 1 + ends.reduce<number>((sum, end) => sum + Math.abs(end ?? 0), 0)
      : Infinity
  }

  #rowsOf(query: unknown, counts: ReadonlyMap<string, number>): number {
    if (!isTree(query)) return Infinity
    if (isTree(query['node'])) return this.#rowsOf(query['node'], counts)
    if (isTree(query['query']) && query['type'] !== 'CTE_NODE') return this.#rowsOf(query['query'], counts)
    const { type } = query
    if (type === 'CTE_NODE') return this.#rowsOf(query['child'], counts)
    if (type === 'SET_OPERATION_NODE') return this.#rowsOf(query['left'], counts) + this.#rowsOf(query['right'], counts)
    if (type !== 'SELECT_NODE') return Infinity
    const rows = this.#rowsFrom(query['from_table'], counts) * (unnests(query) ? ITEMS_MAX : 1)
    return Math.min(rows, limitOf(query))
  }
}

function isGather(tree: Tree): boolean {
  const name = lower(tree['function_name'])
  const { children } = tree
  return GATHERS.has(name) || (Array.isArray(children) ? children.length : 0) > (OF_MANY.get(name) ?? Infinity)
}

/** Parts that are queries of their own are not looked into. */
const unnests = ({ select_list: list }: Tree): boolean =>
  [...treesIn(list)].some((tree) => lower(tree['function_name']) === 'unnest')

const namesIn = (tree: Tree): number => [...treesIn(tree)].filter(({ class: kind }) => NAMES.has(kind)).length

function limitOf({ modifiers }: Tree): number {
  const found = [...treesIn(modifiers)].find(({ type }) => type === 'LIMIT_MODIFIER')
  return (found === undefined ? null : numberIn(found['limit'])) ?? Infinity
}

function numberIn(value: unknown): number | null {
  const constant = isTree(value) && value['class'] === 'CONSTANT' && isTree(value['value']) ? value['value'] : null
  return typeof constant?.['value'] === 'number' ? constant['value'] : null
}

function* treesIn(value: unknown): Generator<Tree> {
  if (Array.isArray(value)) for (const each of value) yield* treesIn(each)
  if (!isTree(value)) return
  yield value
  for (const part of Object.values(value)) yield* treesIn(part)
}
