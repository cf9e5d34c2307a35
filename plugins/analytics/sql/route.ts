/** `GET` and `POST /api/v2/analytics/sql`. */
import { z } from 'zod'
import type { Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import { failure, jsonOf, readAs } from '../query/failure.ts'
import { completeFrom } from '../engine/complete.ts'
import type { Projection } from '../engine/projection.ts'
import type { SqlDesk } from './desk.ts'

const SQL_CHARS_MAX = 20_000
const ROWS_MAX = 10_000

/** Names one of the views of behaviour events, or something that looks like it. */
const OF_EVENTS = /\b(?:events|fact_(?:events|sessions|conversions)|dim_\w+)\b/i

const schema = z.strictObject({
  sql: z.string().min(1).max(SQL_CHARS_MAX),
  limit: z.number().int().min(1).max(ROWS_MAX).default(1_000),
})

export interface SqlParts {
  readonly desk: SqlDesk
  readonly projection: Pick<Projection, 'eventsFrom'>
  readonly signal: AbortSignal
}

export function answerViews(desk: Pick<SqlDesk, 'views'>): RouteResponse {
  const items = desk
    .views()
    .map(({ name, about, columns }) => ({ name, about, columns: columns.map((each) => ({ ...each })) }))
  return { json: { items } }
}

export async function answerSql(
  { body }: Pick<RouteRequest, 'body'>,
  { desk, projection, signal }: SqlParts,
): Promise<RouteResponse> {
  try {
    const { sql, limit } = readAs(schema, jsonOf(body))
    const { columns, rows, hasMore, asOf, tookMs } = await desk.ask({ sql, rowsMax: limit, signal })
    const took = Math.round(tookMs * 1_000) / 1_000
    const complete = OF_EVENTS.test(sql) ? completeFrom(projection, -Infinity) : null
    const meta = { engine: 'duckdb', took_ms: took, as_of: asOf, has_more: hasMore, complete_from: complete }
    return { json: { columns: columns.map((each) => ({ ...each })), rows: rows as unknown as Json, meta } }
  } catch (error) {
    return failure(error)
  }
}
