/**
 * Whether a text may run: one SELECT over visible views and nothing else. It is read by the engine's own parser, and what is
 * not known to be harmless is refused, so a new kind of statement, table or function is refused until somebody allows it.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { StatementType } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import { Refusal } from '../query/refusal.ts'
import { FUNCTIONS, TABLE_FUNCTIONS } from './functions.ts'
import { checkGrowth } from './growth.ts'
import { checkLists } from './lists.ts'
import { checkSpread } from './spread.ts'
import { checkTextBytes } from './text-bytes.ts'
import { isTree } from './tree.ts'
import type { Tree } from './tree.ts'

const QUERIES: ReadonlySet<unknown> = new Set(['SELECT_NODE', 'SET_OPERATION_NODE', 'CTE_NODE'])
const SOURCES: ReadonlySet<unknown> = new Set([
  'BASE_TABLE',
  'EMPTY',
  'JOIN',
  'SUBQUERY',
  'EXPRESSION_LIST',
  'TABLE_FUNCTION',
])
const EXPRESSIONS: ReadonlySet<unknown> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'WINDOW',
])
/** Parts of a query that are neither of these, and harmless: their own parts are looked at like all others. */
const PARTS = /^(?:ORDER|LIMIT|LIMIT_PERCENT|DISTINCT)_MODIFIER$|^ORDER_DEFAULT$|^(?:ASC|DESC)ENDING$|_TYPE_INFO$/

const refuse = (detail: string): never => {
  throw new Refusal([{ pointer: '/sql', detail }])
}

export interface CheckOptions {
  /** Names of views in lower case. */
  readonly visible: ReadonlySet<string>
  /** What joined texts, or lists of rows, may take while they are made. */
  readonly textBytesMax: number
}

const DASH = /at or near "-"/

/** Throws a Refusal. */
export async function checkSql(
  connection: DuckDBConnection,
  sql: string,
  { visible, textBytesMax: bytesMax }: CheckOptions,
): Promise<void> {
  const [row] = await rowsOf(connection, 'SELECT json_serialize_sql($1::VARCHAR) AS tree', [sql])
  const read = JSON.parse(String(row?.['tree'])) as Tree
  if (read['error'] === true)
    refuse(
      read['error_type'] === 'not implemented'
        ? 'only SELECT can be asked here'
        : `cannot be read: ${String(read['error_message'])}${DASH.test(String(read['error_message'])) ? ' (a name with a dash stands in double quotes: FROM "comma-survey")' : ''}`,
    )
  const statements = read['statements'] as readonly Tree[]
  if (statements.length !== 1) refuse(`has ${statements.length} statements; only one can be asked at a time`)
  look(statements[0], visible)
  const statement = statements[0] as Tree
  checkSpread(statement, refuse)
  const growth = checkGrowth(statement, refuse)
  // The parser's word for it, too: some that only look like it are told apart here.
  const extracted = await connection.extractStatements(sql)
  const prepared = await extracted.prepare(0)
  try {
    if (extracted.count !== 1 || prepared.statementType !== StatementType.SELECT)
      refuse('only SELECT can be asked here')
  } finally {
    prepared.destroySync()
  }
  await checkTextBytes(connection, { statement, growth }, { visible, bytesMax, refuse })
  await checkLists(connection, statement, { visible, bytesMax, refuse })
}

/** `scope`: what may stand as a table here, views and the names that WITH has given. */
function look(value: unknown, scope: ReadonlySet<string>): void {
  if (Array.isArray(value)) return value.forEach((each) => look(each, scope))
  if (!isTree(value)) return
  const { cte_map: named, ...parts } = partsOf(value, scope)
  let inside = scope
  for (const { key, value: query } of isTree(named) ? (named['map'] as readonly Tree[]) : []) {
    look(query, inside)
    inside = new Set([...inside, String(key).toLowerCase()])
  }
  for (const part of Object.values(parts)) look(part, inside)
}

/** Refuses what it is; answers what of it is to be looked at further. */
function partsOf(tree: Tree, scope: ReadonlySet<string>): Tree {
  const { type, class: kind, function_name: called } = tree
  if (kind !== undefined) {
    if (!EXPRESSIONS.has(kind)) refuse(`has a ${JSON.stringify(kind)}, which cannot be used here`)
    if (called !== undefined) admitCall(called, FUNCTIONS)
    return tree
  }
  if ('sample' in tree && 'query_location' in tree) return partsOfSource(tree, scope)
  if (type === 'RECURSIVE_CTE_NODE') refuse('is recursive, which is not answered')
  if (typeof type === 'string' && !QUERIES.has(type) && !PARTS.test(type))
    refuse(`has a ${type}, which cannot be used here`)
  return tree
}

function admitCall(called: unknown, allowed: ReadonlySet<string>): void {
  const name = String(called)
  if (!allowed.has(name.toLowerCase())) refuse(`calls ${name.slice(0, NAME_CHARS)}(), which cannot be used here`)
}

function partsOfSource(tree: Tree, scope: ReadonlySet<string>): Tree {
  const { type } = tree
  if (type === 'SHOW_REF') refuse('only SELECT can be asked here; GET of the same address lists views and columns')
  if (!SOURCES.has(type)) refuse(`has a ${String(type)}, which cannot be used here`)
  if (type === 'TABLE_FUNCTION') {
    const { function_name: called, children } = tree['function'] as Tree
    admitCall(called, TABLE_FUNCTIONS)
    return { children }
  }
  const { table_name: table, schema_name: schema, catalog_name: catalog, at_clause: at } = tree
  if (
    type === 'BASE_TABLE' &&
    (schema !== '' || catalog !== '' || at !== null || !scope.has(String(table).toLowerCase()))
  ) {
    const name = [catalog, schema, table].filter((part) => part !== '').join('.')
    refuse(`there is no view "${name.slice(0, NAME_CHARS)}"; there are ${[...scope].slice(0, NAMES_SHOWN).join(', ')}`)
  }
  return tree
}

const NAMES_SHOWN = 20
const NAME_CHARS = 100
