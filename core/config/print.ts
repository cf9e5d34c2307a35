/** `config print`: the file as the hub reads it, variables filled in; redacted, nothing in it is secret. */
import { stringify } from 'yaml'
import { LIMITS } from '../limits.ts'
import type { KnownPlugin } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { readDocument } from './document.ts'
import { holdsSecret } from './file-schema.ts'

const SECRET_NAME = /secret|token|password|passwd|credential|private|authorization|cookie|api_?key|signing/i
export const MASK = '***'

export interface PrintInput {
  readonly file: string
  readonly text: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly plugins: readonly KnownPlugin[]
  readonly redacted: boolean
}

/** The parsed file as data; masked are settings that the plugin calls secret, that a variable filled, or whose name gives them away. */
export function printableConfig({ file, text, env, plugins, redacted }: PrintInput): unknown {
  const tree = readDocument({ file, text, env, limits: LIMITS })
  if (!redacted) return tree.value
  return mask(tree.value, [], secretsIn(tree, plugins))
}

/** Which values of the file are for nobody's eyes. */
export function secretsIn(tree: ConfigTree, plugins: readonly KnownPlugin[]): (path: Path) => boolean {
  const secret = new Set<string>()
  const list = (tree.value as { installations?: unknown } | null)?.installations
  for (const [index, entry] of (Array.isArray(list) ? list : []).entries()) {
    const { use, with: settings } = (entry ?? {}) as { use?: unknown; with?: Record<string, unknown> }
    const plugin = plugins.find((candidate) => candidate.id === use)
    if (!settings || typeof settings !== 'object') continue
    for (const path of plugin?.secretPaths?.(settings) ?? [])
      secret.add(JSON.stringify(['installations', index, 'with', ...path]))
  }
  return (path) => {
    if (secret.has(JSON.stringify(path)) || tree.isExpanded(path) || holdsSecret(path)) return true
    return path[2] === 'with' && path.slice(3).some((part) => typeof part === 'string' && SECRET_NAME.test(part))
  }
}

/** As YAML. */
export const printConfig = (input: PrintInput): string => stringify(printableConfig(input), { lineWidth: 0 })

/** What is secret becomes `***`; so do credentials in addresses. */
export function mask(value: unknown, path: Path, isSecret: (path: Path) => boolean): unknown {
  if (Array.isArray(value)) return value.map((item, index) => mask(item, [...path, index], isSecret))
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mask(inner, [...path, key], isSecret)]))
  }
  if (isSecret(path) && value !== null) return MASK
  return typeof value === 'string' ? value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i, `$1${MASK}@`) : value
}
