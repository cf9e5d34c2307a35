/** Which table and columns hold a form's responses. Columns are only added: answers of old versions stay askable. */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { LoggedEvent } from 'manifold/plugin'
import { kindOf, RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column, Kind } from './columns.ts'
import { rowsOf } from './database.ts'

type Form = NonNullable<LoggedEvent['form']>

export interface FormTable {
  readonly id: string
  readonly table: string
  readonly columns: Map<string, Column>
  name: string
  version: number
  /** Of the newest version, in its order. */
  fields: Form['fields']
  changedAt: number
  /** What `fitting` saw last: the same object needs no second look. */
  seen: string
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
      tables.set(form.id, newTable({ ...form, fields: JSON.parse(fields) as Form['fields'] }))
    }
    for (const row of await rowsOf(writer, 'SELECT form, path, kind, name FROM columns ORDER BY position')) {
      const { form, path, kind, name } = row as { form: string; path: string; kind: Kind; name: string }
      tables.get(form)?.columns.set(path, { path, kind, name })
    }
    return new FormTables(writer, tables)
  }

  find(id: string): FormTable | undefined {
    return this.#tables.get(id)
  }

  /** The table, with a column for each field of this version. */
  async fitting(form: Form): Promise<FormTable> {
    const table = this.#tables.get(form.id) ?? (await this.#add(form))
    const seen = `${form.version}:${form.fields.length}`
    if (table.seen === seen) return table
    if (form.version >= table.version) {
      table.version = form.version
      table.name = form.name
      table.fields = form.fields
      await this.#writer.run('UPDATE forms SET name = ?, version = ?, fields = ? WHERE id = ?', [
        form.name,
        form.version,
        JSON.stringify(form.fields),
        form.id,
      ])
    }
    for (const field of form.fields) {
      const path = `data.${field.key}`
      const kind = kindOf(field)
      const known = table.columns.get(path)
      if (known === undefined) await this.#addColumn(table, { path, kind })
      else if (known.kind !== kind && form.version >= table.version) await this.#addColumn(table, { path, kind }, known)
    }
    table.seen = seen
    return table
  }

  async drop(id: string): Promise<void> {
    const table = this.#tables.get(id)
    if (table === undefined) return
    await this.#writer.run(`DROP TABLE ${table.table}`)
    await this.#writer.run('DELETE FROM columns WHERE form = ?', [id])
    await this.#writer.run('DELETE FROM forms WHERE id = ?', [id])
    this.#tables.delete(id)
  }

  async #add({ id, name, version, fields }: Form): Promise<FormTable> {
    const [row] = await rowsOf(this.#writer, 'SELECT coalesce(max(number), 0) + 1 AS number FROM forms')
    const number = Number(row?.['number'])
    const table = newTable({ id, number, name, version, fields })
    const columns = RESPONSE_COLUMNS.map(({ name: column, kind }) => `${column} ${sqlType(kind)}`)
    await this.#writer.run(
      `CREATE TABLE ${table.table} (${columns.join(', ')}, started_seq BIGINT, submitted_seq BIGINT)`,
    )
    await this.#writer.run('INSERT INTO forms VALUES (?, ?, ?, ?, ?)', [
      id,
      number,
      name,
      version,
      JSON.stringify(fields),
    ])
    this.#tables.set(id, table)
    return table
  }

  /** Where the field had another type before, what of its answers can be read as the new one is kept. */
  async #addColumn(table: FormTable, { path, kind }: Omit<Column, 'name'>, before?: Column): Promise<void> {
    const [row] = await rowsOf(this.#writer, 'SELECT count(*) AS count FROM columns WHERE form = ?', [table.id])
    const position = Number(row?.['count']) + 1
    const name = `f${position}`
    await this.#writer.run(`ALTER TABLE ${table.table} ADD COLUMN ${name} ${sqlType(kind)}`)
    if (before !== undefined)
      await this.#writer.run(`UPDATE ${table.table} SET ${name} = TRY_CAST(${before.name} AS ${sqlType(kind)})`)
    await this.#writer.run('INSERT INTO columns VALUES (?, ?, ?, ?, ?)', [table.id, position, path, kind, name])
    table.columns.set(path, { path, kind, name })
  }
}

function newTable(form: Pick<Form, 'id' | 'name' | 'version' | 'fields'> & { readonly number: number }): FormTable {
  const { id, number, name, version, fields } = form
  const columns = new Map(RESPONSE_COLUMNS.map((column) => [column.path, column]))
  return { id, table: `responses_${number}`, columns, name, version, fields, changedAt: 0, seen: '' }
}
