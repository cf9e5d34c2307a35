/** Reading and comparing JSON values by path, own properties only: `__proto__` and `constructor` are plain keys. */

export const hasOwn = (value: object, key: string): boolean => Object.hasOwn(value, key)

/**
 * Every value the path may mean. Arrays on the way are entered (each element, or one by its index); an array at the
 * end stands for itself and for each of its elements.
 */
export function candidatesAt(root: unknown, path: readonly string[]): readonly unknown[] {
  const found: unknown[] = []
  const visit = (value: unknown): boolean => {
    found.push(value)
    if (Array.isArray(value)) found.push(...value)
    return false
  }
  walk({ path, visit }, root, 0)
  return found
}

/** True when the path leads anywhere, if only to null. */
export const presentAt = (root: unknown, path: readonly string[]): boolean => walk({ path, visit: () => true }, root, 0)

interface Walk {
  readonly path: readonly string[]
  /** Told each value at the end of the path; true stops the walk. */
  readonly visit: (value: unknown) => boolean
}

const INDEX = /^\d{1,9}$/

function walk(way: Walk, node: unknown, depth: number): boolean {
  const key = way.path[depth]
  if (key === undefined) return way.visit(node)
  if (typeof node !== 'object' || node === null) return false
  if (!Array.isArray(node)) {
    return hasOwn(node, key) && walk(way, (node as Record<string, unknown>)[key], depth + 1)
  }
  if (INDEX.test(key) && Number(key) < node.length && walk(way, node[Number(key)], depth + 1)) return true
  return node.some((item) => !Array.isArray(item) && walk(way, item, depth))
}

/** Less than, equal or greater for two numbers or two strings (code unit order); undefined for anything else. */
export function compareSame(left: unknown, right: unknown): number | undefined {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0
  return undefined
}

/** Equality of JSON values; the order of an object's keys does not matter. */
export function jsonEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false
  if (Array.isArray(left) !== Array.isArray(right)) return false
  const leftKeys = Object.keys(left)
  if (leftKeys.length !== Object.keys(right).length) return false
  return leftKeys.every(
    (key) =>
      hasOwn(right, key) && jsonEqual((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key]),
  )
}
