/** The double's records and the rules that Salesforce would refuse them by, one row at a time. */
import { OBJECTS, type FakeField } from './objects.ts'

export type FakeRecord = { [field: string]: unknown }

export interface FakeError {
  readonly statusCode: string
  readonly message: string
  readonly fields: readonly string[]
}

export type RowResult =
  | { readonly id: string; readonly success: true; readonly created: boolean; readonly errors: readonly [] }
  | { readonly success: false; readonly errors: readonly FakeError[] }

/** The call as a whole is refused (400). */
export class WholeCall extends Error {
  readonly errorCode: string

  constructor(errorCode: string, message: string) {
    super(message)
    this.errorCode = errorCode
  }
}

export interface UpsertOptions {
  /** Null: records are created. */
  readonly externalId: string | null
  /** `Sforce-Duplicate-Rule-Header: allowSave=true`. */
  readonly allowSave: boolean
}

export interface Org {
  /** Stored records of an object. */
  records(object: string): readonly FakeRecord[]
  /** Rows of one call; throws WholeCall for what Salesforce cannot read. */
  upsert(object: string, rows: readonly FakeRecord[], options: UpsertOptions): RowResult[]
  /** From now on an alert rule compares this field of Lead. */
  duplicateRule: { readonly field: string; readonly kind: 'alert' | 'block' } | null
  /** A validation rule: the message that a record is refused with, or null. */
  validation: (record: FakeRecord) => string | null
  /** Each row that was written. */
  onWrite: (record: FakeRecord, created: boolean) => void
}

const NUMBERS = new Set(['int', 'double', 'currency', 'percent'])
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/
const ID_PREFIXES: Readonly<Record<string, string>> = { Lead: '00Q', Contact: '003' }
const SYSTEM = new Set(['attributes', 'Id'])

/** An empty org. */
export function createOrg(): Org {
  const tables = new Map<string, FakeRecord[]>()
  const indexes = new Map<string, Index>()
  let serial = 0
  const tableOf = (object: string): FakeRecord[] => {
    const table = tables.get(object) ?? []
    tables.set(object, table)
    return table
  }

  /** Records by key, made when a field is upserted by for the first time. */
  function indexOf(object: string, field: string): Index {
    const place = `${object}.${field}`
    let index = indexes.get(place)
    if (index === undefined) {
      index = new Map()
      for (const record of tableOf(object)) indexed(index, field, record)
      indexes.set(place, index)
    }
    return index
  }

  function writeRow(place: Place, row: FakeRecord, options: UpsertOptions): RowResult {
    const { object, externalId } = place
    const table = tableOf(object)
    const key = externalId === null ? null : row[externalId]
    if (externalId !== null && (key === null || key === undefined || key === ''))
      return refused('MISSING_ARGUMENT', `${externalId} not specified`, [externalId])
    const index = externalId === null ? null : indexOf(object, externalId)
    const same = index?.get(keyOf(key)) ?? []
    if (same.length > 1) return refused('DUPLICATE_EXTERNAL_ID', `${externalId}: more than one record found`, [])
    const existing = same[0]
    const wrong = wrongWith(place, row, existing === undefined) ?? duplicate(row, existing, options)
    if (wrong !== null) return { success: false, errors: [wrong] }
    const invalid = org.validation({ ...existing, ...row })
    if (invalid !== null) return refused('FIELD_CUSTOM_VALIDATION_EXCEPTION', invalid, [])
    const { attributes: _attributes, ...values } = row
    const record = existing ?? { Id: `${ID_PREFIXES[object] ?? 'a00'}${String((serial += 1)).padStart(15, '0')}` }
    Object.assign(record, values)
    if (existing === undefined) {
      table.push(record)
      for (const [place, known] of indexes)
        if (place.startsWith(`${object}.`)) indexed(known, place.slice(object.length + 1), record)
    }
    org.onWrite(record, existing === undefined)
    return { id: record['Id'] as string, success: true, created: existing === undefined, errors: [] }
  }

  function duplicate(row: FakeRecord, existing: FakeRecord | undefined, options: UpsertOptions): FakeError | null {
    const rule = org.duplicateRule
    if (rule === null || existing !== undefined || row[rule.field] === undefined) return null
    if (rule.kind === 'alert' && options.allowSave) return null
    const isKnown = tableOf('Lead').some((record) => record[rule.field] === row[rule.field])
    return isKnown ? { statusCode: 'DUPLICATES_DETECTED', message: 'Use one of these records?', fields: [] } : null
  }

  const org: Org = {
    records: tableOf,
    duplicateRule: null,
    validation: () => null,
    onWrite: () => {},
    upsert(object, rows, options) {
      const { externalId } = options
      const fields = OBJECTS[object]
      if (fields === undefined) throw new WholeCall('INVALID_TYPE', `sObject type '${object}' is not supported.`)
      if (externalId !== null && !fields.some((field) => field.name === externalId && field.idLookup))
        throw new WholeCall('INVALID_FIELD', `No such column '${externalId}' on sobject of type ${object}`)
      for (const row of rows) readable(object, fields, row)
      const twice = repeatedKeys(externalId, rows)
      return rows.map((row) => {
        const key = externalId === null ? undefined : row[externalId]
        return twice.has(keyOf(key))
          ? refused('DUPLICATE_VALUE', `Duplicate external id specified: ${keyOf(key)}`, [externalId ?? ''])
          : writeRow({ object, externalId, fields }, row, options)
      })
    },
  }
  return org
}

