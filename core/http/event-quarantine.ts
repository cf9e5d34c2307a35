/** `/api/v2/events/quarantine`: behaviour events that their family did not take; sent again, or discarded. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { shownClientId } from '../ingest/client-id.ts'
import type { AsideEvent } from '../storage/store.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, noContent, readBodyAs, readQuery } from './route.ts'
import type { Route } from './route.ts'

const IDS_MAX = 1_000

const asideSchema = z
  .object({
    id: z.string().openapi({ description: 'Its id as an event, when it is stored.' }),
    type: z.string(),
    reason: z.enum(['unknown_family', 'newer_version', 'form', 'invalid']),
    problems: z.array(z.object({ pointer: z.string(), detail: z.string() })),
    event: z
      .record(z.string(), z.unknown())
      .openapi({ description: 'As it came, without address and query of the URL, as far as is consented to.' }),
    event_id: z.string(),
    form_id: z.string().nullable(),
    received_at: z.string(),
  })
  .openapi('QuarantinedEvent')

const listQuery = z.object(pageQuery)
const replayBody = z.strictObject({
  ids: z.array(z.string().min(1).max(100)).min(1).max(IDS_MAX).optional(),
  dry_run: z.boolean().default(false),
})
const replayed = z.object({
  dry_run: z.boolean(),
  matched: z.number().int(),
  stored: z.number().int().openapi({ description: 'Taken now; of a dry run, as many as would be.' }),
  left: z.number().int().openapi({ description: 'Not taken still: they stay.' }),
})

const wire = ({ id, type, code, problems, event, clientId, formId, receivedAt }: AsideEvent): object => ({
  id,
  type,
  reason: code,
  problems: JSON.parse(problems) as unknown,
  event: JSON.parse(event) as unknown,
  event_id: shownClientId(clientId),
  form_id: formId,
  received_at: receivedAt,
})

/** Every route of it. */
export function eventQuarantineRoutes({ collector, limits }: Pick<HttpDeps, 'collector' | 'limits'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/events/quarantine',
      access: 'responses:read',
      doc: {
        tag: 'Events',
        summary: 'List behaviour events in quarantine, oldest first',
        description: 'What senders with a key sent and its family did not take; kept as long as events are.',
        query: listQuery,
        responses: { 200: { description: 'A page', schema: pageOf(asideSchema) } },
      },
      handler: async (call) => {
        const page = await collector.quarantine.list(call.principal.workspace, toPageQuery(readQuery(call, listQuery)))
        return json(call, toWirePage(page, wire))
      },
    },
    {
      method: 'POST',
      path: '/api/v2/events/quarantine/replay',
      access: 'responses:write',
      doc: {
        tag: 'Events',
        summary: 'Send events in quarantine again, all or some',
        description: 'Each is looked at with the families of now; what is taken is stored once, under its id.',
        body: { schema: replayBody, example: { dry_run: true } },
        responses: { 200: { description: 'What became of them', schema: replayed } },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, limits)
        const { ids, dry_run: isDry } = readBodyAs(body, replayBody)
        const result = await collector.quarantine.replay(call.principal.workspace, { ids, isDry })
        return json(call, { dry_run: isDry, ...result })
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/events/quarantine/{id}',
      access: 'responses:write',
      doc: {
        tag: 'Events',
        summary: 'Discard an event in quarantine',
        responses: { 204: { description: 'It is gone' } },
      },
      handler: async (call) => {
        const id = call.param('id')
        if ((await collector.quarantine.discard(call.principal.workspace, [id])) > 0) return noContent(call)
        throw new HubError('not_found', `There is no event "${id.slice(0, 100)}" in quarantine.`)
      },
    },
  ]
}
