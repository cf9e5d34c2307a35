/**
 * How many of those who began a form came to the end, and where the others left. Where the snippet saw most of what was sent, by
 * what it saw of visits: it knows who looked and who went away without an answer. Else by responses, of which those that were begun
 * and not sent are known only where a sender keeps partial ones. Anybody may tell what the snippet tells, and it may be on one of
 * many pages: so it speaks for a form only as far as responses bear it out.
 */
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
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
export interface Watched {
  readonly visits: Visits
  /** It saw most of the responses that were completed since it first told of the form. */
  readonly isOfMost: boolean
  /** Visits that were in a field, by its key; and those whose last field it was. */
  readonly shown: ReadonlyMap<string, number>
  readonly left: ReadonlyMap<string, number>
}

/** Null: it saw nobody. Names of fields that the form does not have are not told apart: strangers send these events. */
export async function watchedBy(
  ask: Ask,
  { id, fields, table }: Pick<ProjectedForm, 'id' | 'fields' | 'table'>,
  { isOfPeriod = false, fromMs, toMs }: Pick<MetricsQuery, 'isOfPeriod' | 'fromMs' | 'toMs'>,
): Promise<Watched | null> {
  const at = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`
  const until = (time: string): string => (isOfPeriod ? ` AND ${time} < ${at(toMs)}` : '')
  const within = isOfPeriod ? ` AND occurred_at >= ${at(fromMs)}${until('occurred_at')}` : ''
  const rows = await ask(
    `SELECT type, CASE WHEN type IN ('form_field', 'form_abandon') AND subject IN
         (SELECT unnest(from_json(CAST($2 AS JSON), '["VARCHAR"]'))) THEN subject END AS field,
       count(*) AS count, epoch_ms(min(occurred_at)) AS since,
       epoch_ms(min(received_at)) AS heard
     FROM events WHERE form_id = $1 AND type IN ('form_view', 'form_start', 'form_field', 'form_abandon', 'form_submit')${within}
     GROUP BY 1, 2`,
    [id, JSON.stringify(fields.map(({ key }) => key))],
  )
  const many = (type: string): number =>
    rows.reduce((sum, row) => (row['type'] === type ? sum + Number(row['count']) : sum), 0)
  const byField = (type: string): ReadonlyMap<string, number> =>
    new Map(
      rows.flatMap(({ type: of, field, count }) =>
        of === type && typeof field === 'string' ? [[field, Number(count)] as const] : [],
      ),
    )
  if (rows.length === 0) return null
  const least = (name: string): number => Math.min(...rows.map((row) => Number(row[name])))
  // By the hub's clock: whoever tells an event says when it occurred.
  const heardMs = Math.max(least('heard'), isOfPeriod ? fromMs : -Infinity)
  const [row = {}] = await ask(
    `SELECT count(*) AS taken FROM ${table} WHERE submitted_seq IS NOT NULL AND submitted_at >= ${at(heardMs)}${until('submitted_at')}`,
  )
  const [sent, taken, abandoned] = [many('form_submit'), Number(row['taken']), many('form_abandon')]
  // Whoever came to an end has begun, though it may have been before the period.
  const started = Math.max(many('form_start'), sent + abandoned)
  const completed = Math.min(sent, taken)
  const rate = share(completed, started)
  return {
    visits: { sinceMs: least('since'), views: many('form_view'), started, completed, abandoned, rate },
    isOfMost: completed * 2 > taken,
    shown: byField('form_field'),
    left: byField('form_abandon'),
  }
}

export function completionOf(
  watched: Watched | null,
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
