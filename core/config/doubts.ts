/**
 * What is allowed and yet most likely a slip: an installation that asks for a form or a field the file does not have. Forms
 * may also be made over the API, and answers that are no field may be kept, so these only warn.
 */
import type { FormDefinition } from '../model.ts'
import type { ConfigProblem } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { valueAt } from './explain.ts'
import { didYouMean } from './suggest.ts'

export interface DoubtInput {
  readonly tree: ConfigTree
  /** The parsed file. */
  readonly value: unknown
  readonly forms: ReadonlyMap<string, Pick<FormDefinition, 'fields'>>
}

/** `{{data.email}}`, `{{#data.topics}}` and the like. */
const TAG = /\{\{\{?\s*[#^&]?\s*data\.([\w-]+)/g
const NESTING_MAX = 32

/** In the order of the file. */
export function doubtsOf(input: DoubtInput): readonly ConfigProblem[] {
  const list = valueAt(input.value, ['installations'])
  return (Array.isArray(list) ? list : [])
    .flatMap((_, index) => ofInstallation(input, ['installations', index]))
    .toSorted(({ place: a }, { place: b }) => a.line - b.line || a.column - b.column)
}

interface Named {
  readonly name: string
  readonly path: Path
  /** It is the key at the path. */
  readonly onKey: boolean
}

function ofInstallation(input: DoubtInput, at: Path): ConfigProblem[] {
  const { tree, value, forms } = input
  const ids = [...forms.keys()]
  const wanted = namesAt(valueAt(value, [...at, 'when', 'form']), [...at, 'when', 'form'])
  const filter = valueAt(value, [...at, 'when', 'filter'])
  const inFilter: Filtered = { fields: [], forms: [] }
  walkFilter(filter, [...at, 'when', 'filter'], inFilter)
  const say = (named: Named, message: string, candidates: readonly string[]): ConfigProblem => ({
    place: named.onKey ? tree.keyPlaceOf(named.path) : tree.placeOf(named.path),
    path: formatPath(named.path),
    message,
    hint: didYouMean(named.name, candidates),
  })
  const unknownForms = [...wanted, ...inFilter.forms].filter(
    ({ name, path }) => !forms.has(name) && !tree.isExpanded(path),
  )
  const found = unknownForms.map((named) => say(named, `the file has no form "${named.name}"`, ids))
  // What the fields of a form from elsewhere are is not known here.
  if (ids.length === 0 || wanted.some(({ name }) => !forms.has(name))) return found
  const mine = wanted.length === 0 ? ids : wanted.map(({ name }) => name)
  const fields = new Set(mine.flatMap((id) => (forms.get(id)?.fields ?? []).map(({ key }) => key)))
  const whose = mine.length === 1 ? `the form "${mine[0]}" has` : 'none of its forms has'
  const named = [...inFilter.fields, ...tagsIn(valueAt(value, [...at, 'with']), [...at, 'with'])]
  for (const each of named)
    if (!fields.has(each.name))
      found.push(say(each, `${whose} ${mine.length === 1 ? 'no' : 'a'} field "${each.name}"`, [...fields]))
  return found
}

const namesAt = (value: unknown, path: Path): readonly Named[] =>
  Array.isArray(value)
    ? value.flatMap((each, index) => namesAt(each, [...path, index]))
    : typeof value === 'string'
      ? [{ name: value, path, onKey: false }]
      : []

interface Filtered {
  readonly fields: Named[]
  readonly forms: Named[]
}

/** Keys such as `data.topic`, however deep below `$and`, `$or` and `$nor`, and what is compared with `form.id`. */
function walkFilter(filter: unknown, path: Path, found: Filtered): void {
  if (path.length > NESTING_MAX || typeof filter !== 'object' || filter === null) return
  for (const [key, value] of Object.entries(filter)) {
    const at = [...path, Array.isArray(filter) ? Number(key) : key]
    const field = /^data\.([^.]+)/.exec(key)?.[1]
    if (field !== undefined) found.fields.push({ name: field, path: at, onKey: true })
    else if (key === 'form.id') found.forms.push(...comparedWith(value, at))
    else walkFilter(value, at, found)
  }
}

function comparedWith(value: unknown, path: Path): readonly Named[] {
  if (typeof value !== 'object' || value === null) return namesAt(value, path)
  return ['$eq', '$in'].flatMap((name) => namesAt((value as Record<string, unknown>)[name], [...path, name]))
}

/** Tags in any text of the settings, each name once a text. */
function tagsIn(value: unknown, path: Path): readonly Named[] {
  if (path.length > NESTING_MAX) return []
  if (typeof value === 'string')
    return [...new Set([...value.matchAll(TAG)].map(([, name = '']) => name))].map((name) => ({
      name,
      path,
      onKey: false,
    }))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    tagsIn(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  )
}
