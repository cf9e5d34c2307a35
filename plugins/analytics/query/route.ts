/** `POST /api/v2/analytics/query`. */
import type { Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Projection } from '../engine/projection.ts'
import { failure } from './failure.ts'
import { problem } from './problem.ts'
import type { Answer, Asker } from './answer.ts'
import { readQuestion } from './question.ts'
import type { Question } from './question.ts'
import { dataSetSource, formSource } from './source.ts'
import type { Source } from './source.ts'

export interface QueryParts {
  readonly asker: Asker
  readonly projection: Projection
}

export async function answerQuery(request: RouteRequest, { asker, projection }: QueryParts): Promise<RouteResponse> {
  try {
    const question = readQuestion(request.body)
    const source = sourceOf(question, projection)
    if (source === undefined) {
      const why = 'there is no form of this id, or nobody has answered it yet'
      return problem(404, 'not_found', { title: 'There is no such thing', detail: `/form_id: ${why}` })
    }
    return answered(question, await asker.ask(question, source), projection.applied())
  } catch (error) {
    return failure(error)
  }
}

function sourceOf({ about }: Question, projection: Projection): Source | undefined {
  if ('dataSet' in about) return dataSetSource(about.dataSet, projection)
  const form = projection.form(about.form)
  return form === undefined ? undefined : formSource(form)
}

/** The first form of a question is answered as `{group: value}`; how it was got stands in a header there. */
function answered(question: Question, answer: Answer, asOf: number): RouteResponse {
  const { groups, rows, hasMore, isCached } = answer
  const tookMs = Math.round(answer.tookMs * 1_000) / 1_000
  // https://www.w3.org/TR/server-timing/
  const timing = [`query;dur=${tookMs};desc="duckdb"`, `cache;desc=${isCached ? 'hit' : 'miss'}`, `log;desc="${asOf}"`]
  const headers = { 'server-timing': timing.join(', ') }
  if (question.isMap) {
    const [group = ''] = groups
    const entries = rows.map((row) => [String(row[group]), row['value'] as Json] as const)
    return { headers, json: Object.fromEntries(entries) }
  }
  const next = hasMore ? question.offset + question.limit : null
  const meta = { engine: 'duckdb', took_ms: tookMs, cached: isCached, as_of: asOf, next_offset: next }
  return { headers, json: { items: rows as unknown as Json, meta } }
}
