/** `POST /api/v2/analytics/query`. */
import type { Context, Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import { accessOf } from '../access.ts'
import type { Asking } from '../access.ts'
import { completeFrom } from '../engine/complete.ts'
import type { Forms } from '../engine/forms.ts'
import type { Projection } from '../engine/projection.ts'
import { countCache } from './cache-metrics.ts'
import { failure } from './failure.ts'
import { NO_FORM, problem } from './problem.ts'
import type { Answer, Asker } from './answer.ts'
import { fieldsOf } from './named.ts'
import { readQuestion } from './question.ts'
import type { Question } from './question.ts'
import { dataSetSource, formSource } from './source.ts'
import type { Source } from './source.ts'

export interface QueryParts {
  readonly asker: Asker
  readonly openFields: readonly string[]
  readonly projection: Projection
  readonly forms: Forms
  readonly signal: AbortSignal
  readonly metric: Context['metric']
}

/** An answer, and what it says of itself. */
export interface Told {
  readonly question: Question
  readonly answer: Answer
  /** Where the next rows begin; null: these are all. */
  readonly nextOffset: number | null
  readonly completeFrom: string | null
}

/** `shape`: how it is told. */
export async function answerQuery(
  request: Pick<RouteRequest, 'body'> & Asking,
  parts: QueryParts,
  shape: (told: Told) => RouteResponse = answered,
): Promise<RouteResponse> {
  const { asker, projection, signal, openFields, metric } = parts
  try {
    const question = readQuestion(request.body, {
      others: asker.timezone,
      of: (id) => projection.form(id)?.timezone ?? null,
    })
    const source = await sourceOf(question, parts)
    if (source === undefined)
      return problem(404, 'not_found', { title: 'There is no such thing', detail: `/form_id: ${NO_FORM}` })
    const answer = await asker.ask(question, source, { access: accessOf(request, openFields), signal })
    countCache(metric, 'query', answer)
    const nextOffset = answer.hasMore ? question.offset + question.limit : null
    return shape({ question, answer, nextOffset, completeFrom: wholeFrom(question, { answer, source, projection }) })
  } catch (error) {
    return failure(error)
  }
}

function wholeFrom(
  question: Question,
  { answer, source, projection }: { answer: Answer; source: Source; projection: Projection },
): string | null {
  if (source.ofEvents === null) return null
  const named = fieldsOf(question)
  const isOfHistory = source.ofEvents === 'history' || source.historic.some((field) => named.has(field))
  const reachMs = isOfHistory ? -Infinity : (answer.earlier?.fromMs ?? question.from ?? -Infinity)
  return completeFrom(projection, reachMs)
}

async function sourceOf(
  { about }: Question,
  { projection, forms }: Pick<QueryParts, 'projection' | 'forms'>,
): Promise<Source | undefined> {
  if ('dataSet' in about) return dataSetSource(about.dataSet, projection)
  const asOf = projection.applied()
  const form = await forms.find(about.form)
  return form === undefined ? undefined : formSource(form, asOf)
}

/** The first form of a question: `{group: value}`, in the order of its rows. */
export function mapText({ groups, rows }: Answer): string {
  const [group = ''] = groups
  return `{${rows.map((row) => `${JSON.stringify(keyOf(row[group]))}:${JSON.stringify(row['value'])}`).join(',')}}`
}

/** How it was got stands in a header of a map, and beside the rows. */
function answered({ question, answer, nextOffset: next, completeFrom: whole }: Told): RouteResponse {
  const { rows, ageMs, asOf } = answer
  const isCached = ageMs !== null
  const tookMs = Math.round(answer.tookMs * 1_000) / 1_000
  // https://www.w3.org/TR/server-timing/
  const timing = [`query;dur=${tookMs};desc="duckdb"`, `cache;desc=${isCached ? 'hit' : 'miss'}`, `log;desc="${asOf}"`]
  // A map has no room to say that it is not all.
  if (next !== null) timing.push(`next_offset;desc="${next}"`)
  if (whole !== null) timing.push(`complete_from;desc="${whole}"`)
  const headers = { 'server-timing': timing.join(', ') }
  if (question.isMap) return { headers: { ...headers, 'content-type': 'application/json' }, body: mapText(answer) }
  const meta = {
    engine: 'duckdb',
    took_ms: tookMs,
    cached: isCached,
    age_ms: ageMs === null ? null : Math.round(ageMs),
    as_of: asOf,
    next_offset: next,
    complete_from: whole,
    ...(question.explain ? (answer.statement as unknown as { readonly [part: string]: Json }) : {}),
  }
  if (answer.earlier === null) return { headers, json: { items: rows as unknown as Json, meta } }
  const { fromMs, toMs, rows: earlier } = answer.earlier
  const compare = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() }
  const items = rows.map((row, n) => ({ ...row, compare: earlier[n] }))
  return { headers, json: { items: items as unknown as Json, meta: { ...meta, compare } } }
}

/** As text, in the order of the rows: an object would have its numbers first, and one place for what is unanswered and "null". */
const keyOf = (value: unknown): string =>
  typeof value === 'string' && /^"*null"*$/.test(value) ? `"${value}"` : String(value)
