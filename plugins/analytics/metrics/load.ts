/** Counts a form anew from its rows, all as of one moment. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { rowsOf } from '../engine/database.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
import { askedOf } from './fields.ts'
import { FormCounts } from './form-counts.ts'
import { choicesOf, lastAnswers } from './from-rows.ts'

export interface Loaded {
  /** Null: it takes more than it may. */
  readonly counts: FormCounts | null
  /** Place of the log that it is as of. */
  readonly applied: number
}

export async function loadCounts(connection: DuckDBConnection, form: ProjectedForm, bytesMax: number): Promise<Loaded> {
  await connection.run('BEGIN TRANSACTION READ ONLY')
  try {
    const [progress] = await rowsOf(connection, 'SELECT applied FROM progress')
    const counts = new FormCounts(form)
    const isWhole = await fill(counts, { connection, form, bytesMax })
    return { counts: isWhole ? counts : null, applied: Number(progress?.['applied']) }
  } finally {
    await connection.run('ROLLBACK')
  }
}

interface Filling {
  readonly connection: DuckDBConnection
  readonly form: ProjectedForm
  readonly bytesMax: number
}

async function fill(counts: FormCounts, { connection, form, bytesMax }: Filling): Promise<boolean> {
  const ask: Ask = (sql, values = []) => rowsOf(connection, sql, values)
  const asked = askedOf(form)
  const done = 'submitted_seq IS NOT NULL'
  const answered = asked.map(({ column: { name } }) => `count(${name}) FILTER (WHERE ${done}) AS ${name}`)
  const [row = {}] = await ask(
    `SELECT ${['count(*) AS started', `count(*) FILTER (WHERE ${done}) AS completed`, ...answered].join(', ')}
     FROM ${form.table}`,
  )
  counts.started = Number(row['started'])
  counts.completed = Number(row['completed'])
  for (const { column } of asked) counts.field(column.name).answered = Number(row[column.name])
  for (const [place, many] of (await lastAnswers(ask, form, { asked })).entries()) counts.last[place] = many
  for (const [name, choices] of await choicesOf(ask, form, { asked }))
    for (const [value, many] of choices) counts.field(name).choices?.set(value, many)
  const each = async (sql: string, take: (value: number, many: number) => void): Promise<boolean> => {
    const result = await connection.stream(
      `SELECT CAST(${sql} AS DOUBLE) AS value, CAST(count(*) AS DOUBLE) AS many FROM ${form.table}
       WHERE ${done} AND ${sql} IS NOT NULL GROUP BY 1 ORDER BY 1`,
    )
    for (
      let chunk = await result.fetchChunk();
      chunk !== null && chunk.rowCount > 0;
      chunk = await result.fetchChunk()
    ) {
      const values = chunk.getColumnValues(0)
      const many = chunk.getColumnValues(1)
      for (let n = 0; n < values.length; n += 1) take(values[n] as number, many[n] as number)
      if (counts.bytes > bytesMax) return false
    }
    return true
  }
  const numbers = asked.filter(({ column }) => column.kind === 'number').map(({ column }) => column.name)
  if (!(await each('epoch_ms(submitted_at)', (value, many) => counts.times.add(value, many)))) return false
  if (!(await each('duration_s', (value, many) => counts.durations.add(value, many)))) return false
  for (const name of numbers) {
    if (!(await each(name, (value, many) => counts.addNumber(name, value, many)))) return false
    const { answered: wanted, numbers: found } = counts.field(name)
    if (found?.values.size !== wanted)
      throw new Error(`${found?.values.size} of ${wanted} numbers of ${name} were read`)
  }
  return true
}
