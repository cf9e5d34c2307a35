/**
 * How many of those who began a form came to the end, and where the others left. Where the snippet saw most of what was sent, by
 * what it saw of visits: it knows who looked and who went away without an answer. Else by responses, of which those that were begun
 * and not sent are known only where a sender keeps partial ones. Anybody may tell what the snippet tells, and it may be on one of
 * many pages: so it speaks for a form only as far as responses bear it out.
 */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Row } from '../engine/database.ts'
import { VISITS } from '../engine/event-state.ts'
import type { Ask } from '../engine/readers.ts'
import { sqlText } from '../engine/sql-text.ts'
import { responsesOf } from './responses-of.ts'
import type { MetricsQuery } from './metrics.ts'
import { share } from './numbers.ts'

export interface Completion {
  readonly base: 'responses' | 'snippet'
  /** Of what the snippet saw, the first; null: of all responses, or of the period asked about. */
  readonly sinceMs: number | null
  /** Only the snippet knows these two. */
  readonly views: number | null
  readonly abandoned: number | null
  readonly started: number
  readonly completed: number
  /** Completed of started; null where nobody began. */
  readonly rate: number | null
  /** What the snippet saw, also where it is not the base; null: nothing. */
  readonly snippet: Visits | null
}

/** Visits that the snippet saw of one form. */
export interface Visits {
  readonly sinceMs: number
  readonly views: number
  readonly started: number
  /** Sent; no more than there are responses, since it sees what was sent and not what was taken. */
  readonly completed: number
  readonly abandoned: number
  readonly rate: number | null
}

/** What the snippet told of one form. */
export interface Seen {
  readonly visits: Visits
  /** It saw most of the responses that were completed since it first told of the form. */
  readonly isOfMost: boolean
}

/** With its fields. */
export interface Watched extends Seen {
  /** Visits that were in a field, by its key; and those whose last field it was. */
  readonly shown: ReadonlyMap<string, number>
  readonly left: ReadonlyMap<string, number>
}

type Stretch = Pick<MetricsQuery, 'isOfPeriod' | 'fromMs' | 'toMs'>

