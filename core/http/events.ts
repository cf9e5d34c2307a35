/** `GET /api/v2/events`: the log as operators read it. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { HttpDeps } from './deps.ts'
import { openCursor, pageOf, pageQuery, sealCursor, timeQuery } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { Route } from './route.ts'

const eventSchema = z
  .object({
    seq: z.number().int(),
    id: z.string(),
    type: z.string(),
    at: z.string(),
    form_id: z.string().nullable(),
    response_id: z.string().nullable(),
    data: z.record(z.string(), z.unknown()).nullable().openapi({ description: 'Null when its response was deleted.' }),
    meta: z.record(z.string(), z.unknown()),
    response: z
      .object({
        status: z.enum(['partial', 'completed']),
        form_version: z.number().int(),
        started_at: z.string().nullable(),
        submitted_at: z.string().nullable(),
      })
      .nullable(),
  })
  .openapi('Event')

/** A list in a query parameter: `a,b,c`. */
export const names = z
  .string()
  .min(1)
  .transform((text) => text.split(','))
  .refine((list) => list.length <= LIMITS.liveNamesMax, `names more than ${LIMITS.liveNamesMax}`)

/** Which events are asked for, as a list and as a stream. */
export const wantedQuery = z.object({
  form: names.optional().openapi({ type: 'string', description: 'Ids of forms, separated by commas.' }),
  type: names.optional().openapi({
    type: 'string',
    description: 'Types of events, separated by commas; `response.*` is all that begin so.',
    example: 'response.submitted,form.*',
  }),
})
export type Wanted = z.output<typeof wantedQuery>

/** True for an event that is asked for. */
export const isWanted = ({ form, type }: Wanted, event: Pick<LogEvent, 'formId' | 'type'>): boolean =>
  (form === undefined || form.includes(event.formId ?? '')) &&
  (type === undefined ||
    type.some((name) => (name.endsWith('.*') ? event.type.startsWith(name.slice(0, -1)) : name === event.type)))

const listQuery = wantedQuery.extend({
  order: z.enum(['oldest', 'newest']).default('oldest').openapi({ description: 'Which come first' }),
  ...timeQuery,
  ...pageQuery,
})

/** How far one request looks through the log for events that match. */
const SCANNED_MAX = 2_000

/** An event on the wire. */
export const eventWire = (event: LogEvent): unknown => ({
  seq: event.seq,
  id: event.id,
  type: event.type,
  at: event.at,
  form_id: event.formId,
  response_id: event.responseId,
  data: event.data === null ? null : (JSON.parse(event.data) as unknown),
  meta: JSON.parse(event.meta) as unknown,
  response:
    event.response === null
      ? null
      : {
          status: event.response.status,
          form_version: event.response.formVersion,
          started_at: event.response.startedAt,
          submitted_at: event.response.submittedAt,
        },
})

/** Every route of the log. */
export function eventRoutes(deps: Pick<HttpDeps, 'store'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/events',
      access: 'responses:read',
      doc: {
        tag: 'Events',
        summary: 'List events, oldest or newest first',
        description: `A page looks at ${SCANNED_MAX} entries at most, so it may be short and still have a next one.`,
        query: listQuery,
        responses: { 200: { description: 'A page of events', schema: pageOf(eventSchema) } },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        return json(call, await page(deps, call.principal.workspace, query))
      },
    },
    {
      method: 'GET',
      path: '/api/v2/events/{id}',
      access: 'responses:read',
      doc: {
        tag: 'Events',
        summary: 'Read an event',
        responses: { 200: { description: 'The event', schema: eventSchema } },
      },
      handler: async (call) => {
        const event = await deps.store.getEvent(call.principal.workspace, call.param('id'))
        if (event === undefined)
          throw new HubError('not_found', `There is no event "${call.param('id').slice(0, 100)}".`)
        return json(call, eventWire(event))
      },
    },
  ]
}

async function page(
  deps: Pick<HttpDeps, 'store'>,
  workspace: WorkspaceId,
  query: z.output<typeof listQuery>,
): Promise<{ items: unknown[]; next_cursor: string | null }> {
  const { since, until, limit } = query
  if (query.order === 'newest') return newestPage(deps, workspace, query)
  const items: unknown[] = []
  let afterSeq =
    query.cursor !== undefined
      ? seqOf(query.cursor)
      : since === undefined
        ? 0
        : await deps.store.seqBefore(workspace, since)
  for (let scanned = 0; scanned < SCANNED_MAX;) {
    const events = await deps.store.readEvents({ workspace, afterSeq, limit })
    for (const event of events) {
      if (until !== undefined && event.at >= until) return { items, next_cursor: null }
      afterSeq = event.seq
      scanned++
      if (!isWanted(query, event)) continue
      items.push(eventWire(event))
      if (items.length === limit) return { items, next_cursor: sealCursor(String(afterSeq)) }
    }
    if (events.length < limit) return { items, next_cursor: null }
  }
  return { items, next_cursor: sealCursor(String(afterSeq)) }
}

/** Backwards through the log, a stretch at a time. */
async function newestPage(
  { store }: Pick<HttpDeps, 'store'>,
  workspace: WorkspaceId,
  query: z.output<typeof listQuery>,
): Promise<{ items: unknown[]; next_cursor: string | null }> {
  const { since, until, limit, cursor } = query
  const items: unknown[] = []
  let before = cursor === undefined ? (await store.headSeq()) + 1 : seqOf(cursor)
  for (let scanned = 0; scanned < SCANNED_MAX && before > 1; scanned += LIMITS.pageItemsMax) {
    const afterSeq = Math.max(0, before - 1 - LIMITS.pageItemsMax)
    const events = await store.readEvents({ workspace, afterSeq, limit: LIMITS.pageItemsMax })
    for (const event of events.filter(({ seq }) => seq < before).toReversed()) {
      if (since !== undefined && event.at < since) return { items, next_cursor: null }
      if (until !== undefined && event.at >= until) continue
      if (!isWanted(query, event)) continue
      items.push(eventWire(event))
      if (items.length === limit) return { items, next_cursor: event.seq > 1 ? sealCursor(String(event.seq)) : null }
    }
    before = afterSeq + 1
  }
  return { items, next_cursor: before > 1 ? sealCursor(String(before)) : null }
}

function seqOf(cursor: string): number {
  const text = openCursor(cursor)
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new HubError('invalid_query', 'The cursor is not one of this list.', {
    problems: [{ pointer: '/cursor', detail: 'use next_cursor of the page before, unchanged' }],
  })
}
