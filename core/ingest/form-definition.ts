/** The form definition as people write it (API bodies and manifold.yaml alike) and its reading into `FormDefinition`. */
import { z } from 'zod'
import { isZone } from '../clock.ts'
import type { FieldProblem } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { FIELD_TYPES } from '../model.ts'
import type { Field, FieldOption, FieldType, FormDefinition } from '../model.ts'
import { plainIssue } from './plain-issue.ts'

/** Name of the honeypot input when the form does not choose one. */
export const HONEYPOT_DEFAULT = '_gotcha'

const RESERVED_KEYS: ReadonlySet<string> = new Set([
  'constructor',
  'prototype',
  'toString',
  'valueOf',
  'hasOwnProperty',
])
const CHOICE_TYPES: ReadonlySet<FieldType> = new Set(['select', 'multi_select', 'radio'])
const BOUNDED_TYPES: ReadonlySet<FieldType> = new Set(['number', 'text', 'long_text', 'rating'])
const RATING_MAX = 100

const option = z.union(
  [
    z.string().min(1).max(500),
    z.strictObject({ value: z.string().min(1).max(500), label: z.string().min(1).max(500).optional() }),
  ],
  { error: 'use a text, or { value, label }' },
)

const field = z.strictObject({
  key: z
    .string({ error: 'every field needs a key' })
    .regex(
      /^[A-Za-z][A-Za-z0-9_-]{0,99}$/,
      'use letters, digits, "_" and "-", starting with a letter, at most 100 characters',
    ),
  label: z.string().min(1).max(2_000).optional(),
  type: z.enum(FIELD_TYPES, { error: `use one of ${FIELD_TYPES.join(', ')}` }).default('text'),
  options: z.array(option).max(LIMITS.fieldOptionsMax).optional(),
  required: z.boolean().default(false),
  pii: z.boolean().default(false),
  min: z.number().optional(),
  max: z.number().optional(),
  help: z.string().max(2_000).optional(),
})

/** The wire shape, snake_case. `parseForm` adds the rules that no schema can say. */
export const formWireSchema = z.strictObject({
  name: z.string({ error: 'a form needs a name' }).trim().min(1).max(200),
  fields: z.array(field).max(LIMITS.formFieldsMax).default([]),
  access: z.enum(['public', 'key'], { error: 'use "public" or "key"' }).default('public'),
  unknown_fields: z.enum(['keep', 'refuse'], { error: 'use "keep" or "refuse"' }).default('keep'),
  redirect_url: z.string().max(2_048).nullable().default(null),
  honeypot_field: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/, 'use letters, digits, "_" and "-", at most 64 characters')
    .default(HONEYPOT_DEFAULT),
  timezone: z.string().refine(isZone, 'use the IANA name of a time zone, such as "Europe/Berlin"').optional(),
})

export type FormWire = z.input<typeof formWireSchema>

/** What reading a definition came to: the definition, or every mistake at once with its JSON pointer. */
export type ParsedForm =
  | { readonly ok: true; readonly definition: FormDefinition }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

/** Reads a wire definition. `value` is untrusted. */
export function parseForm(value: unknown): ParsedForm {
  const parsed = formWireSchema.safeParse(value)
  if (!parsed.success) return { ok: false, problems: zodProblems(parsed.error) }
  const wire = parsed.data
  const problems = [...fieldRules(wire.fields), ...formRules(wire)]
  if (problems.length > 0) return { ok: false, problems }
  const definition: FormDefinition = {
    name: wire.name,
    fields: wire.fields.map(toField),
    access: wire.access,
    unknownFields: wire.unknown_fields,
    redirectUrl: wire.redirect_url === null ? null : new URL(wire.redirect_url).href,
    honeypotField: wire.honeypot_field,
    ...(wire.timezone === undefined ? {} : { timezone: wire.timezone }),
  }
  return { ok: true, definition }
}

/** A definition back on the wire; `parseForm(formToWire(d))` gives `d` again. */
export function formToWire(form: FormDefinition): FormWire {
  return {
    name: form.name,
    fields: form.fields.map((entry) => ({
      key: entry.key,
      label: entry.label,
      type: entry.type,
      ...(entry.options.length === 0 ? {} : { options: entry.options.map((choice) => ({ ...choice })) }),
      required: entry.required,
      pii: entry.pii,
      ...(entry.min === undefined ? {} : { min: entry.min }),
      ...(entry.max === undefined ? {} : { max: entry.max }),
      ...(entry.help === undefined ? {} : { help: entry.help }),
    })),
    access: form.access,
    unknown_fields: form.unknownFields,
    redirect_url: form.redirectUrl,
    honeypot_field: form.honeypotField,
    ...(form.timezone === undefined ? {} : { timezone: form.timezone }),
  }
}

