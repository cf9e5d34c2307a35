/** `POST /api/v2/deliveries/discard`: deletes what nobody will deliver, after saying how much that is. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { DEAD_REASONS } from '../model.ts'
import type { DeliveryState } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { instant, openCursor, sealCursor } from './paging.ts'
import { json, readBodyAs } from './route.ts'
import type { Route } from './route.ts'

const STATES = ['dead', 'pending', 'retrying'] as const satisfies readonly DeliveryState[]

const discardBody = z.strictObject({
  ids: z.array(z.string().max(100)).min(1).max(LIMITS.replayRowsPerStepMax).optional(),
  since: instant.optional(),
  until: instant.optional(),
  installation: z.string().optional(),
  form: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  code: z.string().max(100).optional().openapi({ description: 'Code of the last error' }),
  cause: z.string().max(32).optional().openapi({ description: 'Of a group of dead letters' }),
  states: z
    .array(z.enum(STATES))
    .min(1)
    .optional()
    .openapi({ description: 'Default: `dead`, and what waits of an `installation` that is in the file no more' }),
  cursor: z.string().min(1).max(1_024).optional().openapi({ description: 'The `next_cursor` of the request before' }),
  dry_run: z.boolean().default(false),
})

const done = z.object({
  dry_run: z.boolean(),
  matched: z.number().int(),
  discarded: z.number().int(),
  next_cursor: z.string().nullable().openapi({ description: 'Where to go on; null: there is no more' }),
})

const STEPS_MAX = LIMITS.replayStepsPerRequestMax
const STEP_ROWS_MAX = LIMITS.replayRowsPerStepMax

/** The route of discards. */
export const discardRoutes = (deps: Pick<HttpDeps, 'store' | 'registry' | 'limits' | 'clock'>): Route[] => [
  {
    method: 'POST',
    path: '/api/v2/deliveries/discard',
    access: 'deliveries:write',
    doc: {
      tag: 'Deliveries',
      summary: 'Delete deliveries that nobody will make, for good',
      description: `Dead ones; and what waits, where its installation is in the file no more: that of others is delivered or dies by itself. Times are those of creation: \`since\` inclusive, \`until\` exclusive (default: now). A request takes ${STEPS_MAX * STEP_ROWS_MAX} at most, oldest first; ask again with \`next_cursor\` until that is null. What is discarded may be made anew by a backfill that reads its event again.`,
      body: { schema: discardBody, example: { installation: 'crm', dry_run: true } },
      responses: { 200: { description: 'How many there are, or are gone now', schema: done } },
    },
    handler: async (call) => {
      const { workspace } = call.principal
      const { body } = await readJson(call.incoming, deps.limits)
      const { dry_run: dryRun, ids, cursor, states: asked, ...filter } = readBodyAs(body, discardBody)
      const { installation } = filter
      if (ids === undefined && Object.values(filter).every((value) => value === undefined))
        throw new HubError('bad_request', 'Say which: name ids, an installation, or another filter.')
      const known = (await deps.registry.installations(workspace)).some(({ id }) => id === installation)
      const isGone = installation !== undefined && !known
      const states = asked ?? (isGone ? STATES : (['dead'] as const))
      if (!isGone && states.some((state) => state !== 'dead'))
        throw new HubError(
          'conflict',
          'What waits is deleted where "installation" is one that manifold.yaml has no more; of others it is delivered, or dies, by itself.',
        )
      const until = filter.until ?? rfc3339(deps.clock.nowMs() + 1)
      const query = {
        workspace,
        ...filter,
        until,
        states,
        erasedToo: true as const,
        ...(ids === undefined ? {} : { deliveryIds: ids }),
      }
      if (dryRun) {
        const matched = await deps.store.countReplay(query)
        return json(call, { dry_run: true, matched, discarded: 0, next_cursor: null })
      }
      let discarded = 0
      let after = cursor === undefined ? undefined : openCursor(cursor)
      for (let steps = 0; steps < STEPS_MAX; steps += 1) {
        const { n, next } = await deps.store.discardDeliveries({ ...query, after, limit: STEP_ROWS_MAX })
        discarded += n
        after = next ?? undefined
        if (next === null) break
      }
      const nextCursor = after === undefined ? null : sealCursor(after)
      return json(call, { dry_run: false, matched: discarded, discarded, next_cursor: nextCursor })
    },
  },
]
