/** The field map against what `describe` says of the object: everything that Salesforce would refuse a record for. Pure. */
import type { Finding, Json } from 'manifold/plugin'
import { mappedFields, valuesIn, type FieldType, type MappedField } from './record.ts'
import { isConstant, mistakeIn } from './template.ts'
import type { Config } from './types.d.ts'
import { numberOf } from './values.ts'

/** A field of `GET /sobjects/{object}/describe`, as far as it is looked at. */
export interface DescribedField {
  readonly name: string
  readonly type: string
  readonly length: number
  readonly createable: boolean
  readonly updateable: boolean
  readonly nillable: boolean
  readonly defaultedOnCreate: boolean
  readonly externalId: boolean
  readonly idLookup: boolean
  readonly unique: boolean
  readonly restrictedPicklist: boolean
  readonly picklistValues: readonly { readonly value: string; readonly active: boolean }[]
}

/** `evt_` and a UUID. */
const EVENT_ID_CHARS = 40
const EVENT_ID = /^\s*\{\{\s*event\.id\s*\}\}\s*$/

/** Types of Salesforce that want the same type of ours; what is missing here takes text. */
const WANTED: Readonly<Record<string, FieldType>> = {
  int: 'number',
  double: 'number',
  currency: 'number',
  percent: 'number',
  boolean: 'boolean',
  date: 'date',
  datetime: 'datetime',
  multipicklist: 'multipicklist',
}
const NUMBER: ReadonlySet<string> = new Set(['int', 'double', 'currency', 'percent'])

/** The fields of a describe body; null when it is something else. */
export function describedFields(body: Json): readonly DescribedField[] | null {
  const fields = typeof body === 'object' && body !== null && 'fields' in body ? body.fields : null
  return Array.isArray(fields) ? (fields as readonly DescribedField[]) : null
}

/** Nothing: as far as the settings tell, Salesforce takes these records. */
export function mappingFindings(config: Config, described: readonly DescribedField[]): readonly Finding[] {
  const byName = new Map(described.map((field) => [field.name.toLowerCase(), field]))
  const mapped = mappedFields(config)
  return [
    ...keyFindings(config, byName.get(config.externalId.field.toLowerCase())),
    ...missingFindings(config, mapped, described),
    ...mapped.flatMap((field) => {
      const [own = '', related] = field.name.split('.')
      // Of a relationship only the other object could tell; it is named by its relation, not by the field.
      return related === undefined ? fieldFindings(field, byName.get(own.toLowerCase()), config) : []
    }),
  ]
}

/** What no response can be rendered with, whatever the object is like. */
export function templateFindings(config: Pick<Config, 'fields' | 'externalId'>): readonly Finding[] {
  const templates = mappedFields(config).map(({ name, value }) => ({ value, at: pointerTo(name) }))
  return [{ value: config.externalId.value, at: '/externalId/value' }, ...templates].flatMap(({ value, at }) => {
    const mistake = mistakeIn(value)
    return mistake === null ? [] : [{ level: 'error' as const, message: `The template is broken: ${mistake}.`, at }]
  })
}

const pointerTo = (name: string): string => `/fields/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`

function keyFindings({ object, externalId }: Config, field: DescribedField | undefined): readonly Finding[] {
  const { field: name, value } = externalId
  const at = '/externalId/field'
  if (field === undefined) {
    const message = `${object} has no field "${name}": make a text field of ${EVENT_ID_CHARS} characters or more, External ID and Unique.`
    return [{ level: 'error', message, at }]
  }
  if (!field.externalId && !field.idLookup)
    return [
      { level: 'error', message: `"${name}" is not marked External ID, so records cannot be upserted by it.`, at },
    ]
  if (!field.createable && field.type !== 'id')
    return [
      {
        level: 'error',
        message: `"${name}" cannot be set by the user the hub works as: give that user edit on it.`,
        at,
      },
    ]
  const findings: Finding[] = []
  if (EVENT_ID.test(value) && field.length < EVENT_ID_CHARS)
    findings.push({
      level: 'error',
      message: `"${name}" takes ${field.length} characters; an event's id has ${EVENT_ID_CHARS}.`,
      at,
    })
  if (!field.unique && !field.idLookup)
    findings.push({
      level: 'warning',
      message: `"${name}" is not Unique: when two records have the same value, no response with it can be written.`,
      at,
    })
  return findings
}