interface Place {
  readonly object: string
  readonly externalId: string | null
  readonly fields: readonly FakeField[]
}

/** Values come out of JSON. */
const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
const keyOf = (value: unknown): string => textOf(value).toLowerCase()

type Index = Map<string, FakeRecord[]>

function indexed(index: Index, field: string, record: FakeRecord): void {
  if (record[field] === undefined) return
  const key = keyOf(record[field])
  index.set(key, [...(index.get(key) ?? []), record])
}

function repeatedKeys(externalId: string | null, rows: readonly FakeRecord[]): ReadonlySet<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  if (externalId === null) return twice
  for (const row of rows) {
    const key = keyOf(row[externalId])
    if (seen.has(key)) twice.add(key)
    seen.add(key)
  }
  return twice
}

/** Salesforce reads the whole body before it looks at any row. */
function readable(object: string, fields: readonly FakeField[], row: FakeRecord): void {
  for (const [name, value] of Object.entries(row)) {
    if (SYSTEM.has(name)) continue
    const field = fields.find((each) => each.name === name)
    if (field === undefined)
      throw new WholeCall('INVALID_FIELD', `No such column '${name}' on sobject of type ${object}`)
    const isFit =
      value === null ||
      (NUMBERS.has(field.type)
        ? Number.isFinite(Number(value)) && value !== ''
        : field.type === 'boolean'
          ? typeof value === 'boolean'
          : field.type === 'date'
            ? /^\d{4}-\d{2}-\d{2}$/.test(textOf(value))
            : field.type === 'datetime'
              ? /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/.test(textOf(value))
              : typeof value === 'string' || typeof value === 'number')
    if (!isFit)
      throw new WholeCall(
        'JSON_PARSER_ERROR',
        `Cannot deserialize instance of ${field.type} from VALUE_STRING value ${textOf(value)} or request may be missing a required field`,
      )
  }
}

function wrongWith({ fields, externalId }: Place, row: FakeRecord, isNew: boolean): FakeError | null {
  const error = (statusCode: string, message: string, name: string): FakeError => ({
    statusCode,
    message,
    fields: [name],
  })
  const missing = fields.filter(
    ({ name, createable, nillable, defaultedOnCreate }) =>
      createable && !nillable && !defaultedOnCreate && (isNew ? (row[name] ?? '') === '' : row[name] === null),
  )
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name)
    return {
      statusCode: 'REQUIRED_FIELD_MISSING',
      message: `Required fields are missing: [${names.join(', ')}]`,
      fields: names,
    }
  }
  for (const [name, value] of Object.entries(row)) {
    const field = fields.find((each) => each.name === name)
    if (field === undefined || value === null) continue
    const text = textOf(value)
    if (!(isNew ? field.createable : field.updateable || name === externalId))
      return error('INVALID_FIELD_FOR_INSERT_UPDATE', `Unable to create/update fields: ${name}.`, name)
    if (field.length > 0 && text.length > field.length)
      return error(
        'STRING_TOO_LONG',
        `${field.label}: data value too large: ${text.slice(0, 40)} (max length=${field.length})`,
        name,
      )
    if (field.type === 'email' && !EMAIL.test(text))
      return error('INVALID_EMAIL_ADDRESS', `${field.label}: invalid email address: ${text}`, name)
    const values = field.type === 'multipicklist' ? text.split(';') : [text]
    const unknown = values.find((one) => !field.picklistValues.some((choice) => choice.value === one))
    if (field.restrictedPicklist && unknown !== undefined)
      return error(
        'INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST',
        `${field.label}: bad value for restricted picklist field: ${unknown}`,
        name,
      )
  }
  return null
}

const refused = (statusCode: string, message: string, fields: readonly string[]): RowResult => ({
  success: false,
  errors: [{ statusCode, message, fields }],
})
