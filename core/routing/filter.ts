/**
 * Compiles the `when.filter` of an installation: a Mongo-style condition over an event. Nothing is evaluated as code,
 * every key is an own property, and the size of a condition is bounded before it is compiled.
 */
import type { FieldProblem } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { candidatesAt, compareSame, hasOwn, jsonEqual, presentAt } from './json-values.ts'
import { compileRegex } from './regex.ts'

/** What a condition looks at: the event in the same words a plugin sees. */
export interface FilterSubject {
  readonly data: unknown
  readonly meta: unknown
  readonly form: unknown
  readonly response: unknown
  readonly event: unknown
}

export type FilterLimits = Pick<
  Limits,
  'filterDepthMax' | 'filterNodesMax' | 'filterInItemsMax' | 'filterRegexCharsMax' | 'filterRegexSubjectCharsMax'
>

export type CompiledFilter =
  | { readonly ok: true; readonly match: (subject: FilterSubject) => boolean }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

const ROOTS = ['data', 'meta', 'form', 'response', 'event']

type Test = (subject: FilterSubject) => boolean
type ValueTest = (subject: FilterSubject, path: readonly string[]) => boolean

/** Where the compiler stands: JSON pointer of the node, and how deep. */
interface Place {
  readonly pointer: string
  readonly depth: number
}

interface Compiler {
  readonly limits: FilterLimits
  readonly problems: FieldProblem[]
  nodes: number
}

/**
 * `{ok: true, match}` or every mistake with its pointer. Numbers compare with numbers and strings with strings (so ISO
 * dates sort); values of different types never match. An array matches when any of its elements does, as in Mongo.
 */
export function compileFilter(json: unknown, limits: FilterLimits): CompiledFilter {
  const compiler: Compiler = { limits, problems: [], nodes: 0 }
  const match = compileDocument(compiler, json, { pointer: '', depth: 0 })
  if (compiler.problems.length > 0) return { ok: false, problems: compiler.problems }
  return { ok: true, match }
}

const never = (): boolean => false

function refuse(compiler: Compiler, place: Place, detail: string): typeof never {
  compiler.problems.push({ pointer: place.pointer, detail })
  return never
}

const below = (place: Place, key: string | number, deeper = 0): Place => ({
  pointer: `${place.pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`,
  depth: place.depth + deeper,
})

