/** An answer that is looked for, as people and programs write it, in the form in which the hub has stored it. */
import { LIMITS } from '../limits.ts'
import type { Field, FieldType } from '../model.ts'
import { htmlCheck } from './field-checks.ts'

/** Of others the text is compared as it is, numbers as numbers. */
const CONVERTED: ReadonlySet<FieldType> = new Set(['boolean', 'date', 'datetime'])

/** Times become UTC, days lose their time, yes and no become true and false, labels of options their values. */
export function soughtAnswer({ options, ...field }: Field, text: string): string {
  const lower = text.toLowerCase()
  const option =
    options.find(({ value }) => value === text) ?? options.find(({ label }) => label.toLowerCase() === lower)
  if (option !== undefined) return option.value
  if (!CONVERTED.has(field.type)) return text
  const given = field.type === 'date' ? text.replace(/T.*$/, '') : text
  const answer = htmlCheck({ options, ...field }, LIMITS.stringCharsMax)(given)
  return typeof answer === 'string' || typeof answer === 'boolean' ? String(answer) : text
}
