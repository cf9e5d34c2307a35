/** `POST /api/v2/replay`: sends again what failed in a stretch of time, after saying how much that is. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { readJson } from './body.ts'
import { deliveryFilter, requestRows, stepCursor } from './delivery-filter.ts'
import type { HttpDeps } from './deps.ts'
import { json, readBodyAs } from './route.ts'
import type { Route } from './route.ts'
import { openPlace, sealPlace } from './settled-place.ts'

const replayBody = z.strictObject({
  ...deliveryFilter,
  ids: deliveryFilter.ids.openapi({ description: 'Exactly these deliveries, instead of a stretch of time' }),
  states: z
    .array(z.enum(['dead', 'delivered']))
    .min(1)
    .default(['dead'])
    .openapi({ description: 'Name `delivered` too to send again what had arrived.' }),
  limit: requestRows,
  cursor: stepCursor.openapi({
    description: 'The `next_cursor` of a dry run, or of the request before, with the same filters',
  }),
})

const done = z.object({
  dry_run: z.boolean(),
  matched: z.number().int(),
  replayed: z.number().int(),
  next_cursor: z
    .string()
    .nullable()
    .openapi({ description: 'Where to go on with exactly what was matched; null: there is no more' }),
})

/** The route of replays. */
export function replayRoutes(deps: Pick<HttpDeps, 'engine' | 'limits' | 'clock'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v2/replay',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'Replay deliveries of a stretch of time, or these',
        description:
          "Times are those of the deliveries' creation: `since` inclusive, `until` exclusive. A request takes `limit` at most, oldest first, fewer where it has to look for them; ask again with `next_cursor` until that is null. Which ones is settled when the first request comes; what dies later is not among them. Ids stay, so receivers can tell repeats.",
        body: { schema: replayBody, example: { since: '2026-05-31T00:00:00Z', installation: 'crm', dry_run: true } },
        responses: {
          200: { description: 'Dry run: how many there are', schema: done },
          202: { description: 'How many are due now', schema: done },
        },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const { dry_run: dryRun, ids, cursor, limit, ...filter } = readBodyAs(body, replayBody)
        if ((ids === undefined) === (filter.since === undefined))
          throw new HubError('bad_request', 'Say since when, or name the deliveries: one of the two.', {
            problems: [{ pointer: '/since', detail: 'give either "since" or "ids"' }],
          })
        const place = cursor === undefined ? { endedBy: rfc3339(deps.clock.nowMs()) } : openPlace(cursor)
        const named = ids === undefined ? place : { deliveryIds: ids }
        const query = { workspace: call.principal.workspace, ...filter, ...named }
        if (dryRun) {
          const matched = await deps.engine.countReplay(query)
          const next = ids === undefined && matched > 0 ? sealPlace(place) : null
          return json(call, { dry_run: true, matched, replayed: 0, next_cursor: next })
        }
        const { replayed, next } = await deps.engine.replay(query, limit)
        const more = next === null ? null : sealPlace({ ...place, after: next })
        return json(call, { dry_run: false, matched: replayed, replayed, next_cursor: more }, { status: 202 })
      },
    },
  ]
}
