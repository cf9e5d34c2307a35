/** What a filter compares an answer with, against what answers to that field can be: where they never meet, nothing matches. */
import type { Field, FieldType } from '../model.ts'
import type { ConfigProblem, NamedSetting } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { show, valueAt } from './explain.ts'
import { didYouMean } from './suggest.ts'

type Kind = 'text' | 'a number' | 'true or false'

/** Of single answers, or of the items of a list. Left out: what may be several. */
const KINDS: Partial<Readonly<Record<FieldType, Kind>>> = {
  text: 'text',
  long_text: 'text',
  email: 'text',
  date: 'text',
  datetime: 'text',
  select: 'text',
  radio: 'text',
  multi_select: 'text',
  number: 'a number',
  rating: 'a number',
  boolean: 'true or false',
}

const COMPARED = ['$eq', '$ne', '$in', '$nin', '$gt', '$gte', '$lt', '$lte']

/** By key: each form that an installation is about and that has the field. */
export type FieldsOfForms = ReadonlyMap<string, readonly { readonly form: string; readonly field: Field }[]>

interface ValuesInput {
  readonly fields: FieldsOfForms
  readonly tree: ConfigTree
  readonly value: unknown
}

/** `fields`: the keys of the conditions, such as `data.amount`. */
export function valueDoubts(fields: readonly NamedSetting[], input: ValuesInput): readonly ConfigProblem[] {
  return fields.flatMap(({ name, path }) => {
    const known = input.fields.get(name)?.map(({ field }) => field) ?? []
    // What lies deeper inside an answer is nobody's type.
    if (known.length === 0 || !/^data\.[^.]+$/.test(String(path.at(-1)))) return []
    return comparisons(valueAt(input.value, path), path).flatMap((each) => doubt(each, known, input.tree))
  })
}

/** Each plain value that answers are compared with, and where it stands. */
function comparisons(condition: unknown, path: Path): readonly (readonly [unknown, Path])[] {
  if (Array.isArray(condition)) return condition.flatMap((item, index) => comparisons(item, [...path, index]))
  if (typeof condition !== 'object' || condition === null) return [[condition, path]]
  const inner = condition as Readonly<Record<string, unknown>>
  return [...COMPARED, '$not']
    .filter((operator) => Object.hasOwn(inner, operator))
    .flatMap((operator) => comparisons(inner[operator], [...path, operator]))
}

function doubt(
  [value, path]: readonly [unknown, Path],
  fields: readonly Field[],
  tree: ConfigTree,
): readonly ConfigProblem[] {
  if (value === null || tree.isExpanded(path)) return []
  const say = (message: string, hint: string | null): readonly ConfigProblem[] => [
    { place: tree.placeOf(path), path: formatPath(path), message, hint },
  ]
  const key = fields[0]?.key ?? ''
  const kinds = fields.map(({ type }) => KINDS[type])
  const [kind] = kinds
  if (kind !== undefined && kinds.every((each) => each === kind) && kindOf(value) !== kind)
    return say(`answers to "${key}" are ${kind}, so none equals ${show(value)}`, hintFor(kind, value))
  const options = fields.flatMap((field) => field.options.map((option) => option.value))
  const isChoice = fields.every((field) => field.options.length > 0)
  if (!isChoice || typeof value !== 'string' || options.includes(value) || isOrdering(path)) return []
  return say(`"${key}" has no option ${show(value)}`, didYouMean(value, options) ?? `it has: ${options.join(', ')}`)
}

const isOrdering = (path: Path): boolean => /^\$[gl]te?$/.test(String(path.at(-1)))

function kindOf(value: unknown): Kind | null {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'a number'
  return typeof value === 'boolean' ? 'true or false' : null
}

function hintFor(kind: Kind, value: unknown): string | null {
  if (kind === 'text') return `put it in quotes: "${String(value)}"`
  if (kind === 'a number' && typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value)))
    return `write it without quotes: ${Number(value)}`
  return kind === 'true or false' && /^(true|yes|on)$/i.test(String(value)) ? 'write true' : null
}
