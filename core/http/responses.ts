/** Reading and deleting stored responses. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { flatResponse } from '../contract/index.ts'
import type { Flat } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { shownClientId } from '../ingest/client-id.ts'
import type { Form, StoredResponse } from '../model.ts'
import { fieldInfo } from '../routing/event-json.ts'
import type { HttpDeps } from './deps.ts'
import { noForm, tellAppended } from './forms.ts'
import { pageOf, pageQuery, timeQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, noContent, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

/** The same for the API's description. */
export const responseSchema = z
  .object({
    id: z.string(),
    form_id: z.string(),
    form_version: z.number().int(),
    status: z.enum(['partial', 'completed']),
    data: z.record(z.string(), z.unknown()),
    meta: z.record(z.string(), z.unknown()),
    client_id: z.string().nullable(),
    started_at: z.string().nullable(),
    submitted_at: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Response')

const listQuery = z.object({ status: z.enum(['partial', 'completed']).optional(), ...timeQuery, ...pageQuery })
const listOfFormQuery = listQuery.extend({
  shape: z
    .enum(['nested', 'flat'])
    .default('nested')
    .openapi({ description: 'flat: as hooks are sent it, with every field of the form as it is now.' }),
})
const listAllQuery = listQuery.extend({ form: z.string().max(100).optional() })

/** A stored response on the wire. */
export const responseWire = (response: StoredResponse): Record<string, unknown> => ({
  id: response.id,
  form_id: response.formId,
  form_version: response.formVersion,
  status: response.status,
  data: response.data,
  meta: response.meta,
  client_id: response.clientId === null ? null : shownClientId(response.clientId),
  started_at: response.startedAt,
  submitted_at: response.submittedAt,
  created_at: response.createdAt,
  updated_at: response.updatedAt,
})

const flatWire = ({ id, name, version, fields }: Form) => {
  const form = { id, name, version, fields: fields.map(fieldInfo) }
  return (response: StoredResponse): Flat => flatResponse({ form, response, data: response.data }, { hubUrl: null })
}

/** Every route that reads or deletes responses. */
export function responseRoutes(deps: HttpDeps): Route[] {
  const { store } = deps
  const list = async (
    call: KeyedCall,
    query: z.output<typeof listAllQuery>,
    toWire: (response: StoredResponse) => unknown = responseWire,
  ): Promise<Response> => {
    const { form, status, since, until } = query
    const page = await store.listResponses(call.principal.workspace, {
      ...toPageQuery(query),
      form,
      status,
      since,
      until,
    })
    return json(call, toWirePage(page, toWire))
  }
  return [
    {
      method: 'GET',
      path: '/api/v2/forms/{id}/responses',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: "List a form's responses, newest first",
        query: listOfFormQuery,
        responses: {
          200: {
            description: 'A page of responses',
            schema: pageOf(z.union([responseSchema, z.record(z.string(), z.unknown())])),
          },
        },
      },
      handler: async (call) => {
        const id = call.param('id')
        const query = readQuery(call, listOfFormQuery)
        const compiled = await deps.forms.get(call.principal.workspace, id)
        if (compiled === undefined) throw noForm(id)
        return list(call, { ...query, form: id }, query.shape === 'flat' ? flatWire(compiled.form) : responseWire)
      },
    },
    {
      method: 'GET',
      path: '/api/v2/responses',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: 'List responses of all forms, newest first',
        query: listAllQuery,
        responses: { 200: { description: 'A page of responses', schema: pageOf(responseSchema) } },
      },
      handler: (call) => list(call, readQuery(call, listAllQuery)),
    },
    {
      method: 'GET',
      path: '/api/v2/responses/{id}',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: 'Read a response',
        responses: { 200: { description: 'The response', schema: responseSchema } },
      },
      handler: async (call) => {
        const response = await store.getResponse(call.principal.workspace, call.param('id'))
        if (response === undefined) throw noResponse(call.param('id'))
        return json(call, responseWire(response))
      },
    },
    deletingRoute(deps),
  ]
}

const deletingRoute = (deps: HttpDeps): Route => ({
  method: 'DELETE',
  path: '/api/v2/responses/{id}',
  access: 'responses:write',
  doc: {
    tag: 'Responses',
    summary: 'Delete a response',
    description:
      'Its answers are removed from the log and from its deliveries too; a `response.deleted` event is appended.',
    responses: { 204: { description: 'Deleted' } },
  },
  handler: async (call) => {
    const { workspace } = call.principal
    const response = await deps.store.getResponse(workspace, call.param('id'))
    if (response === undefined) throw noResponse(call.param('id'))
    const { id, formId } = response
    const event = {
      id: newId('event'),
      type: 'response.deleted',
      at: rfc3339(deps.clock.nowMs()),
      formId,
      responseId: id,
      hops: 0,
      data: JSON.stringify({ id, form_id: formId }),
    }
    if (!(await deps.store.deleteResponse(workspace, id, event))) throw noResponse(id)
    await tellAppended(deps, workspace, event.id)
    return noContent(call)
  },
})

/** The error for a response that is not there, or not in this workspace. */
export const noResponse = (id: string): HubError =>
  new HubError('not_found', `There is no response "${id.slice(0, 100)}".`)
