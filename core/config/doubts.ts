/**
 * What is allowed and yet most likely a slip: an installation that asks for a form or a field the file does not have, or for
 * an answer that it may not see. Forms may also be made over the API or by a plugin, and answers that are no field may be
 * kept, so these only warn.
 */
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { FormDefinition } from '../model.ts'
import type { ConfigProblem, FormToBe, KnownPlugin, NamedSetting } from './config.ts'
import type { ConfigTree, Path } from './document.ts'
import { formatPath } from './document.ts'
import { hookDoubts } from './doubts-of-hooks.ts'
import { reachDoubts } from './doubts-of-reach.ts'
import { valueAt } from './explain.ts'
import { valueDoubts } from './filter-values.ts'
import type { FieldsOfForms } from './filter-values.ts'
import { didYouMean } from './suggest.ts'

export interface DoubtInput {
  readonly tree: ConfigTree
  /** The parsed file. */
  readonly value: unknown
  readonly forms: ReadonlyMap<string, Pick<FormDefinition, 'fields'>>
  readonly plugins: readonly KnownPlugin[]
}

/** `{{data.email}}`, `{{#data.topics}}` and the like. */
const TAG = /\{\{\{?\s*[#^&]?\s*data\.([\w-]+)/g
const NESTING_MAX = 32

/** In the order of the file. */
export function doubtsOf(input: DoubtInput): readonly ConfigProblem[] {
  const list = valueAt(input.value, ['installations'])
  return (Array.isArray(list) ? list : [])
    .flatMap((_, index) => ofInstallation(input, ['installations', index]))
    .concat(reachDoubts(input), hookDoubts(input))
    .toSorted(({ place: a }, { place: b }) => a.line - b.line || a.column - b.column)
}

/** Those that hold beside the forms that are stored; where that cannot be told, they do. */
export async function doubtsLeft(
  doubts: readonly ConfigProblem[],
  isStored: (form: FormToBe) => Promise<boolean>,
): Promise<readonly ConfigProblem[]> {
  const over = await Promise.all(
    doubts.map(async ({ formToBe }) => formToBe !== undefined && isStored(formToBe).catch(() => false)),
  )
  return doubts.filter((_, index) => !over[index])
}

/** Says it at the setting, or at its key. */
type Say = (named: NamedSetting, message: string, hint: string | null) => ConfigProblem

const sayIn =
  (tree: ConfigTree): Say =>
  ({ path, onKey }, message, hint) => ({
    place: onKey ? tree.keyPlaceOf(path) : tree.placeOf(path),
    path: formatPath(path),
    message,
    hint,
  })

function ofInstallation(input: DoubtInput, at: Path): ConfigProblem[] {
  const { tree, value, forms } = input
  const say = sayIn(tree)
  const inWhen = namesAt(valueAt(value, [...at, 'when', 'form']), [...at, 'when', 'form'])
  const inFilter: Filtered = { fields: [], forms: [], required: [] }
  walkFilter(valueAt(value, [...at, 'when', 'filter']), { path: [...at, 'when', 'filter'], isRequired: true }, inFilter)
  const settings = namedInSettings(input, at)
  const workspace = workspaceAt(value, at)
  const found = [...inWhen, ...inFilter.forms, ...settings.forms].flatMap((named): ConfigProblem[] => {
    if (forms.has(named.name) || tree.isExpanded(named.path)) return []
    const hint = didYouMean(named.name, forms.keys())
    // A plugin that is told of a form may be there to make it, and a filter may be about one that the API made.
    if (hint === null && (!inWhen.includes(named) || isMadeByPlugin(input, { ...named, workspace }))) return []
    const doubt = say(named, `the file has no form "${named.name}"`, hint)
    return [{ ...doubt, formToBe: { workspace, id: named.name } }]
  })
  const about = (names: readonly NamedSetting[]): Scope | null => scopeOf(forms, names)
  // A form that only the filter names and the file does not may have any fields.
  const isElsewhere = inWhen.length === 0 && inFilter.forms.some(({ name }) => !forms.has(name))
  const seen = isElsewhere ? null : about(inWhen.length > 0 ? inWhen : inFilter.required)
  if (seen !== null && handsOverAnswers(valueAt(value, [...at, 'when', 'event']))) {
    found.push(...unknownFields(seen, inFilter.fields, say), ...valueDoubts(inFilter.fields, { ...seen, tree, value }))
    const pii = valueAt(value, [...at, 'pii'])
    found.push(...unknownFields(seen, namesAt(pii, [...at, 'pii']), say))
    const named = settings.hasForm ? settings.tags : settings.fields
    found.push(...unknownFields(seen, named, say), ...withheldFields(seen, { named, pii }, say))
    found.push(...otherTypes(seen, named, say))
  }
  const own = settings.forms.length === 0 ? null : about(settings.forms)
  return own === null ? found : [...found, ...unknownFields(own, settings.fields, say)]
}

const workspaceAt = (value: unknown, at: Path): string => {
  const workspace = valueAt(value, [...at, 'workspace'])
  return typeof workspace === 'string' ? workspace : DEFAULT_WORKSPACE
}

/** An installation of the workspace is there to make it, or to make forms that only their sender names. */
function isMadeByPlugin(input: DoubtInput, form: { readonly name: string; readonly workspace: string }): boolean {
  const list = valueAt(input.value, ['installations'])
  return (Array.isArray(list) ? list : []).some((_, index) => {
    const at = ['installations', index]
    const use = valueAt(input.value, [...at, 'use'])
    if (workspaceAt(input.value, at) !== form.workspace) return false
    if (input.plugins.find(({ id }) => id === use)?.makesForms !== true) return false
    const { forms } = namedInSettings(input, at)
    return forms.length === 0 || forms.some(({ name }) => name === form.name)
  })
}

/** Forms an installation is about, all of them in the file, and their fields. */
interface Scope {
  readonly ids: readonly string[]
  readonly fields: FieldsOfForms
}

/** Null: not all is known of them here. */
function scopeOf(forms: DoubtInput['forms'], names: readonly NamedSetting[]): Scope | null {
  if (forms.size === 0 || names.some(({ name }) => !forms.has(name))) return null
  const ids = names.length === 0 ? [...forms.keys()] : names.map(({ name }) => name)
  const all = ids.flatMap((form) => (forms.get(form)?.fields ?? []).map((field) => ({ form, field })))
  return { ids, fields: Map.groupBy(all, ({ field }) => field.key) }
}

function unknownFields({ ids, fields }: Scope, named: readonly NamedSetting[], say: Say): ConfigProblem[] {
  const whose = ids.length === 1 ? `the form "${ids[0]}" has no` : 'none of its forms has a'
  return named
    .filter(({ name }) => !fields.has(name))
    .map((each) => say(each, `${whose} field "${each.name}"`, didYouMean(each.name, fields.keys())))
}

function withheldFields(
  { fields }: Scope,
  { named, pii }: { readonly named: readonly NamedSetting[]; readonly pii: unknown },
  say: Say,
): ConfigProblem[] {
  const granted: readonly unknown[] = Array.isArray(pii) ? pii : []
  if (pii === true) return []
  return named.flatMap((each) => {
    const form = granted.includes(each.name) ? undefined : fields.get(each.name)?.find(({ field }) => field.pii)?.form
    if (form === undefined) return []
    const message = `"${each.name}" is marked pii in the form "${form}", and this installation may not see it`
    return [say(each, message, `grant it in the installation: pii: [${[...granted, each.name].join(', ')}]`)]
  })
}

/** What is a field of a form, and not of the type that the setting takes. */
function otherTypes({ fields }: Scope, named: readonly NamedSetting[], say: Say): ConfigProblem[] {
  return named.flatMap((each) => {
    const { name, type } = each
    const other = type === undefined ? undefined : fields.get(name)?.find(({ field }) => field.type !== type)
    if (other === undefined) return []
    const message = `"${name}" is a field of type ${other.field.type} in the form "${other.form}", and this wants one of type ${type}`
    const fitting = [...fields].find(([, all]) => all.every(({ field }) => field.type === type))?.[0]
    return [say(each, message, fitting === undefined ? `give the field type: ${type}` : `did you mean "${fitting}"?`)]
  })
}

/** Of other events `data` holds the hub's own words. */
const handsOverAnswers = (events: unknown): boolean =>
  events === undefined || [events].flat().some((type) => typeof type !== 'string' || /^(response|track)\./.test(type))

interface InSettings {
  /** By tags and by what the plugin's schema calls a field. */
  readonly fields: readonly NamedSetting[]
  readonly tags: readonly NamedSetting[]
  readonly forms: readonly NamedSetting[]
  /** The schema has a setting for a form; see `SettingsSurvey`. */
  readonly hasForm: boolean
}

function namedInSettings({ value, plugins }: DoubtInput, at: Path): InSettings {
  const use = valueAt(value, [...at, 'use'])
  const plugin = plugins.find(({ id }) => id === use)
  const settings = (valueAt(value, [...at, 'with']) ?? {}) as Readonly<Record<string, unknown>>
  const survey = plugin?.survey?.(settings)
  const inFile = (named: NamedSetting): NamedSetting => ({ ...named, path: [...at, 'with', ...named.path] })
  const tags = tagsIn(settings, [...at, 'with'])
  return {
    tags,
    fields: [...tags, ...(survey?.fields ?? []).map(inFile)],
    forms: (survey?.forms ?? []).map(inFile),
    hasForm: survey?.hasForm ?? false,
  }
}

const namesAt = (value: unknown, path: Path): readonly NamedSetting[] =>
  Array.isArray(value)
    ? value.flatMap((each, index) => namesAt(each, [...path, index]))
    : typeof value === 'string'
      ? [{ name: value, path, onKey: false }]
      : []

interface Filtered {
  readonly fields: NamedSetting[]
  readonly forms: NamedSetting[]
  /** Those of them without which nothing passes. */
  readonly required: NamedSetting[]
}

/** Keys such as `data.topic`, however deep below `$and`, `$or` and `$nor`, and what is compared with `form.id`. */
function walkFilter(filter: unknown, { path, isRequired }: FilterPlace, found: Filtered): void {
  if (path.length > NESTING_MAX || typeof filter !== 'object' || filter === null) return
  for (const [key, value] of Object.entries(filter)) {
    const at = [...path, Array.isArray(filter) ? Number(key) : key]
    const field = /^data\.([^.]+)/.exec(key)?.[1]
    if (field !== undefined) found.fields.push({ name: field, path: at, onKey: true })
    else if (key === 'form.id') {
      const named = comparedWith(value, at)
      found.forms.push(...named)
      if (isRequired) found.required.push(...named)
    } else walkFilter(value, { path: at, isRequired: isRequired && (Array.isArray(filter) || key === '$and') }, found)
  }
}

interface FilterPlace {
  readonly path: Path
  /** What stands there has to hold. */
  readonly isRequired: boolean
}

function comparedWith(value: unknown, path: Path): readonly NamedSetting[] {
  if (typeof value !== 'object' || value === null) return namesAt(value, path)
  return ['$eq', '$in'].flatMap((name) => namesAt((value as Record<string, unknown>)[name], [...path, name]))
}

/** Tags in any text of the settings, each name once a text. */
function tagsIn(value: unknown, path: Path): readonly NamedSetting[] {
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
