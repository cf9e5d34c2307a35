/** `/api/v2/dead-letters`: what will not be tried again by itself, and why. */
import { z } from '@hono/zod-openapi'
import { DEAD_REASONS } from '../model.ts'
import { deliveryFilters, deliverySchema, deliveryWire } from './deliveries.ts'
import type { HttpDeps } from './deps.ts'
import { pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { Route } from './route.ts'

const listQuery = z.object({ ...deliveryFilters, ...pageQuery })
const causes = z.array(z.object({ reason: z.enum(DEAD_REASONS), count: z.number().int() }))

/** Every route of dead letters. They are deliveries: replay them as such. */
export function deadLetterRoutes(deps: Pick<HttpDeps, 'store'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/dead-letters',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'List dead letters, newest first, with a count per cause',
        query: listQuery,
        responses: {
          200: { description: 'A page of dead deliveries', schema: pageOf(deliverySchema).extend({ causes }) },
        },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        const { limit: _limit, cursor: _cursor, ...filters } = query
        const { workspace } = call.principal
        const dead = { ...filters, state: 'dead' as const }
        const [page, counts] = await Promise.all([
          deps.store.listDeliveries(workspace, { ...dead, ...toPageQuery(query) }),
          Promise.all(
            reasonsOf(query.reason).map(async (reason) => ({
              reason,
              count: await deps.store.countDeliveries(workspace, { ...dead, reason }),
            })),
          ),
        ])
        return json(call, { ...toWirePage(page, deliveryWire), causes: counts.filter(({ count }) => count > 0) })
      },
    },
  ]
}

const reasonsOf = (wanted: (typeof DEAD_REASONS)[number] | undefined): readonly (typeof DEAD_REASONS)[number][] =>
  wanted === undefined ? DEAD_REASONS : [wanted]
