/** `POST /api/v2/replay`: sends again what failed in a stretch of time, after saying how much that is. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { DEAD_REASONS } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { instant } from './paging.ts'
import { json, readBodyAs } from './route.ts'
import type { Route } from './route.ts'

const replayBody = z.strictObject({
  ids: z
    .array(z.string().max(100))
    .min(1)
    .max(LIMITS.replayRowsPerStepMax)
    .optional()
    .openapi({ description: 'Exactly these deliveries, instead of a stretch of time' }),
  since: instant.optional(),
  until: instant.optional(),
  installation: z.string().optional(),
  form: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  code: z.string().max(100).optional().openapi({ description: 'Code of the last error' }),
  cause: z.string().max(32).optional().openapi({ description: 'Of a group of dead letters' }),
  states: z
    .array(z.enum(['dead', 'delivered']))
    .min(1)
    .default(['dead'])
    .openapi({ description: 'Name `delivered` too to send again what had arrived.' }),
  dry_run: z.boolean().default(false),
})

/** The route of replays. */
export function replayRoutes(deps: Pick<HttpDeps, 'store' | 'engine' | 'limits'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v2/replay',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'Replay deliveries of a stretch of time, or these',
        description:
          "Times are those of the deliveries' creation: `since` inclusive, `until` exclusive. Which ones is settled when the request comes; what dies later is not among them. Ids stay, so receivers can tell repeats.",
        body: { schema: replayBody, example: { since: '2026-05-31T00:00:00Z', installation: 'crm', dry_run: true } },
        responses: {
          200: {
            description: 'Dry run: how many there are',
            schema: z.object({ dry_run: z.boolean(), matched: z.number().int(), replayed: z.number().int() }),
          },
          202: {
            description: 'How many are due now',
            schema: z.object({ dry_run: z.boolean(), matched: z.number().int(), replayed: z.number().int() }),
          },
        },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const { dry_run: dryRun, ids, ...filter } = readBodyAs(body, replayBody)
        if ((ids === undefined) === (filter.since === undefined))
          throw new HubError('bad_request', 'Say since when, or name the deliveries: one of the two.', {
            problems: [{ pointer: '/since', detail: 'give either "since" or "ids"' }],
          })
        const query = {
          workspace: call.principal.workspace,
          ...filter,
          ...(ids === undefined ? {} : { deliveryIds: ids }),
        }
        if (dryRun) return json(call, { dry_run: true, matched: await deps.engine.countReplay(query), replayed: 0 })
        const replayed = await deps.engine.replay(query)
        return json(call, { dry_run: false, matched: replayed, replayed }, { status: 202 })
      },
    },
  ]
}