/** Of the boolean fields Salesforce fills in what is missing, whatever describe says. */
function missingFindings(
  { object, externalId, fields }: Config,
  mapped: readonly MappedField[],
  described: readonly DescribedField[],
): readonly Finding[] {
  const given = new Set([externalId.field, ...mapped.map(({ name }) => name.split('.')[0] as string)].map(lower))
  return described
    .filter((field) => field.createable && !field.nillable && !field.defaultedOnCreate && field.type !== 'boolean')
    .filter(({ name }) => !given.has(lower(name)))
    .map(({ name }) => ({
      level: 'error',
      message: `${object} needs "${name}"; say what it gets. (There are ${Object.keys(fields).length} fields so far.)`,
      at: '/fields',
    }))
}

const lower = (name: string): string => name.toLowerCase()

function fieldFindings(field: MappedField, found: DescribedField | undefined, config: Config): readonly Finding[] {
  const at = pointerTo(field.name)
  const error = (message: string): Finding => ({ level: 'error', message, at })
  if (found === undefined) return [error(`${config.object} has no field "${field.name}".`)]
  if (lower(field.name) === lower(config.externalId.field))
    return [error(`"${field.name}" is the external id; its value is set by externalId.value.`)]
  if (!found.createable)
    return [
      error(
        `"${field.name}" cannot be set by the user the hub works as: it is read-only, or not visible to that user.`,
      ),
    ]
  const findings: Finding[] = []
  if (!found.updateable)
    findings.push({
      level: 'warning',
      message: `"${field.name}" can be set once and not changed: a repeat of the same response will be refused.`,
      at,
    })
  const wanted = wantedType(field, found)
  if (wanted !== null)
    findings.push(error(`"${field.name}" is a ${found.type}; say {value, type: ${wanted}} instead of ${field.type}.`))
  return [...findings, ...lengthFindings(field, found, at), ...choiceFindings(field, found, at)]
}

function wantedType(field: MappedField, { type }: DescribedField): FieldType | null {
  const wanted = WANTED[type]
  if (wanted !== undefined) return field.type === wanted || isFitConstant(field, type) ? null : wanted
  return field.type === 'multipicklist' ? 'text' : null
}

const isFitConstant = ({ value, type }: MappedField, described: string): boolean =>
  isConstant(value) &&
  type === 'text' &&
  (NUMBER.has(described) ? numberOf(value.trim()) !== null : described === 'multipicklist')

/** What is cut there is another address, and a wrong one. */
const NEVER_CUT: ReadonlySet<string> = new Set(['email', 'url'])

function lengthFindings(field: MappedField, { length, type }: DescribedField, at: string): readonly Finding[] {
  const isText = field.type === 'text' && WANTED[type] === undefined && length > 0
  if (!isText) return []
  const { value, maxLength } = field
  if (isConstant(value) && Math.min(value.length, maxLength ?? Infinity) > length)
    return [
      { level: 'error', message: `"${field.name}" takes ${length} characters; this text has ${value.length}.`, at },
    ]
  if (maxLength !== undefined && maxLength > length)
    return [{ level: 'error', message: `"${field.name}" takes ${length} characters; maxLength is ${maxLength}.`, at }]
  if (isConstant(value) || maxLength !== undefined) return []
  const message = `"${field.name}" takes ${length} characters, and longer answers are refused`
  return [
    { level: 'info', message: NEVER_CUT.has(type) ? `${message}.` : `${message}; maxLength: ${length} cuts them.`, at },
  ]
}

function choiceFindings(field: MappedField, described: DescribedField, at: string): readonly Finding[] {
  const { restrictedPicklist, picklistValues, type } = described
  if ((type !== 'picklist' && type !== 'multipicklist') || !isConstant(field.value)) return []
  const values = type === 'multipicklist' ? valuesIn(field.value) : [field.value.trim()]
  const active = picklistValues.filter((choice) => choice.active).map(({ value }) => value)
  return values
    .filter((value) => !active.includes(value))
    .map((value) => ({
      level: restrictedPicklist ? 'error' : 'warning',
      message: `"${value}" is no value of "${field.name}", which has: ${active.join(', ')}.`,
      at,
    }))
}
