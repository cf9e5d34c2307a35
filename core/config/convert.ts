/** Text out of a variable becomes a number or a boolean where the schema wants one: only the schema knows what `${N}` is for. */
import type { ConfigTree, Path } from './document.ts'
import { valueAt } from './explain.ts'

/** Turns the text at the path into what is wanted there; false when it did not come from a variable or does not look like it. */
export function convertExpanded(
  tree: ConfigTree,
  root: unknown,
  { path, wants }: { readonly path: Path; readonly wants?: 'number' | 'boolean' | undefined },
): boolean {
  if (wants === undefined || !tree.isExpanded(path)) return false
  const text = valueAt(root, path)
  if (typeof text !== 'string') return false
  const holder = valueAt(root, path.slice(0, -1)) as Record<string | number, unknown>
  const key = path.at(-1) as string | number
  if (wants === 'boolean' && (text === 'true' || text === 'false')) holder[key] = text === 'true'
  else if (wants === 'number' && /^-?\d+(\.\d+)?$/.test(text)) holder[key] = Number(text)
  else return false
  return true
}
