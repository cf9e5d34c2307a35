/**
 * How large a JSON Schema is once every reference stands for what it refers to. A page of text can refer to itself in
 * forty steps that double each time; whoever checks a value against that never ends.
 */
import { referredTo } from './sealed-settings.ts'

type Node = Readonly<Record<string, unknown>>

const REFERENCES = ['$ref', '$dynamicRef', '$recursiveRef']
const NAMES = ['$id', '$anchor', '$dynamicAnchor']
/** They count where they are referred to. */
const DEFINITIONS = new Set(['$defs', 'definitions'])

/** Nodes of the unfolded schema, `Infinity` included. A reference to what it stands in counts once: values end it. */
export function unfoldedSize(schema: Node): number {
  const named = new Map<string, unknown>()
  nameAll(schema, named)
  const known = new Map<unknown, number>()
  const open = new Set<unknown>()
  const sizeOf = (node: unknown): number => {
    if (node === null || typeof node !== 'object') return 0
    if (open.has(node)) return 1
    const counted = known.get(node)
    if (counted !== undefined) return counted
    open.add(node)
    let size = 1
    for (const [key, inner] of Object.entries(node)) {
      if (REFERENCES.includes(key) && typeof inner === 'string') size += sizeOf(targetOf(schema, inner, named))
      else if (!DEFINITIONS.has(key)) size += sizeOf(inner)
    }
    open.delete(node)
    known.set(node, size)
    return size
  }
  return sizeOf(schema)
}

function nameAll(node: unknown, named: Map<string, unknown>): void {
  if (node === null || typeof node !== 'object') return
  for (const key of NAMES) {
    const name = (node as Node)[key]
    if (typeof name === 'string') named.set(name.replace(/^#/, ''), node)
  }
  for (const inner of Object.values(node)) nameAll(inner, named)
}

function targetOf(schema: Node, reference: string, named: ReadonlyMap<string, unknown>): unknown {
  const [place = '', fragment = ''] = reference.split('#', 2)
  const root = place === '' ? schema : named.get(place)
  if (fragment !== '' && !fragment.startsWith('/')) return named.get(fragment)
  return root !== null && typeof root === 'object' ? referredTo(root as Node, `#${fragment}`) : undefined
}
