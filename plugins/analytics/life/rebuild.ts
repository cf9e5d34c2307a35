/** What is held before its rows are made anew, and after: responses and behaviour events row by row, and headline numbers of forms. */
import { createHash } from 'node:crypto'
import { rowsOf, scanNumbers } from '../engine/database.ts'
import { EVENT_COLUMNS } from '../engine/event-columns.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask, Asks } from '../engine/readers.ts'
import { metricsFromRows } from '../metrics/metrics.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { SeriesQuery } from '../metrics/series.ts'
import type { Generation } from './generation.ts'
import { DAY_MS } from '../time-units.ts'

interface Numbers {
  readonly started: number
  readonly completed: number
  /** Of all its rows, and of all headline numbers of the last 90 days and in total. */
  readonly digest: string
}

export interface ComparedForm {
  readonly formId: string
  /** Null: there are no responses. */
  readonly before: Numbers | null
  readonly after: Numbers | null
  readonly isEqual: boolean
}

/** Behaviour events, and what all their rows come to. */
interface Events {
  readonly count: number
  readonly digest: string
}

export interface Compared {
  readonly forms: readonly ComparedForm[]
  readonly events: { readonly before: Events; readonly after: Events; readonly isEqual: boolean }
}

const DAYS = 90

/** A generation as it was at one moment, however long it is looked at. */
interface Snapshot {
  readonly forms: ReadonlyMap<string, ProjectedForm>
  /** From counts, where a form is counted. */
  readonly counted: ReadonlyMap<string, Metrics>
  readonly asks: Asks
  close(): void
}

/** Both have to be at the same place of the log, and may go on once this resolves; what that resolves with compares them. */
export async function snapshotBoth(before: Generation, after: Generation): Promise<() => Promise<Compared>> {
  const nowMs = Date.now()
  const query = {
    timezone: before.metrics.timezone,
    bucket: 'day',
    fromMs: nowMs - DAYS * DAY_MS,
    toMs: nowMs,
  } as const
  const was = await snapshotOf(before, query, nowMs)
  const is = await snapshotOf(after, query, nowMs)
  return async () => {
    try {
      return await compare(was, is, { ...query, nowMs })
    } finally {
      was.close()
      is.close()
    }
  }
}

async function snapshotOf(
  { database, projection, metrics }: Generation,
  query: SeriesQuery,
  nowMs: number,
): Promise<Snapshot> {
  const connection = await database.instance.connect()
  await connection.run('BEGIN TRANSACTION READ ONLY')
  // A transaction begins with what it reads first.
  await rowsOf(connection, 'SELECT applied FROM progress')
  const forms = new Map([...projection.forms()].map((form) => [form.id, form]))
  const counted = new Map<string, Metrics>()
  for (const form of forms.values()) {
    const found = metrics.counted(form, query, nowMs)
    if (found !== null) counted.set(form.id, found)
  }
  const asks: Asks = {
    ask: (sql, values) => rowsOf(connection, sql, values),
    scan: (sql, values, each) => scanNumbers(connection, { sql, values }, each),
  }
  return { forms, counted, asks, close: () => connection.closeSync() }
}

async function compare(
  was: Snapshot,
  is: Snapshot,
  query: SeriesQuery & { readonly nowMs: number },
): Promise<Compared> {
  const forms: ComparedForm[] = []
  for (const formId of [...new Set([...was.forms.keys(), ...is.forms.keys()])].toSorted()) {
    const [before, after] = [await numbersOf(was, formId, query), await numbersOf(is, formId, query)]
    forms.push({ formId, before, after, isEqual: before?.digest === after?.digest })
  }
  const [before, after] = [await eventsOf(was), await eventsOf(is)]
  return { forms, events: { before, after, isEqual: before.digest === after.digest && before.count === after.count } }
}

async function numbersOf(
  { forms, counted, asks }: Snapshot,
  id: string,
  query: SeriesQuery & { readonly nowMs: number },
): Promise<Numbers | null> {
  const form = forms.get(id)
  if (form === undefined) return null
  const found = counted.get(id) ?? (await metricsFromRows(asks, form, query))
  const { started, completed } = found.totals
  // A form of which everything was erased is one without responses.
  if (started === 0) return null
  const digest = createHash('sha256')
    .update(JSON.stringify(found))
    .update(await rowsDigest(asks.ask, form))
    .digest('hex')
  return { started, completed, digest }
}

/** Of all rows in any order, with what is in each of its columns that can be asked. */
async function rowsDigest(ask: Ask, { table, columns }: ProjectedForm): Promise<string> {
  const names = [...columns.values()].toSorted((one, other) => (one.path < other.path ? -1 : 1)).map(({ name }) => name)
  const [row] = await ask(`SELECT ${sumOfHashes([...names, 'submitted_seq IS NOT NULL'])} AS rows FROM ${table}`)
  return `${[...columns.keys()].toSorted().join('\n')} ${String(row?.['rows'])}`
}

const sumOfHashes = (terms: readonly string[]): string =>
  `CAST(coalesce(sum(CAST(hash(${terms.join(', ')}) AS HUGEINT)), 0) AS VARCHAR)`

/** Numbers of visitors are given as they come, so those of a file that has forgotten some are others. */
const TOLD = Object.keys(EVENT_COLUMNS).filter((name) => name !== 'visitor_no')

async function eventsOf({ asks: { ask } }: Snapshot): Promise<Events> {
  const [row] = await ask(`SELECT count(*) AS events, ${sumOfHashes(TOLD)} AS rows FROM events`)
  const digest = createHash('sha256').update(String(row?.['rows'])).digest('hex')
  return { count: Number(row?.['events']), digest }
}
