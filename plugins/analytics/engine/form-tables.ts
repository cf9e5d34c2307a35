/**
 * Which table and columns hold a form's responses. A field has a column for each type that it ever had, and columns are only
 * added: what was answered under another type stays in its own, so that reading the log again comes to the same.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LoggedEvent } from 'manifold/plugin'
import { kindOf, RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column, Kind } from './columns.ts'
import { rowsOf } from './database.ts'
import { createFactResponses } from './star.ts'

export type Form = NonNullable<LoggedEvent['form']>

const place = (path: string, kind: Kind): string => `${kind} ${path}`

export class FormTable {
  readonly id: string
  readonly table: string
  name: string
  version: number
  /** Of the newest version, in its order. */
  fields: Form['fields']
  /** By kind and path. */
  readonly byPlace = new Map<string, Column>()
  /** Version and fields that were fitted last: the same need no second look. */
  fitted = ''

  constructor({
    id,
    number,
    name,
    version,
    fields,
  }: Pick<Form, 'id' | 'name' | 'version' | 'fields'> & { number: number }) {
    this.id = id
    this.table = `responses_${number}`
    this.name = name
    this.version = version
    this.fields = fields
  }

  /** Columns for the answers of this version, by key of the field. */
  columnsOf({ fields }: Form): ReadonlyMap<string, Column> {
    const columns = fields.flatMap((field): [string, Column][] => {
      const column = this.byPlace.get(place(`data.${field.key}`, kindOf(field)))
      return column === undefined ? [] : [[field.key, column]]
    })
    return new Map(columns)
  }

  /** What questions may name: the newest type of each field, and fields that are no more as they were last. */
  columns(): ReadonlyMap<string, Column> {
    const columns = new Map(RESPONSE_COLUMNS.map((column) => [column.path, column]))
    for (const column of this.byPlace.values()) columns.set(column.path, column)
    for (const [key, column] of this.columnsOf({
      id: this.id,
      name: this.name,
      version: this.version,
      fields: this.fields,
    }))
      columns.set(`data.${key}`, column)
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
    for (const row of await rowsOf(writer, 'SELECT id, number, name, version, fields FROM forms')) {
      const { fields, ...form } = row as { id: string; number: number; name: string; version: number; fields: string }
      tables.set(form.id, new FormTable({ ...form, fields: JSON.parse(fields) as Form['fields'] }))
    }
    for (const row of await rowsOf(writer, 'SELECT form, path, kind, name FROM columns ORDER BY position')) {
      const { form, path, kind, name } = row as { form: string; path: string; kind: Kind; name: string }
      tables.get(form)?.byPlace.set(place(path, kind), { path, kind, name })
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

  /** Makes the table, and a column for each field of this version. Each step is whole by itself and may be repeated. */
  async fit(form: Form): Promise<void> {
    const table = this.#tables.get(form.id) ?? (await this.#add(form))
    const fitting = `${form.version} ${JSON.stringify(form.fields.map((field) => [field.key, field.type]))}`
    if (table.fitted === fitting) return
    for (const field of form.fields) await this.#fitColumn(table, { path: `data.${field.key}`, kind: kindOf(field) })
    if (form.version >= table.version) {
      table.version = form.version
      table.name = form.name
      table.fields = form.fields
      const { id, name, version, fields } = form
      await this.#writer.run('UPDATE forms SET name = ?, version = ?, fields = ? WHERE id = ?', [
        name,
        version,
        JSON.stringify(fields),
        id,
      ])
    }
    table.fitted = fitting
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

  async #add({ id, name, version, fields }: Form): Promise<FormTable> {
    const [row] = await rowsOf(this.#writer, 'SELECT coalesce(max(number), 0) + 1 AS number FROM forms')
    const number = Number(row?.['number'])
    const table = new FormTable({ id, number, name, version, fields })
    const columns = RESPONSE_COLUMNS.map(({ name: column, kind }) => `${column} ${sqlType(kind)}`)
    await this.#writer.run(`DROP TABLE IF EXISTS ${table.table}`)
    await this.#writer.run(
      `CREATE TABLE ${table.table} (${columns.join(', ')}, started_seq BIGINT, submitted_seq BIGINT)`,
    )
    const values = [id, number, name, version, JSON.stringify(fields)]
    await this.#writer.run('INSERT INTO forms VALUES (?, ?, ?, ?, ?)', values)
    this.#tables.set(id, table)
    await createFactResponses(this.#writer, [...this.#tables.values()])
    return table
  }

  async #fitColumn(table: FormTable, { path, kind }: Omit<Column, 'name'>): Promise<void> {
    if (table.byPlace.has(place(path, kind))) return
    const position = table.byPlace.size + 1
    const name = `f${position}`
    await this.#writer.run(`ALTER TABLE ${table.table} DROP COLUMN IF EXISTS ${name}`)
    await this.#writer.run(`ALTER TABLE ${table.table} ADD COLUMN ${name} ${sqlType(kind)}`)
    await this.#writer.run('INSERT INTO columns VALUES (?, ?, ?, ?, ?)', [table.id, position, path, kind, name])
    table.byPlace.set(place(path, kind), { path, kind, name })
  }
}
