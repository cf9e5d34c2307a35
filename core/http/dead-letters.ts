/** `/api/v2/dead-letters`: what will not be tried again by itself, and why. */
import { z } from '@hono/zod-openapi'
import { LIMITS } from '../limits.ts'
import { DEAD_REASONS } from '../model.ts'
import type { DeadGroup } from '../storage/store.ts'
import { SHORT_PAGES, deliveryFilters, deliverySchema, deliveryWire, filtersOf, searchFilters } from './deliveries.ts'
import type { HttpDeps } from './deps.ts'
import { pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { Route } from './route.ts'

const listQuery = z.object({ ...deliveryFilters, ...searchFilters, ...pageQuery })
const groupQuery = z.object(deliveryFilters)
const causes = z.array(z.object({ reason: z.enum(DEAD_REASONS), count: z.number().int() }))

const groupSchema = z
  .object({
    cause: z.string().openapi({ description: 'To list these, or to replay them' }),
    installation: z.string(),
    reason: z.enum(DEAD_REASONS).nullable(),
    code: z.string().nullable(),
    message: z.string().openapi({
      description:
        'The last error without what differs (ids, numbers, e-mail addresses), and no more than its beginning',
    }),
    count: z.number().int(),
    first_at: z.string(),
    last_at: z.string(),
    example: z.object({ id: z.string(), error: z.string().nullable() }).openapi({ description: 'The newest of them' }),
  })
  .openapi('DeadLetterGroup')

const groupWire = (group: DeadGroup): z.output<typeof groupSchema> => ({
  cause: group.cause,
  installation: group.installation,
  reason: group.reason,
  code: group.code,
  message: group.message,
  count: group.count,
  first_at: group.firstAt,
  last_at: group.lastAt,
  example: { id: group.exampleId, error: group.exampleError },
})

/** Every route of dead letters. They are deliveries: replay them as such. */
export const deadLetterRoutes = (deps: Pick<HttpDeps, 'store'>): Route[] => [listRoute(deps), groupRoute(deps)]

const listRoute = ({ store }: Pick<HttpDeps, 'store'>): Route => ({
  method: 'GET',
  path: '/api/v2/dead-letters',
  access: 'deliveries:write',
  doc: {
    tag: 'Deliveries',
    summary: 'List dead letters, newest first, with a count per reason',
    description: SHORT_PAGES,
    query: listQuery,
    responses: {
      200: {
        description: 'A page of dead deliveries; `causes` counts without `text` and `cause`',
        schema: pageOf(deliverySchema).extend({ causes }),
      },
    },
  },
  handler: async (call) => {
    const query = readQuery(call, listQuery)
    const { workspace } = call.principal
    const dead = { ...filtersOf(call, query), state: 'dead' as const }
    const { text: _text, cause: _cause, ...counted } = dead
    const [page, counts] = await Promise.all([
      store.listDeliveries(workspace, { ...dead, ...toPageQuery(query) }),
      Promise.all(
        reasonsOf(query.reason).map(async (reason) => ({
          reason,
          count: await store.countDeliveries(workspace, { ...counted, reason }),
        })),
      ),
    ])
    return json(call, { ...toWirePage(page, deliveryWire), causes: counts.filter(({ count }) => count > 0) })
  },
})

const groupRoute = ({ store }: Pick<HttpDeps, 'store'>): Route => ({
  method: 'GET',
  path: '/api/v2/dead-letters/groups',
  access: 'deliveries:write',
  doc: {
    tag: 'Deliveries',
    summary: 'Dead letters grouped by cause, the largest group first',
    description: 'A cause is an installation, an error code, and the words of the error.',
    query: groupQuery,
    responses: {
      200: {
        description: `\`whole\` is false where only the newest ${LIMITS.deadGroupRowsMax} were looked at, only the largest ${LIMITS.deadGroupsMax} groups are shown, or what died under an older version is still being sorted`,
        schema: z.object({ items: z.array(groupSchema), whole: z.boolean() }),
      },
    },
  },
  handler: async (call) => {
    const { groups, whole } = await store.groupDead(call.principal.workspace, readQuery(call, groupQuery))
    return json(call, { items: groups.map(groupWire), whole })
  },
})

const reasonsOf = (wanted: (typeof DEAD_REASONS)[number] | undefined): readonly (typeof DEAD_REASONS)[number][] =>
  wanted === undefined ? DEAD_REASONS : [wanted]
