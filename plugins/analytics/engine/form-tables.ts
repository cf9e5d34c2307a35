/**
 * Which table and columns hold a form's responses. A field has a column for each type that it ever had, and columns are only
 * added: what was answered under another type stays in its own, so that reading the log again comes to the same.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LoggedEvent } from 'manifold/plugin'
import { hasChoices, kindOf, RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column, Kind } from './columns.ts'
import { rowsOf } from './database.ts'
import { createFactResponses } from './star.ts'

export type Form = NonNullable<LoggedEvent['form']>

/** A column as it stands in the file. */
type Kept = Pick<Column, 'path' | 'kind' | 'name'> & { form: string; is_open: boolean; is_pii: boolean }

type Of = { number: number; timezone: string | null }

const SAVED = 'SELECT id, number, name, version, timezone, fields, hidden, changed_by FROM forms'

const place = (path: string, kind: Kind): string => `${kind} ${path}`

export class FormTable {
  readonly id: string
  readonly table: string
  name: string
  version: number
  timezone: string | null
  /** Of the newest version, in its order, without those that the installation may not see. */
  fields: Form['fields']
  /** Keys of fields that the installation may not see, of all versions: whoever tells less is behind. */
  readonly hidden: Set<string>
  /** By kind and path. */
  readonly byPlace = new Map<string, Column>()
  /** Id of the last event that it was told of. */
  changedBy: string
  /** Version and fields that were fitted last: the same need no second look. */
  fitted = ''

  constructor({
    id,
    number,
    name,
    version,
    timezone,
    fields,
    hidden = [],
    changedBy = '',
  }: Pick<Form, 'id' | 'name' | 'version' | 'fields' | 'hidden'> & Of & { changedBy?: string }) {
    this.id = id
    // No form can be called so: a view of SQL with its name would stand before it, also in views of ours.
    this.table = `responses$${number}`
    this.name = name
    this.version = version
    this.timezone = timezone
    this.fields = fields
    this.hidden = new Set(hidden)
    this.changedBy = changedBy
  }

  /** Columns for the answers of this version, by key of the field. */
  columnsOf({ fields }: Pick<Form, 'fields'>): ReadonlyMap<string, Column> {
    const columns = fields.flatMap((field): [string, Column][] => {
      // What is hidden has none.
      const column = this.byPlace.get(place(`data.${field.key}`, kindOf(field)))
      return column === undefined ? [] : [[field.key, column]]
    })
    return new Map(columns)
  }

  /** What questions may name: the newest type of each field, and fields that are no more as they were last. */
  columns(): ReadonlyMap<string, Column> {
    const columns = new Map(RESPONSE_COLUMNS.map((column) => [column.path, column]))
    for (const column of this.byPlace.values()) columns.set(column.path, column)
    for (const [key, column] of this.columnsOf(this)) columns.set(`data.${key}`, column)
    return columns
  }
}

export class FormTables {
  readonly #writer: DuckDBConnection
  readonly #tables: Map<string, FormTable>

  private constructor(writer: DuckDBConnection, tables: Map<string, FormTable>) {
    this.#writer = writer
    this.#tables = tables
  }

  static async open(writer: DuckDBConnection): Promise<FormTables> {
    const tables = new Map<string, FormTable>()
    for (const row of await rowsOf(writer, SAVED)) {
      const {
        fields,
        hidden,
        changed_by: changedBy,
        ...form
      } = row as Pick<Form, 'id' | 'name' | 'version'> & {
        [Name in 'fields' | 'hidden' | 'changed_by']: string
      } & Of
      const texts = { fields: JSON.parse(fields) as Form['fields'], hidden: JSON.parse(hidden) as readonly string[] }
      tables.set(form.id, new FormTable({ ...form, ...texts, changedBy }))
    }
    for (const row of await rowsOf(
      writer,
      'SELECT form, path, kind, name, is_open, is_pii FROM columns ORDER BY position',
    )) {
      const { form, is_open: isOpen, is_pii: isPii, ...column } = row as Kept
      tables.get(form)?.byPlace.set(place(column.path, column.kind), { ...column, isOpen, isPii })
    }
    await createFactResponses(writer, [...tables.values()])
    return new FormTables(writer, tables)
  }

  find(id: string): FormTable | undefined {
    return this.#tables.get(id)
  }

  all(): Iterable<FormTable> {
    return this.#tables.values()
  }

