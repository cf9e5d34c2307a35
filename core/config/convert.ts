/**
 * Text out of a variable becomes a number, a boolean or, read as JSON, a mapping where the schema wants one: only the schema
 * knows what `${N}` is for.
 */
import { LIMITS } from '../limits.ts'
import type { Wanted } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { valueAt } from './explain.ts'

/** Turns the text at the path into what is wanted there; false when it did not come from a variable or does not look like it. */
export function convertExpanded(
  tree: ConfigTree,
  root: unknown,
  { path, wants }: { readonly path: Path; readonly wants?: Wanted | undefined },
): boolean {
  if (wants === undefined || !tree.isExpanded(path)) return false
  const text = valueAt(root, path)
  if (typeof text !== 'string') return false
  const holder = valueAt(root, path.slice(0, -1)) as Record<string | number, unknown>
  const key = path.at(-1) as string | number
  if (wants === 'boolean' && (text === 'true' || text === 'false')) holder[key] = text === 'true'
  else if (wants === 'number' && /^-?\d+(\.\d+)?$/.test(text)) holder[key] = Number(text)
  else if (wants === 'mapping') return convertJson(text, (value) => (holder[key] = value))
  else return false
  return true
}

/** Such as the content of a vendor's key file in one variable. */
function convertJson(text: string, put: (value: object) => void): boolean {
  if (!text.trimStart().startsWith('{')) return false
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return false
  }
  // It is followed by recursion, like everything in the file.
  if (typeof value !== 'object' || value === null || isDeeper(value, LIMITS.configDepthMax)) return false
  put(value)
  return true
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1))
}
