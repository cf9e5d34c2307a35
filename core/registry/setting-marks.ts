/** What a config schema says of a setting beyond its shape: `x-field`, `x-form`, `x-ignored-by`; and where settings lead. */
import type { NamedSetting, SettingsSurvey } from '../config/config.ts'
import { valueAt } from '../config/explain.ts'
import { hostOf } from './host-of.ts'
import type { Manifest } from './manifest.ts'

type Path = readonly (string | number)[]

/** The keyword that stands for the three where the schema is compiled. */
export const MARKS = 'manifoldMarks'

interface Marks {
  /** The text, or the key, is that of a field; of this type where one is named. */
  readonly field?: true | string
  /** The text is the id of a form: fields are looked for there. */
  readonly form?: boolean
  /** Name of the setting beside it that makes it do nothing. */
  readonly ignoredBy?: string
}

/** One mark at a place of the settings. */
export interface Mark extends NamedSetting {
  readonly says: 'field' | 'form' | 'ignored'
}

/** Of a part of the schema; null: it says nothing. */
export function marksOf(node: Readonly<Record<string, unknown>>): Marks | null {
  const by = node['x-ignored-by']
  const field = node['x-field']
  const marks: Marks = {
    ...(field === true || typeof field === 'string' ? { field } : {}),
    ...(node['x-form'] === true ? { form: true } : {}),
    ...(typeof by === 'string' ? { ignoredBy: by } : {}),
  }
  return Object.keys(marks).length === 0 ? null : marks
}

/** As the keyword saw it. */
export interface Seen {
  readonly marks: Marks
  readonly data: unknown
  /** `instancePath` of a key is that of its mapping. */
  readonly context: { readonly instancePath: string; readonly rootData?: unknown }
}

/** What is said of the value, or of the key, that the keyword met at this path. */
export function markIn(path: Path, { marks, data, context }: Seen): readonly Mark[] {
  const found: Mark[] = []
  const isKey = typeof data === 'string' && typeof valueAt(context.rootData, path) === 'object'
  const named = { path: isKey ? [...path, data] : path, onKey: isKey }
  if (typeof data === 'string' && marks.field !== undefined)
    found.push({ ...named, name: data, says: 'field', ...(marks.field === true ? {} : { type: marks.field }) })
  if (typeof data === 'string' && marks.form === true) found.push({ ...named, name: data, says: 'form' })
  const { ignoredBy } = marks
  const beside = valueAt(context.rootData, path.slice(0, -1))
  if (ignoredBy !== undefined && isMapping(beside) && Object.hasOwn(beside, ignoredBy))
    found.push({ path, onKey: true, name: ignoredBy, says: 'ignored' })
  return found
}

/** Everything about these settings that another part of the file may contradict. */
export function surveyOf(
  { permissions, config }: Pick<Manifest, 'permissions' | 'config'>,
  typed: Readonly<Record<string, unknown>>,
  marks: readonly Mark[],
): SettingsSurvey {
  const of = (says: Mark['says']): readonly Mark[] => marks.filter((mark) => mark.says === says)
  return {
    fields: of('field'),
    forms: of('form'),
    hasForm: JSON.stringify(config).includes('"x-form":true'),
    // A default that does nothing is nobody's mistake.
    ignored: of('ignored').filter(({ path }) => valueAt(typed, path) !== undefined),
    hosts: (permissions.http?.hosts ?? [])
      .filter((entry) => entry.startsWith('@config.'))
      .flatMap((entry) => hostsAt(typed, entry.slice('@config.'.length).split('.'))),
  }
}

/** A list on the way means all of its entries. */
function hostsAt(value: unknown, [key, ...rest]: readonly string[], path: Path = []): readonly NamedSetting[] {
  if (Array.isArray(value))
    return value.flatMap((item, index) => hostsAt(item, key === undefined ? [] : [key, ...rest], [...path, index]))
  if (key !== undefined)
    return isMapping(value) && Object.hasOwn(value, key) ? hostsAt(value[key], rest, [...path, key]) : []
  const host = typeof value === 'string' ? hostOf(value) : null
  return host === null ? [] : [{ path, name: host, onKey: false }]
}

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
