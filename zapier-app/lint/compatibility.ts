/**
 * C001 to C003: what a published version has, the next one keeps: steps, their inputs and what they bring, the fields of the
 * connection, and searches that create what they do not find. The snapshot in
 * `definition.json` is the published one; a new major version may drop things, since Zaps stay with the version they were made in.
 */
import { dataFields, stepsOf } from './definition.ts'
import type { Definition, FieldOrFunction } from './definition.ts'

/** One step, the connection, or a search that creates, by its place. */
export interface Kept {
  readonly hidden: boolean
  /** With their types. */
  readonly inputs: { readonly [key: string]: string }
  /** Those that have to be filled in. */
  readonly required: readonly string[]
  readonly sample: readonly string[]
  readonly outputs: readonly string[]
}

export interface Snapshot {
  readonly version: string
  readonly steps: { readonly [at: string]: Kept }
}

/** What of this definition has to be kept. */
export const snapshotOf = (app: Definition): Snapshot => ({
  version: app.version,
  steps: {
    authentication: kept({ inputs: app.authentication.fields }),
    ...Object.fromEntries(
      stepsOf(app).map(({ at, step: { display, operation } }) => [
        at,
        kept({
          isHidden: display.hidden,
          inputs: operation.inputFields,
          sample: operation.sample,
          outputs: operation.outputFields,
        }),
      ]),
    ),
    ...Object.fromEntries(Object.keys(app.searchOrCreates).map((key) => [`searchOrCreates.${key}`, kept({})])),
  },
})

function kept(of: {
  readonly isHidden?: boolean | undefined
  readonly inputs?: readonly FieldOrFunction[] | undefined
  readonly sample?: object | undefined
  readonly outputs?: readonly FieldOrFunction[] | undefined
}): Kept {
  const inputs = dataFields(of.inputs)
  return {
    hidden: of.isHidden === true,
    inputs: Object.fromEntries(inputs.map(({ key, type = 'string' }) => [key, type])),
    required: inputs.filter((field) => 'required' in field && field.required === true).map(({ key }) => key),
    sample: Object.keys(of.sample ?? {}),
    outputs: dataFields(of.outputs).map(({ key }) => key),
  }
}

/** What the next one breaks; nothing for a new major version. */
export function broken(before: Snapshot, after: Snapshot): readonly string[] {
  if (majorOf(before) !== majorOf(after)) return []
  return Object.entries(before.steps).flatMap(([at, was]) => {
    const now = after.steps[at]
    if (now === undefined) return [`C001 ${at} is gone`]
    return [
      ...(now.hidden && !was.hidden ? [`C001 ${at} is hidden now`] : []),
      ...Object.entries(was.inputs).flatMap(([key, type]) => {
        const typeNow = now.inputs[key]
        if (typeNow === undefined) return [`C002 ${at}: the input "${key}" is gone`]
        return typeNow === type ? [] : [`C002 ${at}: the input "${key}" was of type ${type}, and is ${typeNow} now`]
      }),
      ...missing(now.required, was.required).map((key) => `C002 ${at}: the input "${key}" has to be filled in now`),
      ...missing(was.sample, now.sample).map((key) => `C003 ${at}: "${key}" is gone from the sample`),
      ...missing(was.outputs, now.outputs).map((key) => `C003 ${at}: "${key}" is gone from the output fields`),
    ]
  })
}

/** Why `after` may not take the place of `before` in `definition.json`; nothing where it may, or where they are the same. */
export function refusals(before: Snapshot, after: Snapshot): readonly string[] {
  const breaks = broken(before, after)
  if (breaks.length > 0) return [...breaks, 'set the next major version in package.json, or keep these']
  const isSame = JSON.stringify(before.steps) === JSON.stringify(after.steps)
  const order = compareVersions(after.version, before.version)
  if (order < 0) return [`the version in package.json is ${after.version}, older than ${before.version}`]
  if (order > 0 || isSame) return []
  return [
    `${before.version} is published without this: set the next minor version in package.json and package-lock.json`,
  ]
}

/** By the numbers of `a.b.c`: below 0 when the first is the older one. */
function compareVersions(one: string, other: string): number {
  const numbers = (version: string): number[] => version.split('.').map(Number)
  const [mine, theirs] = [numbers(one), numbers(other)]
  return mine.map((number, place) => number - (theirs[place] ?? 0)).find((difference) => difference !== 0) ?? 0
}

const LINE_CHARS_MAX = 120

/** As the file has it: lists that fit stand in one line, as the formatter of the tree has them. */
export const textOfSnapshot = (snapshot: Snapshot): string =>
  `${JSON.stringify(snapshot, null, 2)}\n`.replaceAll(
    /^( *"\w+": )\[\s*([^\]]*?)\s*\](,?)$/gm,
    (whole, name, items, end) => {
      const line = `${name}[${items.replaceAll(/\s+/g, ' ')}]${end}`
      return line.length > LINE_CHARS_MAX ? whole : line
    },
  )

const majorOf = ({ version }: Snapshot): string => version.split('.')[0] ?? ''

const missing = (wanted: readonly string[], there: readonly string[]): readonly string[] =>
  wanted.filter((key) => !there.includes(key))
