/**
 * Several statements, each run for any number of rows, sent in one go: one round trip to the server instead of one for
 * each row. The client of `pg` takes it as a query of its own kind.
 */
import type { ClientBase } from 'pg'
import type { SqlValue, StepResult } from '../procedure.ts'
import type { Statement } from './sql.ts'

export interface Call {
  readonly statement: Statement
  readonly rows: readonly (readonly SqlValue[])[]
}

/** Sends all calls; resolves with a result for each, rejects with the first error, after which the server skips the rest. */
export function sendAll(client: ClientBase, calls: readonly Call[]): Promise<readonly StepResult[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new Pipeline(calls, (error, results) => {
        if (error !== null) reject(error)
        else resolve(results)
      }),
    )
  })
}

/** What `pg` hands to a query of one's own: the messages of the extended protocol. */
interface Wire {
  readonly parsedStatements: Record<string, string>
  readonly stream: { cork?(): void; uncork?(): void }
  parse(message: { name: string; text: string; types: readonly number[] }): void
  bind(message: { statement: string; values: readonly (string | null)[] }): void
  describe(message: { type: 'P'; name: string }): void
  execute(message: object): void
  sync(): void
}

interface Field {
  readonly name: string
  readonly dataTypeID: number
}

type Done = (error: Error | null, results: readonly StepResult[]) => void

const BIGINT = 20
const INTEGERS = new Set([BIGINT, 21, 23])
const FLOATS = new Set([700, 701, 1700])
const NUL = /\0/g

class Pipeline {
  /** `pg` puts its own around it when it watches over the time. */
  callback: Done
  readonly #calls: readonly Call[]
  readonly #results: { rows: Record<string, unknown>[]; changes: number }[] = []
  /** Which call the messages that come in belong to, and how many of its rows are through. */
  #place = 0
  #through = 0
  #fields: readonly Field[] = []
  readonly #parsing: Statement[] = []

  constructor(calls: readonly Call[], done: Done) {
    this.#calls = calls.filter(({ rows }) => rows.length > 0)
    this.callback = done
    for (const _ of this.#calls) this.#results.push({ rows: [], changes: 0 })
  }

  /** Read by `pg` when the server has parsed a statement: what may be bound by name from now on. */
  get name(): string | undefined {
    return this.#parsing[0]?.name
  }

  get text(): string | undefined {
    return this.#parsing.shift()?.text
  }

  submit(connection: unknown): null {
    const wire = connection as Wire
    const sent = new Set<string>()
    wire.stream.cork?.()
    for (const { statement, rows } of this.#calls) {
      const { name, text } = statement
      if (wire.parsedStatements[name] === undefined && !sent.has(name)) {
        sent.add(name)
        this.#parsing.push(statement)
        wire.parse({ name, text, types: [] })
      }
      for (const [i, row] of rows.entries()) {
        wire.bind({ statement: name, values: row.map(bound) })
        if (i === 0) wire.describe({ type: 'P', name: '' })
        wire.execute({})
      }
    }
    wire.sync()
    wire.stream.uncork?.()
    return null
  }

  handleRowDescription({ fields }: { readonly fields: readonly Field[] }): void {
    this.#fields = fields
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const row: Record<string, unknown> = {}
    for (const [i, { name, dataTypeID }] of this.#fields.entries()) row[name] = read(fields[i] ?? null, dataTypeID)
    this.#results[this.#place]?.rows.push(row)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const result = this.#results[this.#place]
    if (result !== undefined) result.changes += Number(/\d+$/.exec(text)?.[0] ?? 0)
    this.#through += 1
    if (this.#through < (this.#calls[this.#place]?.rows.length ?? 0)) return
    this.#place += 1
    this.#through = 0
    this.#fields = []
  }

  handleError(error: Error): void {
    this.callback(error, [])
    this.callback = () => {}
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#results)
    this.callback = () => {}
  }

  handleEmptyQuery(): void {}

  handlePortalSuspended(): void {}
}

/** Postgres has no text with a NUL in it; what a stranger sends is stored with the sign for an unreadable character. */
const bound = (value: SqlValue): string | null =>
  value === null ? null : typeof value === 'number' ? String(value) : value.replace(NUL, '\u{FFFD}')

function read(text: string | null, type: number): unknown {
  if (text === null) return null
  return INTEGERS.has(type) || FLOATS.has(type) ? Number(text) : text
}
