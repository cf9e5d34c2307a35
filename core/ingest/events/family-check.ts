/** An event held against its family: properties take the types that it names, and every mistake is told. Pure. */
import type { Json } from '../../contract/index.ts'
import type { FieldProblem } from '../../errors.ts'
import { toPointer } from '../form-definition.ts'
import { utcTime } from '../times.ts'
import type { Limits } from '../../limits.ts'
import type { EventInput } from './event-shape.ts'
import type { Family, FamilyNeed, PropertyRule } from './families.ts'

type Properties = { readonly [key: string]: Json }

export interface FamilyChecked {
  readonly properties: Properties
  readonly problems: readonly FieldProblem[]
}

export function checkFamily(family: Family, event: EventInput, limits: Pick<Limits, 'eventNumberMax'>): FamilyChecked {
  const problems: FieldProblem[] = family.needs.filter((need) => !has(event, need)).map((need) => NEEDED[need])
  const { schema_version: version = family.version } = event
  if (version > family.version)
    problems.push({
      pointer: '/schema_version',
      detail: `is ${version}, and this family is known up to version ${family.version}`,
    })
  const properties: { [key: string]: Json } = Object.create(null) as object as { [key: string]: Json }
  for (const [sent, value] of Object.entries((event.properties ?? {}) as Properties)) {
    const key = version < family.version && Object.hasOwn(family.renamed, sent) ? family.renamed[sent]! : sent
    const rule = Object.hasOwn(family.properties, key) ? family.properties[key] : undefined
    const taken = rule === undefined || value === null ? { value } : coerce(value, rule, limits)
    if ('value' in taken) properties[key] = taken.value
    else problems.push({ pointer: toPointer(['properties', sent]), detail: taken.wrong })
  }
  for (const key of family.required) {
    if (
      (properties[key] ?? null) !== null ||
      problems.some(({ pointer }) => pointer === toPointer(['properties', key]))
    )
      continue
    problems.push({ pointer: toPointer(['properties', key]), detail: 'is required' })
  }
  return { properties, problems }
}

/** What becomes of its properties as columns, as the family says. */
export function effectsOf(family: Family, properties: Properties): Readonly<Record<string, Json>> {
  const of = (key: string | undefined): Json => (key === undefined ? null : (properties[key] ?? null))
  const [subject, action, measure] = [textOf(of(family.subject)), textOf(of(family.action)), of(family.measure)]
  return {
    ...(subject === null ? {} : { subject }),
    ...(action === null ? {} : { action }),
    ...(typeof measure === 'number' ? { measure } : {}),
  }
}

/** Of what is one value; lists and objects are none. */
const textOf = (value: Json): string | null =>
  typeof value === 'string' ? value : typeof value === 'object' ? null : JSON.stringify(value)

const NEEDED: Readonly<Record<FamilyNeed, FieldProblem>> = {
  user_id: { pointer: '/user_id', detail: 'is required for this family, from a sender with an API key' },
  name: { pointer: '/name', detail: 'is required: what happened, such as "invoice downloaded"' },
  page: { pointer: '/page', detail: 'must have a "url" or a "path"' },
  form_id: { pointer: '/form_id', detail: 'is required for this family: the form it is about' },
}

function has(event: EventInput, need: FamilyNeed): boolean {
  // Who consented to little is not asked who it is.
  if (need === 'user_id' && event.consent === 'minimal') return true
  if (need === 'page') return event.page?.url !== undefined || event.page?.path !== undefined
  return (event[need] ?? null) !== null
}

type Taken = { readonly value: Json } | { readonly wrong: string }

function coerce(value: Json, rule: PropertyRule, { eventNumberMax }: Pick<Limits, 'eventNumberMax'>): Taken {
  if (rule.type === 'boolean') {
    const known = typeof value === 'boolean' ? value : BOOLEANS.get(textOf(value) ?? '')
    return known === undefined ? { wrong: 'must be true or false' } : { value: known }
  }
  if (rule.type === 'string') return coerceText(value, rule)
  const { minimum = -eventNumberMax, maximum = eventNumberMax, ...rest } = rule
  return coerceNumber(value, { ...rest, minimum, maximum })
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
])
const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/

function coerceNumber(value: Json, { type, minimum, maximum }: PropertyRule): Taken {
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && NUMBER.test(value) ? Number(value) : NaN
  if (!Number.isFinite(number)) return { wrong: 'must be a number' }
  if (type === 'integer' && !Number.isInteger(number)) return { wrong: 'must be a whole number' }
  if (minimum !== undefined && number < minimum) return { wrong: `must be at least ${minimum}` }
  if (maximum !== undefined && number > maximum) return { wrong: `must be at most ${maximum}` }
  return { value: number }
}

function coerceText(value: Json, { format, enum: choices }: PropertyRule): Taken {
  if (typeof value === 'object') return { wrong: 'must be a text' }
  const text = String(value)
  if (choices !== undefined && !choices.includes(text)) return { wrong: `must be one of ${choices.join(', ')}` }
  if (format === undefined) return { value: text }
  const at = utcTime(text)
  return at === null ? { wrong: 'must be a time with its offset (RFC 3339)' } : { value: at }
}
