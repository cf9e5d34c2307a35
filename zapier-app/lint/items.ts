/**
 * T002 to T006: what Zapier looks for in what a trigger brought, be it live or from its list: an id of its own, times that mean the same
 * everywhere, the same keys in each, and for every output field a value of its type.
 */
import type { Field } from './definition.ts'
import { LOOKS_LIKE, WITH_OFFSET } from './rules.ts'

type Item = Readonly<Record<string, unknown>>

/** Zapier's names for the checks; nothing means that all is well. `fields`: those that the chosen form adds included. */
export function itemFindings(items: readonly Item[], fields: readonly Field[]): readonly string[] {
  const flat = items.map((item) => new Map(leaves(item)))
  const ids = items.map(({ id }) => id)
  const [first] = flat
  return [
    ...ids.flatMap((id, place) => (typeof id === 'string' && id !== '' ? [] : [`T002 item ${place} has no id`])),
    ...(new Set(ids).size < ids.length ? ['T002 two items have the same id'] : []),
    ...flat.flatMap((item, place) =>
      differing(first?.keys() ?? [], item.keys()).map((key) => `T004 "${key}" is not in item ${place} alike`),
    ),
    ...flat.flatMap((item) => fields.flatMap((field) => fieldFindings(item, field))),
  ]
}

function fieldFindings(item: ReadonlyMap<string, unknown>, { key, type = 'string' }: Field): readonly string[] {
  if (!item.has(key)) return [`T005 no item has "${key}"`]
  const values = [item.get(key)].flat().filter((value) => value !== null && value !== '')
  return values.flatMap((value) => {
    if (LOOKS_LIKE[type]?.(value) !== true) return [`T006 "${key}" is no ${type}`]
    const isInstant = type === 'datetime' && String(value).includes('T')
    return isInstant && !WITH_OFFSET.test(String(value)) ? [`T003 "${key}" has no offset`] : []
  })
}

/** By the names that Zapier gives them: `answers__email`. */
const leaves = (item: Item, before = ''): [string, unknown][] =>
  Object.entries(item).flatMap(([name, value]): [string, unknown][] =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? leaves(value as Item, `${before}${name}__`)
      : [[`${before}${name}`, value]],
  )

/** In one and not in the other. */
function differing(one: Iterable<string>, other: Iterable<string>): readonly string[] {
  const [mine, theirs] = [new Set(one), new Set(other)]
  return [...[...mine].filter((key) => !theirs.has(key)), ...[...theirs].filter((key) => !mine.has(key))]
}