const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`

/** Of many forms at once; nothing of those of which it saw nobody. */
export async function seenOf(
  ask: Ask,
  forms: readonly Pick<ProjectedForm, 'id' | 'table'>[],
  asked: Stretch,
): Promise<ReadonlyMap<string, Seen>> {
  if (forms.length === 0) return new Map()
  const rows = await ask(
    `SELECT form_id, type, count(*) AS count, epoch_ms(min(occurred_at)) AS since, epoch_ms(min(received_at)) AS heard
     FROM events WHERE ${visitsSql(forms, asked)} GROUP BY 1, 2`,
  )
  const byForm = Map.groupBy(rows, (row) => String(row['form_id']))
  const watched = forms.flatMap(({ id, table }) => {
    const own = byForm.get(id)
    return own === undefined ? [] : [{ id, table, rows: own, heardMs: heardOf(own, asked) }]
  })
  const taken = await takenSince(ask, watched, asked)
  return new Map(watched.map((form) => [form.id, seenIn(form.rows, taken.get(form.id) ?? 0)]))
}

const visitsSql = (
  forms: readonly Pick<ProjectedForm, 'id'>[],
  { isOfPeriod = false, fromMs, toMs }: Stretch,
): string => {
  const within = isOfPeriod ? ` AND occurred_at >= ${at(fromMs)} AND occurred_at < ${at(toMs)}` : ''
  return `form_id IN (${forms.map(({ id }) => sqlText(id)).join(', ')}) AND type IN (${VISITS.map(sqlText).join(', ')})${within}`
}

const least = (rows: readonly Row[], name: string): number => Math.min(...rows.map((row) => Number(row[name])))

/** By the hub's clock: whoever tells an event says when it occurred. */
const heardOf = (rows: readonly Row[], { isOfPeriod = false, fromMs }: Stretch): number =>
  Math.max(least(rows, 'heard'), isOfPeriod ? fromMs : -Infinity)

/** How many responses of each form were completed since its time. */
async function takenSince(
  ask: Ask,
  forms: readonly (Pick<ProjectedForm, 'id' | 'table'> & { readonly heardMs: number })[],
  { isOfPeriod = false, toMs }: Stretch,
): Promise<ReadonlyMap<string, number>> {
  if (forms.length === 0) return new Map()
  const since = forms.map(({ id, heardMs }) => `WHEN ${sqlText(id)} THEN ${at(heardMs)}`)
  const until = isOfPeriod ? ` AND submitted_at < ${at(toMs)}` : ''
  const rows = await ask(
    `SELECT form_id, count(*) AS taken FROM ${responsesOf(forms)}
     WHERE submitted_seq IS NOT NULL AND submitted_at >= CASE form_id ${since.join(' ')} END${until} GROUP BY 1`,
  )
  return new Map(rows.map((row) => [String(row['form_id']), Number(row['taken'])]))
}

function seenIn(rows: readonly Row[], taken: number): Seen {
  const many = (type: (typeof VISITS)[number]): number =>
    Number(rows.find((row) => row['type'] === type)?.['count'] ?? 0)
  const [sent, abandoned] = [many('form_submit'), many('form_abandon')]
  // Whoever came to an end has begun, though it may have been before the period.
  const started = Math.max(many('form_start'), sent + abandoned)
  const completed = Math.min(sent, taken)
  const rate = share(completed, started)
  return {
    visits: { sinceMs: least(rows, 'since'), views: many('form_view'), started, completed, abandoned, rate },
    isOfMost: completed * 2 > taken,
  }
}

/** Null: it saw nobody. Names of fields that the form does not have are not told apart: strangers send these events. */
export async function watchedBy(
  ask: Ask,
  form: Pick<ProjectedForm, 'id' | 'fields' | 'table'>,
  asked: Stretch,
): Promise<Watched | null> {
  const seen = (await seenOf(ask, [form], asked)).get(form.id)
  if (seen === undefined) return null
  const rows = await ask(
    `SELECT type, subject AS field, count(*) AS count FROM events WHERE ${visitsSql([form], asked)}
       AND type IN ('form_field', 'form_abandon') AND subject IN
         (SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]'))) GROUP BY 1, 2`,
    [JSON.stringify(form.fields.map(({ key }) => key))],
  )
  const byField = (type: (typeof VISITS)[number]): ReadonlyMap<string, number> =>
    new Map(rows.filter((row) => row['type'] === type).map((row) => [String(row['field']), Number(row['count'])]))
  return { ...seen, shown: byField('form_field'), left: byField('form_abandon') }
}

export function completionOf(
  watched: Seen | null,
  { begun, finished }: { readonly begun: number; readonly finished: number },
): Completion {
  const snippet = watched?.visits ?? null
  // Nobody has completed it: then there is nothing that could be set against it, unless others than it saw somebody begin.
  const isAlone = finished === 0 && (begun === 0 || (snippet?.started ?? 0) > 0)
  if (watched !== null && (watched.isOfMost || isAlone)) return { base: 'snippet', ...watched.visits, snippet }
  const rate = share(finished, begun)
  const ofNobody = { sinceMs: null, views: null, abandoned: null }
  return { base: 'responses', ...ofNobody, started: begun, completed: finished, rate, snippet }
}

/** How many were shown a field, and how many of them went no further. */
export interface Leaving {
  readonly reached: number
  readonly left: number
}

export function leavingOf({ shown, left }: Watched, key: string): Leaving {
  const gone = left.get(key) ?? 0
  // How long somebody was in a field is told last, and a browser may have no time for it.
  return { reached: Math.max(shown.get(key) ?? 0, gone), left: gone }
}
