/** `/api/v2/quarantine`: responses that were put aside before they were stored; released, or deleted for good. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { shownClientId } from '../ingest/client-id.ts'
import { QUARANTINE_VERDICTS } from '../model.ts'
import type { Quarantined } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { tellAppended } from './forms.ts'
import { instant, pageOf, pageQuery, timeQuery, toPageQuery, toWirePage } from './paging.ts'
import { releaseAll, RELEASED_AT_ONCE_MAX, releaseOne, releaseSome } from './release.ts'
import type { ReleaseDeps } from './release.ts'
import { responseSchema, responseWire } from './responses.ts'
import { json, noContent, readBodyAs, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const quarantinedSchema = z
  .object({
    id: z.string().openapi({ description: 'Its id as a response, when it is released.' }),
    form_id: z.string(),
    form_version: z.number().int(),
    status: z.enum(['partial', 'completed']),
    verdict: z.enum(QUARANTINE_VERDICTS).openapi({
      description:
        '`flagged`: the sender was not told. `rejected`: the sender was refused. `failed`: a transform failed whose failures are closed.',
    }),
    reason: z.string().openapi({
      description:
        '`flagged`, `transform_failed`, the code of the refusal, or `form-mismatch`: a plugin submitted what the form did not take.',
    }),
    message: z.string().nullable(),
    installation: z.string(),
    plugin: z.string(),
    data: z.record(z.string(), z.unknown()).openapi({ description: 'The answers as they would be stored.' }),
    received: z.record(z.string(), z.unknown()).openapi({ description: 'The answers as they came.' }),
    meta: z.record(z.string(), z.unknown()),
    client_id: z.string().nullable(),
    started_at: z.string().nullable(),
    submitted_at: z.string().nullable().openapi({ description: 'As its sender said; null: when it was received' }),
    received_at: z.string(),
  })
  .openapi('Quarantined')

const filters = {
  form: z.string().max(100).optional(),
  installation: z.string().max(100).optional(),
  verdict: z.enum(QUARANTINE_VERDICTS).optional(),
  reason: z.string().max(100).optional(),
}
const listQuery = z.object({ ...filters, ...timeQuery, ...pageQuery })
const releaseBody = z.strictObject({
  ...filters,
  since: instant.optional(),
  until: instant.optional(),
  dry_run: z.boolean().default(false),
  limit: z
    .number()
    .int()
    .min(1)
    .max(RELEASED_AT_ONCE_MAX)
    .optional()
    .openapi({ description: 'So many at the most; without it: all' }),
  cursor: z
    .string()
    .max(300)
    .regex(/^(?:again|anew~.*)$/)
    .optional()
    .openapi({ description: '`next_cursor` of the step before' }),
})
const releasedOne = responseSchema
  .extend({
    released: z
      .enum(['now', 'before'])
      .openapi({ description: '`before`: it was stored already, and nothing changed' }),
  })
  .openapi('ReleasedResponse')
const releasedSchema = z.object({
  dry_run: z.boolean(),
  matched: z.number().int(),
  released: z.number().int().openapi({ description: 'As many as are stored now that were not before.' }),
  stopped: z.object({ code: z.string(), detail: z.string() }).optional(),
  next_cursor: z
    .string()
    .nullable()
    .optional()
    .openapi({ description: 'With a `limit`: of the next step; null: that was all' }),
})

const wire = (item: Quarantined): Record<string, unknown> => ({
  id: item.id,
  form_id: item.formId,
  form_version: item.formVersion,
  status: item.status,
  verdict: item.verdict,
  reason: item.code,
  message: item.message,
  installation: item.installation,
  plugin: item.plugin,
  data: item.data,
  received: item.received,
  meta: item.meta,
  client_id: item.clientId === null ? null : shownClientId(item.clientId),
  started_at: item.startedAt,
  submitted_at: item.submittedAt,
  received_at: item.receivedAt,
})

type Deps = Pick<HttpDeps, 'limits'> & ReleaseDeps

/** Every route of the quarantine. */
export const quarantineRoutes = (deps: Deps): Route[] => [...lookRoutes(deps), ...actRoutes(deps)]

