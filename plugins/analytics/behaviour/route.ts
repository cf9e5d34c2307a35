/** The routes of behaviour: read the question, answer it, and say how it was got. */
import type { Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import { accessOf } from '../access.ts'
import type { Asking as AskedBy } from '../access.ts'
import { completeFrom } from '../engine/complete.ts'
import type { Projection } from '../engine/projection.ts'
import type { Readers } from '../engine/readers.ts'
import { problem } from '../query/problem.ts'
import { failure, jsonOf, readAs } from '../query/failure.ts'
import { withMoments } from '../query/times.ts'
import { trackedColumn } from '../query/source.ts'
import type { Behaviour } from './asking.ts'

export interface BehaviourParts {
  readonly readers: Readers
  readonly projection: Pick<Projection, 'eventsFrom' | 'forms'>
  readonly timezone: string
  readonly signal: AbortSignal
  readonly openFields: readonly string[]
}

/** `body`: the question is the body of a POST; `query`: it is in the address. */
export async function answerBehaviour<Question>(
  request: Pick<RouteRequest, 'body' | 'query' | 'params'> & AskedBy,
  from: 'body' | 'query',
  { behaviour, parts }: { readonly behaviour: Behaviour<Question>; readonly parts: BehaviourParts },
): Promise<RouteResponse> {
  const { readers, projection, timezone, signal, openFields } = parts
  try {
    const given = from === 'body' ? jsonOf(request.body) : request.query
    const question = readAs(behaviour.schema, withMoments(given, timezone))
    const startedMs = performance.now()
    const access = accessOf(request, openFields)
    const column = (path: string): ReturnType<typeof trackedColumn> => trackedColumn(path, projection)
    const asking = { timezone, nowMs: Date.now(), params: request.params, access, column }
    const [asOf, answer] = await readers.run(signal, async (reading) => {
      return [reading.asOf, await behaviour.answer(question, { ...reading, ...asking })] as const
    })
    if (answer === null)
      return problem(404, 'not_found', { title: 'There is no such thing', detail: 'Nobody of this id did anything.' })
    const tookMs = Math.round((performance.now() - startedMs) * 1_000) / 1_000
    const { from: fromMs = -Infinity } = question as { readonly from?: number }
    const reachMs = behaviour.reachMs?.(question, asking.nowMs) ?? fromMs
    const meta = { engine: 'duckdb', took_ms: tookMs, as_of: asOf, complete_from: completeFrom(projection, reachMs) }
    return {
      headers: { 'server-timing': `query;dur=${tookMs};desc="duckdb", log;desc="${asOf}"` },
      json: { ...(answer as { [name: string]: Json }), meta },
    }
  } catch (error) {
    return failure(error)
  }
}
