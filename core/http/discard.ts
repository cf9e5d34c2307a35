/** `POST /api/v2/deliveries/discard`: deletes what nobody will deliver, after saying how much that is. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { DeliveryState } from '../model.ts'
import { newId } from '../ids.ts'
import { readJson } from './body.ts'
import { deliveryFilter, requestRows, stepCursor } from './delivery-filter.ts'
import type { HttpDeps } from './deps.ts'
import { tellAppended } from './forms.ts'
import { json, readBodyAs } from './route.ts'
import type { Route } from './route.ts'
import { openPlace, sealPlace } from './settled-place.ts'
import type { SettledPlace } from './settled-place.ts'

const STATES = ['dead', 'pending', 'retrying'] as const satisfies readonly DeliveryState[]

const discardBody = z.strictObject({
  ...deliveryFilter,
  states: z
    .array(z.enum(STATES))
    .min(1)
    .optional()
    .openapi({ description: 'Default: `dead`, and what waits of an `installation` that is in the file no more' }),
  limit: requestRows,
  cursor: stepCursor.openapi({
    description: 'The `next_cursor` of a dry run, or of the request before, with the same filters',
  }),
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
export const discardRoutes = (
  deps: Pick<HttpDeps, 'store' | 'registry' | 'limits' | 'clock' | 'processes' | 'onEvents'>,
): Route[] => [
  {
    method: 'POST',
    path: '/api/v2/deliveries/discard',
    access: 'deliveries:write',
    doc: {
      tag: 'Deliveries',
      summary: 'Delete deliveries that nobody will make, for good',
      description: `Dead ones; and what waits, where its installation is in the file no more: that of others is delivered or dies by itself. Times are those of creation: \`since\` inclusive, \`until\` exclusive (default: now). A request takes \`limit\` at most, oldest first; ask again with \`next_cursor\` until that is null. Which ones is settled when the first request comes, a dry run or not; what is dead later is not among them. A \`deliveries.discarded\` event says who did it, which, and how many. What is discarded may be made anew by a backfill that reads its event again.`,
      body: { schema: discardBody, example: { installation: 'crm', dry_run: true } },
      responses: { 200: { description: 'How many there are, or are gone now', schema: done } },
    },
    handler: async (call) => {
      const { workspace } = call.principal
      const { body } = await readJson(call.incoming, deps.limits)
      const { dry_run: dryRun, ids, cursor, limit, states: asked, ...filter } = readBodyAs(body, discardBody)
      const { installation } = filter
      if (ids === undefined && Object.values(filter).every((value) => value === undefined))
        throw new HubError('bad_request', 'Say which: name ids, an installation, or another filter.')
      const known = (await deps.registry.installations(workspace)).some(({ id }) => id === installation)
      const isGone = installation !== undefined && !known
      if (isGone) refuseWhereKnown(deps, `${workspace}/${installation}`)
      const states = asked ?? (isGone ? STATES : (['dead'] as const))
      if (!isGone && states.some((state) => state !== 'dead'))
        throw new HubError(
          'conflict',
          'What waits is deleted where "installation" is one that manifold.yaml has no more; of others it is delivered, or dies, by itself.',
        )
      const place = cursor === undefined ? { endedBy: rfc3339(deps.clock.nowMs()) } : openPlace(cursor)
      const until = filter.until ?? rfc3339(Date.parse(place.endedBy) + 1)
      const query = {
        workspace,
        ...filter,
        until,
        states,
        erasedToo: true as const,
        // What waits has not ended.
        ...(states.every((state) => state === 'dead') ? { endedBy: place.endedBy } : {}),
        ...(ids === undefined ? {} : { deliveryIds: ids }),
      }
      if (dryRun) {
        const matched = await deps.store.countReplay(query)
        const next = ids === undefined && matched > 0 ? sealPlace(place) : null
        return json(call, { dry_run: true, matched, discarded: 0, next_cursor: next })
      }
      const by = { key_id: call.principal.keyId, name: call.principal.name }
      let discarded = 0
      let { after }: SettledPlace = place
      for (let steps = 0; steps < STEPS_MAX && discarded < limit; steps += 1) {
        const eventId = newId('event')
        const trace = { eventId, at: rfc3339(deps.clock.nowMs()), data: { by, ...filter, until, states, ids } }
        const { n, next } = await deps.store.discardDeliveries({
          ...query,
          after,
          limit: Math.min(STEP_ROWS_MAX, limit - discarded),
          trace,
        })
        discarded += n
        if (n > 0) await tellAppended(deps, workspace, eventId)
        after = next ?? undefined
        if (next === null) break
      }
      const nextCursor = after === undefined ? null : sealPlace({ ...place, after })
      return json(call, { dry_run: false, matched: discarded, discarded, next_cursor: nextCursor })
    },
  },
]

/**
 * Each process has a file of its own. What this one does not know another may run, or be about to: then nothing of it is
 * anybody's to delete.
 */
function refuseWhereKnown({ processes }: Pick<HttpDeps, 'processes'>, key: string): void {
  const all = processes?.() ?? []
  const id = key.slice(key.indexOf('/') + 1)
  if (all.some(({ installations }) => installations.includes(key)))
    throw new HubError('conflict', `Another process of the hub runs "${id}": its file has it.`)
  if (new Set(all.map(({ config }) => config)).size > 1)
    throw new HubError(
      'conflict',
      `The processes of the hub have different configurations, and one of them may know "${id}"; try again when all have the same (GET /api/v2/status).`,
    )
}