function lookRoutes({ store }: Deps): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/quarantine',
      access: 'responses:read',
      doc: {
        tag: 'Quarantine',
        summary: 'List what waits in quarantine, newest first, with how much it is',
        query: listQuery,
        responses: {
          200: { description: 'A page', schema: pageOf(quarantinedSchema).extend({ total: z.number().int() }) },
        },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        const { limit: _limit, cursor: _cursor, ...filter } = query
        const { workspace } = call.principal
        const [page, total] = await Promise.all([
          store.listQuarantine(workspace, { ...filter, ...toPageQuery(query) }),
          store.countQuarantine(workspace, filter),
        ])
        return json(call, { ...toWirePage(page, wire), total })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/quarantine/{id}',
      access: 'responses:read',
      doc: {
        tag: 'Quarantine',
        summary: 'Read one of them',
        responses: { 200: { description: 'What was put aside, and why', schema: quarantinedSchema } },
      },
      handler: async (call) => {
        const found = await store.getQuarantined(call.principal.workspace, call.param('id'))
        if (found === undefined) throw notThere(call)
        return json(call, wire(found))
      },
    },
  ]
}

function actRoutes(deps: Deps): Route[] {
  const { store } = deps
  return [
    {
      method: 'POST',
      path: '/api/v2/quarantine/release',
      access: 'responses:write',
      doc: {
        tag: 'Quarantine',
        summary: 'Release all that match',
        description:
          'Times are those of receipt: `since` inclusive, `until` exclusive; what comes later stays, and so does what its form still does not take and what a transform puts aside that had not seen it. `stopped`: why the rest still waits. With `limit` it goes by steps: send the same with the `cursor` of the step before, and an `until`.',
        body: { schema: releaseBody, example: { verdict: 'failed', dry_run: true } },
        responses: { 200: { description: 'How many there are, and how many are stored now', schema: releasedSchema } },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const { dry_run: dryRun, limit, cursor = null, ...asked } = readBodyAs(body, releaseBody)
        const { workspace } = call.principal
        const filter = { ...asked, until: asked.until ?? rfc3339(deps.clock.nowMs() + 1) }
        const matched = await store.countQuarantine(workspace, filter)
        if (dryRun) return json(call, { dry_run: true, matched, released: 0 })
        const { released, stopped, next } = await (limit === undefined
          ? releaseAll(deps, workspace, filter)
          : releaseSome(deps, { workspace, filter, limit, cursor }))
        const why = stopped === null ? {} : { stopped: { code: stopped.code, detail: stopped.message } }
        return json(call, {
          dry_run: false,
          matched,
          released,
          ...why,
          ...(limit === undefined ? {} : { next_cursor: next }),
        })
      },
    },
    {
      method: 'POST',
      path: '/api/v2/quarantine/{id}/release',
      access: 'responses:write',
      doc: {
        tag: 'Quarantine',
        summary: 'Release one: it is stored, and the plugins get it',
        description:
          'No transform is asked again. What its form did not take (`form-mismatch`) is held against it again, and shown to the transforms, which had not seen it; it stays when it still does not fit, or when one of them puts it aside (409, or 422 where it refuses), and is stored when it is released once more. What was released already is answered as it is stored; when its client completed the response meanwhile, or sent newer answers, that one is.',
        responses: { 200: { description: 'The response', schema: releasedOne } },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const id = call.param('id')
        const { responseId, isNew } = await releaseOne(deps, workspace, id)
        const stored = await store.getResponse(workspace, responseId)
        if (stored === undefined) throw notThere(call)
        return json(call, { ...responseWire(stored), released: isNew ? 'now' : 'before' })
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/quarantine/{id}',
      access: 'responses:write',
      doc: {
        tag: 'Quarantine',
        summary: 'Delete one for good',
        description:
          'Every copy of it goes, in the log, in deliveries and in the history of runs; a `response.discarded` event is appended.',
        responses: { 204: { description: 'Deleted' } },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const found = await store.getQuarantined(workspace, call.param('id'))
        if (found === undefined) throw notThere(call)
        const { id, formId } = found
        const event = {
          id: newId('event'),
          type: 'response.discarded',
          at: rfc3339(deps.clock.nowMs()),
          formId,
          responseId: id,
          hops: 0,
          data: JSON.stringify({ id, form_id: formId }),
        }
        if (!(await store.discard(workspace, id, event))) throw notThere(call)
        await tellAppended(deps, workspace, event.id)
        return noContent(call)
      },
    },
  ]
}

const notThere = (call: KeyedCall): HubError =>
  new HubError('not_found', `There is no "${call.param('id').slice(0, 100)}" in quarantine.`)
