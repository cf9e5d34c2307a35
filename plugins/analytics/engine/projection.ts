/**
 * Responses as typed columns, one table a form, and behaviour events in one of their own, kept as the log tells them. Every
 * change and the place in the log that it reaches are one transaction, so a kill at any moment leaves a state that some stretch
 * of the log makes.
 */
import type { FieldInfo, LoggedEvent } from 'manifold/plugin'
import { EngineLost, takeBack } from './ailment.ts'
import type { Column } from './columns.ts'
import { isTracked } from './event-columns.ts'
import { changesEvents, EventState, hides } from './event-state.ts'
import { dropEventsOf, dropExpired, expiredBefore, hideProperties, writeEvents } from './event-table.ts'
import { rowsOf } from './database.ts'
import type { Database } from './database.ts'
import { FormTables } from './form-tables.ts'
import type { FormTable } from './form-tables.ts'
import { eraseRows, writeRows } from './rows.ts'
import type { Rewrite } from './rows.ts'

/** A form as questions see it: as it was after the last commit. */
export interface ProjectedForm {
  readonly id: string
  readonly name: string
  /** The newest version seen. */
  readonly version: number
  readonly table: string
  /** Of the newest version, in its order. */
  readonly fields: readonly FieldInfo[]
  /** That its days begin in; null: the installation's. */
  readonly timezone: string | null
  /** Keys of fields that the installation may not see. */
  readonly hidden: ReadonlySet<string>
  /** By path: those of responses in general, and one for each field that any version had. */
  readonly columns: ReadonlyMap<string, Column>
  /** Place up to which it was told when it last changed: an answer stays right while this stays. */
  readonly changedAt: number
  /** Id of the event that changed it last: the same in every process, so an answer that another one made is known by it. */
  readonly changedBy: string
  /** It is there, and has no response: `table` is a query without rows. */
  readonly isUnanswered?: true
}

/** What one commit did to the rows of a form; those of one commit follow each other. */
export interface Change extends Rewrite {
  readonly form: string
  readonly isDropped: boolean
  /** Place of the log that the commit reached. */
  readonly reached: number
}

/** Is told of each change, right after its commit. */
export interface Watcher {
  /** Whether it has to know of this form's rows. */
  wants(form: string): boolean
  changed(changes: readonly Change[]): void
}

export interface Projection {
  /** Up to which place of the log it holds everything. */
  readonly applied: () => number
  /** How much was erased since its file was made: bytes of it may still be in there. */
  readonly erasures: () => number
  readonly form: (id: string) => ProjectedForm | undefined
  readonly forms: () => Iterable<ProjectedForm>
  /** As of a form, of behaviour events. */
  readonly eventsChangedAt: () => number
  readonly eventsChangedBy: () => string
  /** What happened before this time may be gone, in ms since 1970; null: nothing was ever forgotten. */
  readonly eventsFrom: () => number | null
  /** Place of the log at which the snippet's words about this form changed last; 0: it told none. */
  readonly watchedAt: (form: string) => number
  /** Id of the last event of all. */
  readonly lastId: () => string
  /** Events in order, all after `applied`; `reached` may lie behind the last of them. */
  apply(events: readonly LoggedEvent[], reached: number): Promise<void>
  /** Resolves once what is being applied now is there, or was taken back. */
  settled(): Promise<void>
}

