/** `POST|GET /api/v2/analytics/rebuild`. */
import type { Json, RouteResponse } from 'manifold/plugin'
import type { Generations, Rebuild } from './generations.ts'

export const beginRebuild = async (generations: Generations): Promise<RouteResponse> => ({
  status: 202,
  json: wire(await generations.rebuild()),
})

export const showRebuild = (generations: Generations): RouteResponse => ({ json: wire(generations.rebuilt()) })

function wire(rebuild: Rebuild | null): Json {
  if (rebuild === null)
    return { state: 'none', started_at: null, read: 0, head: 0, equal: null, error: null, forms: [] }
  const { state, startedAt, read, head, forms, error } = rebuild
  return {
    state,
    started_at: startedAt,
    read: Math.min(read(), head),
    head,
    equal: state === 'done' ? forms.every(({ isEqual }) => isEqual) : null,
    error,
    forms: forms.map(({ formId, before, after, isEqual }) => ({
      form_id: formId,
      before: before === null ? null : { ...before },
      after: after === null ? null : { ...after },
      equal: isEqual,
    })),
  }
}
