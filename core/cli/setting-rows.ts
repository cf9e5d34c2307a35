/** The settings of a plugin as rows of a table, made from its config schema: nested ones by their path, such as `digest.lines`. */
import { referredTo } from '../registry/sealed-settings.ts'

export interface SettingRow {
  /** `columns[].header` is one of each item, `headers.*` of each key. */
  readonly name: string
  readonly type: string
  /** Beside the others of its own mapping. */
  readonly isNeeded: boolean
  readonly default: string | null
  readonly meaning: string
}

/** What is read of a part of a schema. */
interface Part {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly format?: string
  readonly enum?: readonly unknown[]
  readonly items?: Part
  readonly properties?: Readonly<Record<string, Part>>
  readonly additionalProperties?: Part | boolean
  readonly required?: readonly string[]
  readonly anyOf?: readonly Part[]
  readonly oneOf?: readonly Part[]
  readonly default?: unknown
  readonly title?: string
  readonly description?: string
}

const DEPTH_MAX = 6

/** In the order of the schema, each mapping before what is in it. */
export function settingRows(schema: Readonly<Record<string, unknown>>): readonly SettingRow[] {
  const follow = (part: Part): Part =>
    part.$ref === undefined ? part : { ...(referredTo(schema, part.$ref) as Part | undefined), ...part }
  const within = (part: Part, prefix: string, depth: number): readonly SettingRow[] => {
    if (depth > DEPTH_MAX) return []
    const { properties = {}, required = [], items, additionalProperties } = part
    const rows = Object.entries(properties).flatMap(([name, property]) => {
      const inner = follow(property)
      const path = prefix === '' ? name : `${prefix}.${name}`
      return [rowOf(path, inner, required.includes(name)), ...within(inner, path, depth + 1)]
    })
    if (items !== undefined) rows.push(...within(follow(items), `${prefix}[]`, depth + 1))
    if (typeof additionalProperties === 'object')
      rows.push(...within(follow(additionalProperties), `${prefix}.*`, depth + 1))
    for (const choice of [...(part.anyOf ?? []), ...(part.oneOf ?? [])])
      rows.push(...within(follow(choice), prefix, depth + 1))
    return rows
  }
  return within(schema, '', 0)
}

function rowOf(name: string, part: Part, isNeeded: boolean): SettingRow {
  const { default: value, description, title } = part
  const shown = value === undefined ? null : JSON.stringify(value)
  return { name, type: typeText(part), isNeeded, default: shown, meaning: description ?? title ?? '' }
}

/** `"POST" or "PUT"`, `list of "hex" or "standard"`, `secret`, `mapping`. */
function typeText({ format, type, enum: choices, items, anyOf, oneOf }: Part): string {
  if (choices !== undefined) return choices.map((choice) => JSON.stringify(choice)).join(' or ')
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeText(items)}`
  if (type === 'object') return 'mapping'
  const branches = [...(anyOf ?? []), ...(oneOf ?? [])]
  if (type === undefined && branches.length > 0) return [...new Set(branches.map(typeText))].join(' or ')
  return [format ?? type ?? 'any'].flat().join(' or ')
}
