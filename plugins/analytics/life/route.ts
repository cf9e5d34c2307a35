/** `POST|GET /api/v2/analytics/rebuild`. */
import type { Json, RouteResponse } from 'manifold/plugin'
import type { Generations, Rebuild } from './generations.ts'
import type { Compared } from './rebuild.ts'

export const beginRebuild = async (generations: Generations): Promise<RouteResponse> => ({
  status: 202,
  json: wire(await generations.rebuild()),
})

export const showRebuild = (generations: Generations): RouteResponse => ({ json: wire(generations.rebuilt()) })

function wire(rebuild: Rebuild | null): Json {
  if (rebuild === null)
    return { state: 'none', started_at: null, read: 0, head: 0, equal: null, error: null, forms: [], events: null }
  const { state, startedAt, read, head, compared, error } = rebuild
  return {
    state,
    started_at: startedAt,
    read: Math.min(read(), head),
    head,
    equal: compared === null ? null : compared.events.isEqual && compared.forms.every(({ isEqual }) => isEqual),
    error,
    forms: (compared?.forms ?? []).map(({ formId, before, after, isEqual }) => ({
      form_id: formId,
      before: before === null ? null : { ...before },
      after: after === null ? null : { ...after },
      equal: isEqual,
    })),
    events: compared === null ? null : eventsWire(compared.events),
  }
}

const eventsWire = ({ before, after, isEqual }: Compared['events']): Json => ({
  before: { ...before },
  after: { ...after },
  equal: isEqual,
})