/** Counts the node; false when the condition is too deep or too large, which is told once. */
function admit(compiler: Compiler, place: Place): boolean {
  const { filterDepthMax, filterNodesMax } = compiler.limits
  if (place.depth > filterDepthMax) {
    refuse(compiler, place, `The filter is nested more than ${filterDepthMax} levels deep.`)
    return false
  }
  compiler.nodes += 1
  if (compiler.nodes === filterNodesMax + 1)
    refuse(compiler, place, `The filter has more than ${filterNodesMax} conditions.`)
  return compiler.nodes <= filterNodesMax
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `{path: condition, $and: [...], ...}`: all of its entries must hold. */
function compileDocument(compiler: Compiler, json: unknown, place: Place): Test {
  if (!isObject(json))
    return refuse(compiler, place, 'A filter must be an object such as {"data.budget": {"$gte": 1000}}.')
  if (!admit(compiler, place)) return never
  const tests: Test[] = []
  for (const key of Object.keys(json)) {
    if (compiler.nodes > compiler.limits.filterNodesMax) break
    const at = below(place, key)
    tests.push(
      key.startsWith('$')
        ? compileLogic(compiler, { key, json: json[key] }, at)
        : compilePath(compiler, { key, json: json[key] }, at),
    )
  }
  return every(tests)
}

const every = (tests: readonly Test[]): Test => {
  const [only] = tests
  if (tests.length === 1 && only !== undefined) return only
  return (subject) => {
    for (const test of tests) if (!test(subject)) return false
    return true
  }
}

function compileLogic(compiler: Compiler, entry: { key: string; json: unknown }, place: Place): Test {
  const { key, json } = entry
  if (key !== '$and' && key !== '$or' && key !== '$nor') {
    return refuse(compiler, place, `"${key}" cannot stand here. Use $and, $or, $nor or a path such as "data.budget".`)
  }
  if (!Array.isArray(json) || json.length === 0)
    return refuse(compiler, place, `"${key}" takes a list of at least one filter.`)
  const tests: Test[] = []
  for (const [index, part] of json.entries()) {
    if (compiler.nodes > compiler.limits.filterNodesMax) break
    tests.push(compileDocument(compiler, part, below(place, index, 1)))
  }
  if (key === '$and') return every(tests)
  const wanted = key === '$or'
  return (subject) => {
    for (const test of tests) if (test(subject)) return wanted
    return !wanted
  }
}

function compilePath(compiler: Compiler, entry: { key: string; json: unknown }, place: Place): Test {
  const path = entry.key.split('.')
  const [root] = path
  if (root === undefined || !ROOTS.includes(root)) {
    return refuse(
      compiler,
      place,
      `"${entry.key}" is no path of an event. Paths start with ${ROOTS.join(', ')}: for example "data.${entry.key}".`,
    )
  }
  if (path.some((segment) => segment === ''))
    return refuse(compiler, place, `"${entry.key}" has an empty part between dots.`)
  const test = compileCondition(compiler, entry.json, place)
  return (subject) => test(subject, path)
}

/** A plain value means equality; an object of `$` operators means all of them. */
function compileCondition(compiler: Compiler, json: unknown, place: Place): ValueTest {
  if (!isObject(json)) {
    if (!admit(compiler, place)) return never
    return equals(json)
  }
  const keys = Object.keys(json)
  const operators = keys.filter((key) => key.startsWith('$'))
  if (operators.length === 0) {
    if (!admit(compiler, place)) return never
    return equals(json)
  }
  if (operators.length < keys.length)
    return refuse(compiler, place, 'Operators ($...) and plain keys cannot be mixed in one condition.')
  const tests: ValueTest[] = []
  for (const key of keys) {
    const at = below(place, key)
    if (!admit(compiler, at)) break
    if (key === '$options') {
      if (!hasOwn(json, '$regex')) return refuse(compiler, at, '"$options" needs a "$regex" beside it.')
      continue
    }
    tests.push(compileOperator(compiler, { key, operand: json[key], beside: json }, at))
  }
  return (subject, path) => {
    for (const test of tests) if (!test(subject, path)) return false
    return true
  }
}

const equals =
  (wanted: unknown): ValueTest =>
  (subject, path) => {
    for (const value of candidatesAt(subject, path)) if (jsonEqual(value, wanted)) return true
    return wanted === null && !presentAt(subject, path)
  }

const not =
  (test: ValueTest): ValueTest =>
  (subject, path) =>
    !test(subject, path)

interface OperatorEntry {
  readonly key: string
  readonly operand: unknown
  readonly beside: Record<string, unknown>
}

type OperatorCompiler = (compiler: Compiler, entry: OperatorEntry, place: Place) => ValueTest

const ordering =
  (accept: (order: number) => boolean): OperatorCompiler =>
  (compiler, { key, operand }, place) => {
    const fits = typeof operand === 'string' || (typeof operand === 'number' && Number.isFinite(operand))
    if (!fits) return refuse(compiler, place, `"${key}" takes a number or a string.`)
    return (subject, path) => {
      for (const value of candidatesAt(subject, path)) {
        const order = compareSame(value, operand)
        if (order !== undefined && accept(order)) return true
      }
      return false
    }
  }

const membership: OperatorCompiler = (compiler, { key, operand }, place) => {
  if (!Array.isArray(operand)) return refuse(compiler, place, `"${key}" takes a list.`)
  const { filterInItemsMax } = compiler.limits
  if (operand.length > filterInItemsMax)
    return refuse(compiler, place, `"${key}" lists more than ${filterInItemsMax} values.`)
  const scalars = new Set<unknown>(operand.filter((item) => typeof item !== 'object' || item === null))
  const structures = operand.filter((item) => typeof item === 'object' && item !== null)
  return (subject, path) => {
    for (const value of candidatesAt(subject, path)) {
      if (scalars.has(value)) return true
      if (structures.some((item) => jsonEqual(value, item))) return true
    }
    return scalars.has(null) && !presentAt(subject, path)
  }
}

const regex: OperatorCompiler = (compiler, { operand, beside }, place) => {
  const compiled = compileRegex(operand, beside['$options'], compiler.limits)
  if (typeof compiled === 'string') return refuse(compiler, place, compiled)
  return (subject, path) => {
    for (const value of candidatesAt(subject, path)) if (typeof value === 'string' && compiled.test(value)) return true
    return false
  }
}

const OPERATORS: ReadonlyMap<string, OperatorCompiler> = new Map<string, OperatorCompiler>([
  ['$eq', (_compiler, { operand }) => equals(operand)],
  ['$ne', (_compiler, { operand }) => not(equals(operand))],
  ['$gt', ordering((order) => order > 0)],
  ['$gte', ordering((order) => order >= 0)],
  ['$lt', ordering((order) => order < 0)],
  ['$lte', ordering((order) => order <= 0)],
  ['$in', membership],
  ['$nin', (compiler, entry, place) => not(membership(compiler, entry, place))],
  [
    '$exists',
    (compiler, { operand }, place) => {
      if (typeof operand !== 'boolean') return refuse(compiler, place, '"$exists" takes true or false.')
      return (subject, path) => presentAt(subject, path) === operand
    },
  ],
  ['$regex', regex],
  [
    '$not',
    (compiler, { operand }, place) => {
      if (!isObject(operand) || !Object.keys(operand).some((key) => key.startsWith('$'))) {
        return refuse(compiler, place, '"$not" takes operators, for example {"$not": {"$gte": 10}}.')
      }
      return not(compileCondition(compiler, operand, { ...place, depth: place.depth + 1 }))
    },
  ],
])

function compileOperator(compiler: Compiler, entry: OperatorEntry, place: Place): ValueTest {
  const compile = OPERATORS.get(entry.key)
  if (compile !== undefined) return compile(compiler, entry, place)
  return refuse(compiler, place, `"${entry.key}" is no operator. Known ones: ${[...OPERATORS.keys()].join(' ')}.`)
}
