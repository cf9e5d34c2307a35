/**
 * Responses as typed columns, one table a form, kept as the log tells them. Every change and the place in the log that it
 * reaches are one transaction, so a kill at any moment leaves a state that some stretch of the log makes.
 */
import type { FieldInfo, LoggedEvent } from 'manifold/plugin'
import type { Column } from './columns.ts'
import { rowsOf } from './database.ts'
import type { Database } from './database.ts'
import { FormTables } from './form-tables.ts'
import type { FormTable } from './form-tables.ts'
import { eraseRows, writeRows } from './rows.ts'

/** A form as questions see it. */
export interface ProjectedForm {
  readonly id: string
  readonly name: string
  /** The newest version seen. */
  readonly version: number
  readonly table: string
  /** Of the newest version, in its order. */
  readonly fields: readonly FieldInfo[]
  /** By path: those of responses in general, and one for each field that any version had. */
  readonly columns: ReadonlyMap<string, Column>
  /** Place of the last event that changed it: an answer stays right while this stays. */
  readonly changedAt: number
}

export interface Projection {
  /** Up to which place of the log it holds everything. */
  readonly applied: () => number
  readonly form: (id: string) => ProjectedForm | undefined
  /** Events in order, all after `applied`; `reached` may lie behind the last of them. */
  apply(events: readonly LoggedEvent[], reached: number): Promise<void>
}

export async function openProjection({ writer }: Database): Promise<Projection> {
  let tables = await FormTables.open(writer)
  const [progress] = await rowsOf(writer, 'SELECT applied FROM progress')
  let applied = Number(progress?.['applied'] ?? 0)
  const write = async (events: readonly LoggedEvent[], reached: number): Promise<void> => {
    for (const [form, list] of await byForm(tables, events)) {
      await writeRows(writer, form, list)
      await eraseRows(writer, form, list)
      form.changedAt = list.at(-1)?.seq ?? form.changedAt
    }
    for (const { type, form } of events) if (type === 'form.deleted' && form !== undefined) await tables.drop(form.id)
    await writer.run('UPDATE progress SET applied = ?', [BigInt(reached)])
  }
  return {
    applied: () => applied,
    form: (id) => tables.find(id),
    apply: async (events, reached) => {
      await writer.run('BEGIN')
      try {
        await write(events, reached)
        await writer.run('COMMIT')
      } catch (error) {
        await writer.run('ROLLBACK').catch(() => undefined)
        // What it knew of tables may be of those that were taken back.
        tables = await FormTables.open(writer)
        throw error
      }
      applied = reached
    },
  }
}

async function byForm(
  tables: FormTables,
  events: readonly LoggedEvent[],
): Promise<ReadonlyMap<FormTable, LoggedEvent[]>> {
  const lists = new Map<FormTable, LoggedEvent[]>()
  for (const event of events) {
    const table = event.form === undefined ? undefined : await tables.fitting(event.form)
    if (table === undefined) continue
    const list = lists.get(table)
    if (list === undefined) lists.set(table, [event])
    else list.push(event)
  }
  return lists
}