/** zod's issues as JSON pointers with plain sentences. */
export function zodProblems(error: z.ZodError): FieldProblem[] {
  return error.issues.flatMap((issue) => {
    const pointer = toPointer(issue.path)
    if (issue.code !== 'unrecognized_keys') return [{ pointer, detail: plainIssue(issue) }]
    return issue.keys.map((key) => ({
      pointer: `${pointer}${toPointer([key])}`,
      detail: 'is not known here; check the spelling',
    }))
  })
}

/** RFC 6901. */
export const toPointer = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

type WireField = z.output<typeof field>

function toField(wire: WireField): Field {
  return {
    key: wire.key,
    label: wire.label ?? wire.key,
    type: wire.type,
    required: wire.required,
    pii: wire.pii,
    options: (wire.options ?? []).map(toOption),
    ...(wire.min === undefined ? {} : { min: wire.min }),
    ...(wire.max === undefined ? {} : { max: wire.max }),
    ...(wire.help === undefined ? {} : { help: wire.help }),
  }
}

const toOption = (wire: z.output<typeof option>): FieldOption =>
  typeof wire === 'string' ? { value: wire, label: wire } : { value: wire.value, label: wire.label ?? wire.value }

function fieldRules(fields: readonly WireField[]): FieldProblem[] {
  const problems: FieldProblem[] = []
  const firstAt = new Map<string, number>()
  fields.forEach((entry, index) => {
    const at = `/fields/${index}`
    const say = (pointer: string, detail: string) => problems.push({ pointer: `${at}${pointer}`, detail })
    const first = firstAt.get(entry.key)
    if (first !== undefined) say('/key', `"${entry.key}" is the key of field ${first + 1} already; keys must differ`)
    else firstAt.set(entry.key, index)
    if (RESERVED_KEYS.has(entry.key)) say('/key', `"${entry.key}" is reserved; choose another key`)
    problems.push(...optionRules(entry, at), ...boundRules(entry, at))
  })
  return problems
}

function optionRules(entry: WireField, at: string): FieldProblem[] {
  const options = (entry.options ?? []).map(toOption)
  const pointer = `${at}/options`
  if (!CHOICE_TYPES.has(entry.type)) {
    return options.length === 0
      ? []
      : [{ pointer, detail: `only select, multi_select and radio have options, not ${entry.type}` }]
  }
  if (options.length === 0) return [{ pointer, detail: `a ${entry.type} field needs at least one option` }]
  const seen = new Set<string>()
  return options.flatMap(({ value }, index) => {
    if (seen.has(value))
      return [{ pointer: `${pointer}/${index}`, detail: 'this value is an option already; values must differ' }]
    seen.add(value)
    return []
  })
}

function boundRules(entry: WireField, at: string): FieldProblem[] {
  const problems: FieldProblem[] = []
  const { type, min, max } = entry
  if ((min !== undefined || max !== undefined) && !BOUNDED_TYPES.has(type)) {
    problems.push({
      pointer: `${at}/${min === undefined ? 'max' : 'min'}`,
      detail: `only ${[...BOUNDED_TYPES].join(', ')} have bounds`,
    })
  }
  if (min !== undefined && max !== undefined && min > max)
    problems.push({ pointer: `${at}/min`, detail: 'min is greater than max' })
  if (type === 'number') return problems
  for (const [name, bound] of Object.entries({ min, max })) {
    if (bound !== undefined && (!Number.isInteger(bound) || bound < 0))
      problems.push({ pointer: `${at}/${name}`, detail: 'use a whole number, 0 or more' })
  }
  if (type === 'rating' && max !== undefined && (max < 1 || max > RATING_MAX))
    problems.push({ pointer: `${at}/max`, detail: `a rating goes up to at most ${RATING_MAX}, at least 1` })
  return problems
}

function formRules(wire: z.output<typeof formWireSchema>): FieldProblem[] {
  const problems: FieldProblem[] = []
  if (wire.redirect_url !== null && !isWebUrl(wire.redirect_url)) {
    problems.push({
      pointer: '/redirect_url',
      detail: 'use an absolute http:// or https:// URL, or null for the thank-you page',
    })
  }
  if (wire.fields.some((entry) => entry.key === wire.honeypot_field)) {
    problems.push({ pointer: '/honeypot_field', detail: 'a field has this key; the honeypot needs a name of its own' })
  }
  return problems
}

/** True for an absolute http(s) URL without credentials. */
export function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === ''
}
