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
  /** What stands in it was chosen from what was offered, or is the hub's word: it shows no single person. See `access.ts`. */
  readonly isOpen: boolean
  /** Some version of the form marks it private, and the installation was granted it: no link shows it. */
  readonly isPii?: boolean
}

const SQL_TYPES: Readonly<Record<Kind, string>> = {
  number: 'DOUBLE',
  text: 'VARCHAR',
  boolean: 'BOOLEAN',
  list: 'VARCHAR[]',
  time: 'TIMESTAMP',
  json: 'JSON',
}

/** Numbers are held within this, either way, so that the sum of all there can be is one, too. */
export const NUMBER_MAX = 2 ** 990

export const sqlType = (kind: Kind): string => SQL_TYPES[kind]

/** Dates and times of answers stay texts: ISO 8601 sorts, and nothing is lost of what was written. */
export function kindOf({ type }: FieldInfo): Kind {
  if (type === 'number' || type === 'rating') return 'number'
  if (type === 'boolean') return 'boolean'
  return type === 'multi_select' ? 'list' : 'text'
}

const CHOICE_TYPES: ReadonlySet<string> = new Set(['select', 'radio', 'multi_select', 'boolean', 'rating'])

/** Its answers are chosen from what the form offers. */
export const hasChoices = ({ type }: Pick<FieldInfo, 'type'>): boolean => CHOICE_TYPES.has(type)

/** Columns that every response has. */
export const RESPONSE_COLUMNS: readonly Column[] = [
  { path: 'response.id', kind: 'text', name: 'id', isOpen: false },
  { path: 'response.status', kind: 'text', name: 'status', isOpen: true },
  { path: 'response.started_at', kind: 'time', name: 'started_at', isOpen: false },
  { path: 'response.submitted_at', kind: 'time', name: 'submitted_at', isOpen: false },
  { path: 'response.duration_s', kind: 'number', name: 'duration_s', isOpen: false },
  { path: 'form.version', kind: 'number', name: 'version', isOpen: true },
]