  /**
   * Makes the table, and a column for each field of this version. Each step is whole by itself and may be repeated. Resolves with
   * whether columns went because their field is hidden now.
   */
  async fit(form: Form): Promise<boolean> {
    const table = this.#tables.get(form.id) ?? (await this.#add(form))
    const { hidden } = table
    for (const key of form.hidden ?? []) hidden.add(key)
    const fields = form.fields.filter(({ key }) => !hidden.has(key))
    const fitting = JSON.stringify([form.version, [...hidden], fields.map(({ key, type, pii }) => [key, type, pii])])
    if (table.fitted === fitting) return false
    const isLess = await this.#hide(table)
    for (const field of fields)
      await this.#fitColumn(table, {
        path: `data.${field.key}`,
        kind: kindOf(field),
        isOpen: hasChoices(field),
        isPii: field.pii,
      })
    if (form.version >= table.version) {
      table.version = form.version
      table.name = form.name
      table.timezone = form.timezone ?? null
      table.fields = fields
    } else table.fields = table.fields.filter(({ key }) => !hidden.has(key))
    await this.#writer.run(
      'UPDATE forms SET name = ?, version = ?, timezone = ?, fields = ?, hidden = ? WHERE id = ?',
      [table.name, table.version, table.timezone, JSON.stringify(table.fields), JSON.stringify([...hidden]), table.id],
    )
    table.fitted = fitting
    return isLess
  }

  /** In the transaction of what the event did. */
  async changed(table: FormTable, by: string): Promise<void> {
    await this.#writer.run('UPDATE forms SET changed_by = ? WHERE id = ?', [by, table.id])
    table.changedBy = by
  }

  async drop(id: string): Promise<void> {
    const table = this.#tables.get(id)
    if (table === undefined) return
    await this.#writer.run(`DROP TABLE ${table.table}`)
    await this.#writer.run('DELETE FROM columns WHERE form = ?', [id])
    await this.#writer.run('DELETE FROM forms WHERE id = ?', [id])
    this.#tables.delete(id)
    await createFactResponses(this.#writer, [...this.#tables.values()])
  }

  async #add({ id, name, version, timezone: zone, fields }: Form): Promise<FormTable> {
    const [row] = await rowsOf(this.#writer, 'SELECT coalesce(max(number), 0) + 1 AS number FROM forms')
    const number = Number(row?.['number'])
    const timezone = zone ?? null
    const table = new FormTable({ id, number, name, version, timezone, fields })
    const columns = RESPONSE_COLUMNS.map(({ name: column, kind }) => `${column} ${sqlType(kind)}`)
    await this.#writer.run(`DROP TABLE IF EXISTS ${table.table}`)
    await this.#writer.run(
      `CREATE TABLE ${table.table} (${columns.join(', ')}, started_seq BIGINT, submitted_seq BIGINT)`,
    )
    const values = [id, number, name, version, timezone, JSON.stringify(fields), '[]', '']
    await this.#writer.run('INSERT INTO forms VALUES (?, ?, ?, ?, ?, ?, ?, ?)', values)
    this.#tables.set(id, table)
    await createFactResponses(this.#writer, [...this.#tables.values()])
    return table
  }

  /** Answers to fields that were marked private later. */
  async #hide(table: FormTable): Promise<boolean> {
    const gone = [...table.byPlace].filter(([, { path }]) => table.hidden.has(path.slice('data.'.length)))
    for (const [at, { name }] of gone) {
      await this.#writer.run(`ALTER TABLE ${table.table} DROP COLUMN IF EXISTS ${name}`)
      await this.#writer.run('DELETE FROM columns WHERE form = ? AND name = ?', [table.id, name])
      table.byPlace.delete(at)
    }
    return gone.length > 0
  }

  async #fitColumn(table: FormTable, { path, kind, isOpen, isPii: marked }: Omit<Column, 'name'>): Promise<void> {
    const isPii = await this.#markPii(table, path, marked === true)
    const known = table.byPlace.get(place(path, kind))
    if (known !== undefined) {
      // What was written once stays in the column, whatever is offered now.
      if (isOpen || !known.isOpen) return
      await this.#writer.run('UPDATE columns SET is_open = false WHERE form = ? AND name = ?', [table.id, known.name])
      table.byPlace.set(place(path, kind), { ...known, isOpen, isPii })
      return
    }
    const positions = [...table.byPlace.values()].map((column) => Number(column.name.slice(1)))
    const position = Math.max(0, ...positions) + 1
    const name = `f${position}`
    await this.#writer.run(`ALTER TABLE ${table.table} DROP COLUMN IF EXISTS ${name}`)
    await this.#writer.run(`ALTER TABLE ${table.table} ADD COLUMN ${name} ${sqlType(kind)}`)
    await this.#writer.run('INSERT INTO columns VALUES (?, ?, ?, ?, ?, ?, ?)', [
      table.id,
      position,
      path,
      kind,
      name,
      isOpen,
      isPii,
    ])
    table.byPlace.set(place(path, kind), { path, kind, name, isOpen, isPii })
  }

  /** Whether it is private, which it stays for good and under each type that it ever had. */
  async #markPii({ id, byPlace }: FormTable, path: string, isMarked: boolean): Promise<boolean> {
    const columns = [...byPlace].filter(([, column]) => column.path === path)
    const isPii = isMarked || columns.some(([, column]) => column.isPii === true)
    if (columns.every(([, column]) => column.isPii === isPii)) return isPii
    await this.#writer.run('UPDATE columns SET is_pii = true WHERE form = ? AND path = ?', [id, path])
    for (const [at, column] of columns) byPlace.set(at, { ...column, isPii })
    return isPii
  }
}
