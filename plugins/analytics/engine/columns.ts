/** How the fields of a form become typed columns. Answers were checked against the form, so a column's type can be trusted. */
import type { FieldInfo } from 'manifold/plugin'

/** What a filter or an aggregate needs to know of a column. */
export type Kind = 'number' | 'text' | 'boolean' | 'list' | 'time' | 'json'

export interface Column {
  /** As questions name it: `data.department`, `response.submitted_at`. */
  readonly path: string
  readonly kind: Kind
  /** Its name in the table: a plain word of ours, since keys of fields may differ in nothing but case. */
  readonly name: string
}

const SQL_TYPES: Readonly<Record<Kind, string>> = {
  number: 'DOUBLE',
  text: 'VARCHAR',
  boolean: 'BOOLEAN',
  list: 'VARCHAR[]',
  time: 'TIMESTAMP',
  json: 'JSON',
}

export const sqlType = (kind: Kind): string => SQL_TYPES[kind]

/** Dates and times of answers stay texts: ISO 8601 sorts, and nothing is lost of what was written. */
export function kindOf({ type }: FieldInfo): Kind {
  if (type === 'number' || type === 'rating') return 'number'
  if (type === 'boolean') return 'boolean'
  return type === 'multi_select' ? 'list' : 'text'
}

/** Columns that every response has. */
export const RESPONSE_COLUMNS: readonly Column[] = [
  { path: 'response.id', kind: 'text', name: 'id' },
  { path: 'response.status', kind: 'text', name: 'status' },
  { path: 'response.started_at', kind: 'time', name: 'started_at' },
  { path: 'response.submitted_at', kind: 'time', name: 'submitted_at' },
  { path: 'response.duration_s', kind: 'number', name: 'duration_s' },
  { path: 'form.version', kind: 'number', name: 'version' },
]
