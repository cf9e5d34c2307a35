/**
 * How often a text may end up in what a question makes of it. Each step that joins texts is harmless; forty of them, each of
 * the one before and itself, are more than any memory holds, and nothing of the engine stops within one of them. So this is
 * counted before anything runs: a value of a row weighs 1, what joins texts as much as all that it joins.
 */
import { isTree, lower } from './tree.ts'
import type { Tree } from './tree.ts'

const WEIGHT_MAX = 64
/** What gathers the values of many rows is joined once more, with a little, and no further. */
const MANY = WEIGHT_MAX / 2

const JOINS: ReadonlySet<unknown> = new Set(
  '|| concat concat_ws list_value array_value struct_pack row map to_json'.split(' '),
)
/** As long as what they are made of, and made for each of many rows at once, too. */
const REMAKES: ReadonlySet<unknown> = new Set(
  'reverse upper ucase lower lcase initcap translate strip_accents nfc_normalize'.split(' '),
)
/** Quotes and backslashes within what becomes a text get another before them. */
const QUOTED = 2
const GATHERS: ReadonlySet<unknown> = new Set(
  'string_agg group_concat listagg list array_agg histogram list_aggregate array_to_string'.split(' '),
)

/** What columns weigh here: those of named queries by their name, and those that stand around it. */
interface Scope {
  readonly named: ReadonlyMap<string, number>
  readonly around: number
}

/** How often the values of a row are copied by all that joins texts, and where that is. */
export interface Growth {
  readonly copies: number
  readonly joins: ReadonlySet<Tree>
}

/** Calls `refuse` when a text may grow without end. */
export function checkGrowth(statement: Tree, refuse: (detail: string) => never): Growth {
  const widest = new Widest()
  widest.query(statement['node'], { named: new Map(), around: 0 })
  if (widest.seen > WEIGHT_MAX)
    refuse(`joins texts again and again: one value may stand ${WEIGHT_MAX} times in what is made of it`)
  return widest
}

class Widest {
  /** Of all that is computed anywhere. */
  seen = 0
  /** Each step of joining makes a text of its own. */
  copies = 0
  readonly joins = new Set<Tree>()

  /** Of the columns that it answers. */
  query(node: unknown, scope: Scope): number {
    if (!isTree(node)) return 0
    const inside = { ...scope, named: this.#named(node, scope) }
    if (node['type'] === 'CTE_NODE') {
      const named = new Map(inside.named).set(lower(node['ctename']), this.query(node['query'], inside))
      return this.query(node['child'], { ...inside, named })
    }
    if (node['type'] === 'SET_OPERATION_NODE')
      return Math.max(...['left', 'right'].map((side) => this.query(node[side], inside)))
    const { select_list: list, from_table: from, cte_map: _, ...others } = node
    const columns = new Columns(Math.max(scope.around, this.#source(from, inside)))
    let widest = 0
    for (const each of Array.isArray(list) ? (list as readonly Tree[]) : []) {
      const weight = this.#expression(each, columns, inside)
      widest = Math.max(widest, weight)
      // Later columns may name earlier ones.
      if (each['alias'] !== '') columns.aliases.set(lower(each['alias']), weight)
    }
    this.#expression(others, columns, inside)
    return widest
  }

  #named({ cte_map: ctes }: Tree, scope: Scope): ReadonlyMap<string, number> {
    const named = new Map(scope.named)
    for (const { key, value } of isTree(ctes) ? (ctes['map'] as readonly Tree[]) : [])
      named.set(lower(key), this.query(queryOf((value as Tree)['query']), { ...scope, named }))
    return named
  }

  #source(from: unknown, scope: Scope): number {
    if (!isTree(from)) return 0
    const { type } = from
    if (type === 'BASE_TABLE') return scope.named.get(lower(from['table_name'])) ?? 1
    if (type === 'SUBQUERY') return this.query(queryOf(from['subquery']), scope)
    if (type !== 'JOIN') return Math.max(1, this.#expression(from, new Columns(scope.around), scope))
    const sides = Math.max(this.#source(from['left'], scope), this.#source(from['right'], scope))
    this.#expression(from['condition'], new Columns(sides), scope)
    return sides
  }

  #expression(value: unknown, columns: Columns, scope: Scope): number {
    if (Array.isArray(value)) return Math.max(0, ...value.map((each) => this.#expression(each, columns, scope)))
    if (!isTree(value)) return 0
    const { class: kind, function_name: called } = value
    if (kind === 'COLUMN_REF') return columns.weightOf(value['column_names'])
    if (kind === 'CONSTANT') return 1
    if (kind === 'LAMBDA') return this.#expression(value['expr'], columns.withItem(value['lhs']), scope)
    if (kind === 'SUBQUERY') {
      const inner = this.query(queryOf(value['subquery']), { ...scope, around: columns.widest })
      return Math.max(inner, this.#expression(value['child'], columns, scope))
    }
    const parts = Object.values(value).flatMap((part) => (Array.isArray(part) ? part : [part]))
    const weights = parts.map((part) => this.#expression(part, columns, scope))
    const name = lower(called)
    const isQuoting = name === 'to_json' || isTextCast(value)
    const weight = Math.max(0, GATHERS.has(name) ? MANY : 0, joined(weights, name, parts)) * (isQuoting ? QUOTED : 1)
    this.seen = Math.max(this.seen, weight)
    // One cast alone is of a number as a rule.
    const isCopy = JOINS.has(name) || REMAKES.has(name) || (isQuoting && weight > QUOTED)
    if (isCopy || hasLambda(parts)) {
      this.copies += weight
      this.joins.add(value)
    }
    return weight
  }
}

const isTextCast = ({ class: kind, cast_type: type }: Tree): boolean =>
  kind === 'CAST' && isTree(type) && (type['id'] === 'VARCHAR' || type['id'] === 'UNBOUND')

const hasLambda = (parts: readonly unknown[]): boolean =>
  parts.some((part) => isTree(part) && part['class'] === 'LAMBDA')

/** What a LAMBDA makes of an item is made of each of the list. */
function joined(weights: readonly number[], name: string, parts: readonly unknown[]): number {
  if (hasLambda(parts)) return weights.reduce((product, weight) => product * Math.max(1, weight), 1)
  return JOINS.has(name) ? weights.reduce((sum, weight) => sum + weight, 0) : Math.max(0, ...weights)
}

class Columns {
  readonly aliases = new Map<string, number>()
  readonly widest: number
  /** Names of items of lists, that weigh 1. */
  readonly #items: ReadonlySet<string>

  constructor(widest: number, items: ReadonlySet<string> = new Set()) {
    this.widest = Math.max(1, widest)
    this.#items = items
  }

  weightOf(names: unknown): number {
    const name = lower(Array.isArray(names) ? names.at(-1) : '')
    return this.#items.has(name) ? 1 : Math.max(this.widest, this.aliases.get(name) ?? 0)
  }

  /** `lhs`: the names that a LAMBDA gives. */
  withItem(lhs: unknown): Columns {
    const widest = Math.max(this.widest, ...this.aliases.values())
    const names = [...JSON.stringify(lhs ?? null).matchAll(/"column_names":\["([^"\\]+)"\]/g)].map(([, name]) =>
      lower(name),
    )
    return new Columns(widest, new Set([...this.#items, ...names]))
  }
}

const queryOf = (query: unknown): unknown => (isTree(query) ? query['node'] : undefined)
