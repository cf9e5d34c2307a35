/** The answer to a saved question, as a key with `analytics:read` alone would get it: for everybody who has a link. */
import type { Json, RouteResponse } from 'manifold/plugin'
import type { Behaviour } from '../behaviour/asking.ts'
import { funnels } from '../behaviour/funnels.ts'
import { journeys } from '../behaviour/journeys-question.ts'
import { cohorts, retention } from '../behaviour/retention.ts'
import { answerBehaviour } from '../behaviour/route.ts'
import type { BehaviourParts } from '../behaviour/route.ts'
import { answerQuery, mapText } from '../query/route.ts'
import type { QueryParts, Told } from '../query/route.ts'
import type { Kind, Saved } from './saved.ts'

const BEHAVIOURS: Readonly<Record<Exclude<Kind, 'query'>, Behaviour>> = {
  funnels,
  retention,
  cohorts,
  journeys,
}

export const behaviourOf = (kind: Exclude<Kind, 'query'>): Behaviour => BEHAVIOURS[kind]

const SCOPES = ['analytics:read']

/**
 * `answer`, and what whoever sees it has to know of it: that it is not all (`next_offset`), or not of all time (`complete_from`).
 * What else it says of itself (SQL, times) is for those who may ask.
 */
export async function answerSaved(
  { kind, question }: Pick<Saved, 'kind' | 'question'>,
  parts: QueryParts & BehaviourParts,
): Promise<RouteResponse> {
  const request = { params: {}, query: {}, scopes: SCOPES, isLink: true }
  if (kind !== 'query')
    return ofBehaviour(
      await answerBehaviour({ ...request, body: JSON.stringify(question) }, 'body', {
        behaviour: behaviourOf(kind),
        parts,
      }),
    )
  const body = JSON.stringify({ ...(question as object), explain: false })
  return answerQuery({ ...request, body }, parts, ofQuery)
}

function ofQuery({ question, answer, nextOffset, completeFrom }: Told): RouteResponse {
  const told = { next_offset: nextOffset, complete_from: completeFrom }
  if (question.isMap) return { json: { answer: JSON.parse(mapText(answer)) as Json, ...told } }
  const items = answer.earlier?.rows.map((row, n) => ({ ...answer.rows[n], compare: row })) ?? answer.rows
  return { json: { answer: { items: items as unknown as Json }, ...told } }
}

function ofBehaviour(given: RouteResponse): RouteResponse {
  if ((given.status ?? 200) !== 200) return given
  const { meta, ...answer } = given.json as { readonly [part: string]: Json }
  const { complete_from: completeFrom = null } = meta as { readonly complete_from?: Json }
  return { json: { answer, next_offset: null, complete_from: completeFrom } }
}
