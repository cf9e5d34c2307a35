/** `POST /api/v2/replay`: sends again what failed in a stretch of time, after saying how much that is. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { utcTime } from '../ingest/times.ts'
import { LIMITS } from '../limits.ts'
import { DEAD_REASONS } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { instant, openCursor, sealCursor } from './paging.ts'
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
  cursor: z
    .string()
    .min(1)
    .max(1_024)
    .optional()
    .openapi({ description: 'The `next_cursor` of a dry run, or of the request before, with the same filters' }),
  dry_run: z.boolean().default(false),
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

const REQUEST_ROWS_MAX = LIMITS.replayStepsPerRequestMax * LIMITS.replayRowsPerStepMax

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
        description: `Times are those of the deliveries' creation: \`since\` inclusive, \`until\` exclusive. A request takes ${REQUEST_ROWS_MAX} at most, oldest first, fewer where it has to look for them; ask again with \`next_cursor\` until that is null. Which ones is settled when the first request comes; what dies later is not among them. Ids stay, so receivers can tell repeats.`,
        body: { schema: replayBody, example: { since: '2026-05-31T00:00:00Z', installation: 'crm', dry_run: true } },
        responses: {
          200: { description: 'Dry run: how many there are', schema: done },
          202: { description: 'How many are due now', schema: done },
        },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const { dry_run: dryRun, ids, cursor, ...filter } = readBodyAs(body, replayBody)
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
        const { replayed, next } = await deps.engine.replay(query)
        const more = next === null ? null : sealPlace({ ...place, after: next })
        return json(call, { dry_run: false, matched: replayed, replayed, next_cursor: more }, { status: 202 })
      },
    },
  ]
}

/** Where a replay goes on, and what it is about: nothing that ended after it was asked for. */
interface ReplayPlace {
  readonly endedBy: string
  readonly after?: string | undefined
}

const sealPlace = ({ endedBy, after = '' }: ReplayPlace): string => sealCursor(`${endedBy}~${after}`)

function openPlace(cursor: string): ReplayPlace {
  const [endedBy = '', ...after] = openCursor(cursor).split('~')
  if (utcTime(endedBy) !== endedBy)
    throw new HubError('invalid_query', 'The cursor is not one of a replay.', {
      problems: [{ pointer: '/cursor', detail: 'use next_cursor of the request before, unchanged' }],
    })
  return { endedBy, after: after.join('~') || undefined }
}