export async function openProjection({ writer }: Database, watcher: Watcher): Promise<Projection> {
  let tables = await FormTables.open(writer)
  const [progress] = await rowsOf(writer, 'SELECT applied, erasures, events_by, last_id, events_from FROM progress')
  let applied = Number(progress?.['applied'] ?? 0)
  let lastId = textOf(progress?.['last_id'])
  let erasures = Number(progress?.['erasures'] ?? 0)
  const published = new Map<string, ProjectedForm>()
  for (const table of tables.all()) published.set(table.id, seenFrom(table, applied))
  const behaviour = await EventState.open(writer, progress ?? {})
  let underWay: Promise<void> = Promise.resolve()
  const write = async (events: readonly LoggedEvent[], reached: number): Promise<readonly Change[]> => {
    const changes: Change[] = []
    const changed = (form: string, { removed, added }: Rewrite, isDropped = false): void =>
      void changes.push({ form, removed, added, isDropped, reached })
    for (const part of stretchesOf(events)) {
      const form = part.form === undefined ? undefined : tables.find(part.form.id)
      if (part.deleted !== null) {
        await tables.drop(part.deleted)
        await dropEventsOf(writer, part.deleted)
        changed(part.deleted, { removed: [], added: [] }, true)
      } else if (form !== undefined && part.form !== undefined) {
        const target = { table: form, columns: form.columnsOf(part.form), isWatched: watcher.wants(form.id) }
        changed(form.id, await writeRows(writer, target, part.events))
        changed(form.id, await eraseRows(writer, target, part.events))
        await tables.changed(form, part.events.at(-1)?.id ?? '')
      }
    }
    await writeEvents(writer, events.filter(isTracked))
    await hideProperties(writer, events)
    await dropExpired(writer, events)
    await noteProgress(writer, events, { reached, eventsBy: behaviour.changedBy })
    return changes
  }
  const applyPart = async (events: readonly LoggedEvent[], reached: number): Promise<void> => {
    const lessened = await fitAll(tables, events)
    await writer.run('BEGIN')
    let changes: readonly Change[]
    try {
      changes = [...lessened, ...(await write(events, reached))]
      await writer.run('COMMIT')
    } catch (error) {
      await takeBack(writer)
      // What it knew of tables may be of those that were taken back.
      tables = await FormTables.open(writer).catch((cause: unknown) => {
        throw new EngineLost('tables cannot be read after a transaction was taken back', { cause })
      })
      throw error
    }
    applied = reached
    lastId = events.at(-1)?.id ?? lastId
    erasures += events.filter(isErasure).length
    behaviour.heard(events, reached)
    watcher.changed(changes)
    for (const id of new Set(changes.map(({ form }) => form))) {
      const table = tables.find(id)
      if (table === undefined) published.delete(id)
      else published.set(id, seenFrom(table, reached))
    }
  }
  const applyAll = async (events: readonly LoggedEvent[], reached: number): Promise<void> => {
    // A form that is deleted and made again is another one: nothing of the two shares a transaction.
    let from = 0
    for (const [n, { type, seq }] of events.entries()) {
      if (type !== 'form.deleted') continue
      await applyPart(events.slice(from, n), seq - 1)
      await applyPart([events[n] as LoggedEvent], seq)
      from = n + 1
    }
    await applyPart(events.slice(from), reached)
  }
  return {
    applied: () => applied,
    erasures: () => erasures,
    form: (id) => published.get(id),
    forms: () => published.values(),
    eventsChangedAt: () => behaviour.changedAt,
    eventsChangedBy: () => behaviour.changedBy,
    eventsFrom: () => (behaviour.fromMs === 0 ? null : behaviour.fromMs),
    watchedAt: (form) => behaviour.watchedAt(form),
    lastId: () => lastId,
    apply: (events, reached) => {
      const applying = applyAll(events, reached)
      underWay = applying.catch(() => undefined)
      return applying
    },
    settled: () => underWay,
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

/** How far it is, in the transaction of what was done; `eventsBy`: what had changed behaviour events last. */
async function noteProgress(
  writer: Database['writer'],
  events: readonly LoggedEvent[],
  { reached, eventsBy }: { readonly reached: number; readonly eventsBy: string },
): Promise<void> {
  await writer.run('UPDATE progress SET applied = ?, erasures = erasures + ?', [
    BigInt(reached),
    BigInt(events.filter(isErasure).length),
  ])
  const expired = events.findLast(({ type, data }) => type === 'events.expired' && data?.['counted'] === true)
  if (expired !== undefined) await writer.run('UPDATE progress SET expired_seq = ?', [BigInt(expired.seq)])
  const before = expiredBefore(events)
  if (before !== null) await writer.run('UPDATE progress SET events_from = greatest(events_from, ?)', [BigInt(before)])
  const last = events.at(-1)
  if (last === undefined) return
  await writer.run('UPDATE progress SET last_seq = ?, last_id = ?, events_by = ?', [
    BigInt(last.seq),
    last.id,
    events.findLast(changesEvents)?.id ?? eventsBy,
  ])
}

const CHANGED = 'form.changed'

/**
 * Tables and columns come first and by themselves: the engine alters no table that a transaction has written to. Resolves with
 * the forms that have lost columns.
 */
async function fitAll(tables: FormTables, events: readonly LoggedEvent[]): Promise<readonly Change[]> {
  const lessened: Change[] = []
  for (const { form, events: of } of stretchesOf(events)) {
    if (form === undefined) continue
    // Of a form that nobody has answered there is nothing to keep or to hide.
    if (tables.find(form.id) === undefined && of.every(({ type }) => type === CHANGED)) continue
    if (await tables.fit(form)) lessened.push({ form: form.id, removed: [], added: [], isDropped: true, reached: 0 })
  }
  return lessened
}

const ERASURES: ReadonlySet<string> = new Set(['response.deleted', 'form.deleted', 'events.expired'])
const isErasure = (event: LoggedEvent): boolean => ERASURES.has(event.type) || hides(event)

const seenFrom = (table: FormTable, changedAt: number): ProjectedForm => ({
  id: table.id,
  name: table.name,
  version: table.version,
  table: table.table,
  fields: table.fields,
  timezone: table.timezone,
  hidden: table.hidden,
  columns: table.columns(),
  changedAt,
  changedBy: table.changedBy,
})

/** Events of one version of one form, in order; or the deletion of a form, which stands alone. */
interface Stretch {
  readonly form: LoggedEvent['form']
  readonly deleted: string | null
  readonly events: LoggedEvent[]
}

/** What follows each other of one form stays together, whatever other forms' events lie between; a deletion parts the two sides. */
function stretchesOf(events: readonly LoggedEvent[]): readonly Stretch[] {
  const all: Stretch[] = []
  const open = new Map<string, Stretch>()
  for (const event of events) {
    const { form, type, data } = event
    if (type === 'form.deleted') {
      const id = form?.id ?? data?.['id']
      if (typeof id !== 'string') continue
      open.delete(id)
      all.push({ form: undefined, deleted: id, events: [event] })
      continue
    }
    if (form === undefined || isTracked(event)) continue
    const last = open.get(form.id)
    if (last?.form?.version === form.version) {
      last.events.push(event)
      continue
    }
    const next: Stretch = { form, deleted: null, events: [event] }
    open.set(form.id, next)
    all.push(next)
  }
  return all
}
