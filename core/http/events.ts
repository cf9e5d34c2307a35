/** `GET /api/v2/events`: the log as operators read it, oldest first. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
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

const listQuery = z.object({
  type: z.string().max(200).optional(),
  form: z.string().max(100).optional(),
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
        summary: 'List events, oldest first',
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
  const { type, form, since, until, limit } = query
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
      if ((type !== undefined && event.type !== type) || (form !== undefined && event.formId !== form)) continue
      items.push(eventWire(event))
      if (items.length === limit) return { items, next_cursor: sealCursor(String(afterSeq)) }
    }
    if (events.length < limit) return { items, next_cursor: null }
  }
  return { items, next_cursor: sealCursor(String(afterSeq)) }
}

function seqOf(cursor: string): number {
  const text = openCursor(cursor)
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new HubError('invalid_query', 'The cursor is not one of this list.', {
    problems: [{ pointer: '/cursor', detail: 'use next_cursor of the page before, unchanged' }],
  })
}
