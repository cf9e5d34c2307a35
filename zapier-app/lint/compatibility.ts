/**
 * C001 to C003: what a published version has, the next one keeps: steps, their inputs and what they bring. The snapshot in
 * `definition.json` is the published one; a new major version may drop things, since Zaps stay with the version they were made in.
 */
import { dataFields, stepsOf } from './definition.ts'
import type { Definition } from './definition.ts'

/** One step, by its place. */
export interface Kept {
  readonly hidden: boolean
  readonly inputs: readonly string[]
  /** Those that have to be filled in. */
  readonly required: readonly string[]
  readonly sample: readonly string[]
}

export interface Snapshot {
  readonly version: string
  readonly steps: { readonly [at: string]: Kept }
}

/** What of this definition has to be kept. */
export const snapshotOf = (app: Definition): Snapshot => ({
  version: app.version,
  steps: Object.fromEntries(
    stepsOf(app).map(({ at, step: { display, operation } }) => {
      const fields = dataFields(operation.inputFields)
      const kept: Kept = {
        hidden: display.hidden === true,
        inputs: fields.map(({ key }) => key),
        required: fields.filter((field) => 'required' in field && field.required === true).map(({ key }) => key),
        sample: Object.keys(operation.sample ?? {}),
      }
      return [at, kept]
    }),
  ),
})

/** What the next one breaks; nothing for a new major version. */
export function broken(before: Snapshot, after: Snapshot): readonly string[] {
  if (majorOf(before) !== majorOf(after)) return []
  return Object.entries(before.steps).flatMap(([at, kept]) => {
    const now = after.steps[at]
    if (now === undefined) return [`C001 ${at} is gone`]
    return [
      ...(now.hidden && !kept.hidden ? [`C001 ${at} is hidden now`] : []),
      ...missing(kept.inputs, now.inputs).map((key) => `C002 ${at}: the input "${key}" is gone`),
      ...missing(now.required, kept.required).map((key) => `C002 ${at}: the input "${key}" has to be filled in now`),
      ...missing(kept.sample, now.sample).map((key) => `C003 ${at}: "${key}" is gone from the sample`),
    ]
  })
}

const majorOf = ({ version }: Snapshot): string => version.split('.')[0] ?? ''

const missing = (wanted: readonly string[], there: readonly string[]): readonly string[] =>
  wanted.filter((key) => !there.includes(key))
