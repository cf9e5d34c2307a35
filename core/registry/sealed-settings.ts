/** Which settings a plugin's `config` schema seals as secrets: known without any values, so that a loss can be noticed. */
import { createHash } from 'node:crypto'

type Node = Readonly<Record<string, unknown>>

/** A reference may mean something else below these: then the whole schema is what the promise rests on. */
const REBASING = new Set(['$id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$recursiveRef'])
const NODES_MAX = 10_000
const SEAL = '"format":"secret"'

/**
 * Sorted paths such as `config.token` or `config.keys[].value`. Where a seal depends on more than the path (a branch of
 * `anyOf`, `additionalProperties`, a condition), the path carries a mark of that part of the schema: whoever changes
 * the part might open what was sealed, and the changed mark says so.
 */
export function sealedSettings(schema: Node): readonly string[] {
  const walk = new SealWalk(schema)
  walk.visit(schema, 'config')
  return [...walk.sealed].toSorted()
}

class SealWalk {
  readonly sealed = new Set<string>()
  readonly #root: Node
  readonly #rootHolds: boolean
  readonly #open = new Set<string>()
  #nodes = 0

  constructor(root: Node) {
    this.#root = root
    this.#rootHolds = JSON.stringify(root).includes(SEAL)
  }

  /** Follows only what always applies; the rest is marked. */
  visit(node: unknown, path: string): void {
    if (!this.#rootHolds || !isNode(node) || ++this.#nodes > NODES_MAX) return
    if (Object.keys(node).some((key) => REBASING.has(key))) return this.#mark(this.#root, path)
    if (node['format'] === 'secret') this.sealed.add(path)
    if (typeof node['$ref'] === 'string') this.#follow(node['$ref'], path)
    if (isNode(node['properties']))
      for (const [name, inner] of Object.entries(node['properties'])) this.visit(inner, `${path}.${name}`)
    if (Array.isArray(node['allOf'])) for (const inner of node['allOf']) this.visit(inner, path)
    const wholeList = isNode(node['items']) && node['prefixItems'] === undefined
    if (wholeList) this.visit(node['items'], `${path}[]`)
    const { $ref: _ref, properties, allOf: _all, items, $defs: _defs, definitions: _definitions, ...rest } = node
    const others = Object.fromEntries(
      Object.entries(wholeList ? rest : { ...rest, items }).filter(([, value]) => nests(value)),
    )
    // What `additionalProperties` seals is what `properties` does not name.
    if (this.#holdsSecret(others))
      this.#mark({ ...others, names: isNode(properties) ? Object.keys(properties).toSorted() : [] }, path)
  }

  #follow(reference: string, path: string): void {
    const spot = `${reference} ${path}`
    const depth = [...this.#open].filter((open) => open.startsWith(`${reference} `)).length
    // A schema inside itself seals the same names at every depth: once around tells them all.
    if (this.#open.has(spot) || depth > 1) return
    const target = referredTo(this.#root, reference)
    if (target === undefined) return this.#mark(this.#root, path)
    this.#open.add(spot)
    this.visit(target, path)
    this.#open.delete(spot)
  }

  #mark(part: unknown, path: string): void {
    // References inside the part lead to definitions: they are part of what it says.
    const text = JSON.stringify([part, this.#root['$defs'], this.#root['definitions']])
    this.sealed.add(`${path} (${createHash('sha256').update(text).digest('hex').slice(0, 12)})`)
  }

  #holdsSecret(part: unknown): boolean {
    const text = JSON.stringify(part)
    return text.includes(SEAL) || text.includes('"$ref"')
  }
}

const isNode = (value: unknown): value is Node => value !== null && typeof value === 'object' && !Array.isArray(value)

const nests = (value: unknown): boolean => value !== null && typeof value === 'object'

/** What a reference inside the schema (`#`, `#/$defs/key`) stands for; undefined for any other. */
export function referredTo(root: Node, reference: string): unknown {
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return undefined
  return reference
    .slice(2)
    .split('/')
    .map((part) => decoded(part).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (value, part) =>
        value !== null && typeof value === 'object' && Object.hasOwn(value, part)
          ? (value as Record<string, unknown>)[part]
          : undefined,
      root,
    )
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
