/** Reading and deleting stored responses. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { flatResponse } from '../contract/index.ts'
import type { Flat } from '../contract/index.ts'
import { HubError, told } from '../errors.ts'
import { newId } from '../ids.ts'
import { shownClientId } from '../ingest/client-id.ts'
import { soughtAnswer } from '../ingest/sought-answer.ts'
import { LIMITS } from '../limits.ts'
import type { Limits } from '../limits.ts'
import type { Field, Form, StoredResponse } from '../model.ts'
import { fieldInfo } from '../routing/event-json.ts'
import { compileFilter } from '../routing/filter.ts'
import type { FilterSubject } from '../routing/filter.ts'
import type { ResponseQuery } from '../storage/store.ts'
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

const listQuery = z.object({
  status: z.enum(['partial', 'completed']).optional(),
  text: z.string().trim().min(1).max(200).optional().openapi({
    description: 'Those of which each of these words stands somewhere in an answer, in any case.',
  }),
  filter: z.string().max(10_000).optional().openapi({
    description:
      'A condition as `when.filter` of an installation and questions have it, as JSON: `{"data.budget": {"$gte": 1000}, "response.status": "completed"}`.',
  }),
  order: z.enum(['newest', 'oldest']).default('newest').openapi({ description: 'Which come first' }),
  ...timeQuery,
  ...pageQuery,
})
const shape = z
  .enum(['nested', 'flat'])
  .default('nested')
  .openapi({ description: 'flat: as hooks are sent it, with every field of the form as it is now.' })
const listOfFormQuery = listQuery.extend({
  shape,
  field: z.string().min(1).max(255).optional().openapi({
    description:
      'With `value`: those with that answer to it. Also a field that only an earlier version of the form had.',
  }),
  value: z.string().trim().min(1).max(LIMITS.stringCharsMax).optional().openapi({
    description:
      'The whole answer, or one of several; the case of ASCII letters does not matter. Numbers and times are compared as such, yes and no are true and false, and an option goes by its value or its label.',
  }),
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

/**
 * Half of the two is a slip that would list everything, and a field that is misspelt one that would find nothing. What an earlier
 * version of the form asked for was answered, too.
 */
async function answerOf(
  { store }: Pick<HttpDeps, 'store'>,
  { field: key, value }: z.output<typeof listOfFormQuery>,
  { workspace, id, name, fields }: Form,
): Promise<ResponseQuery['answer']> {
  if (key === undefined && value === undefined) return undefined
  if (key === undefined || value === undefined)
    throw wrongQuery(key === undefined ? 'field' : 'value', '"field" and "value" are given together')
  const field = fields.find((each) => each.key === key) ?? (await droppedField(store, { workspace, id }, key))
  if (field !== undefined) return { field: key, value: soughtAnswer(field, value) }
  const keys = fields.map((each) => each.key).join(', ')
  throw wrongQuery('field', `the form "${name}" has no field "${key}"; it has ${keys === '' ? 'none' : keys}`)
}

/** As the newest version had it that had it. */
async function droppedField(
  store: HttpDeps['store'],
  { workspace, id }: Pick<Form, 'workspace' | 'id'>,
  key: string,
): Promise<Field | undefined> {
  const versions = (await store.listFormVersions(workspace, id)).toSorted((a, b) => b.version - a.version)
  return versions.flatMap(({ fields }) => fields).find((field) => field.key === key)
}

/** Whether a response is like that; rejects with every mistake of the condition. */
function conditionOf(text: string, limits: Limits): (response: StoredResponse) => boolean {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw wrongQuery('filter', 'is no JSON; write it like {"data.budget": {"$gte": 1000}}')
  }
  const filter = compileFilter(json, limits)
  if (!filter.ok)
    throw new HubError('invalid_query', 'The filter is not valid.', {
      problems: filter.problems.map(({ pointer, detail }) => ({ pointer: `/filter${pointer}`, detail })),
    })
  return (response) => filter.match(subjectOf(response))
}

/** In the words in which plugins, conditions of installations and questions see it. */
function subjectOf(response: StoredResponse): FilterSubject {
  const { data, meta, form_id: id, form_version: version, ...own } = responseWire(response)
  return { data, meta, form: { id, version }, response: own, event: null }
}

function wrongQuery(parameter: string, detail: string): HubError {
  const problems = [{ pointer: `/${parameter}`, detail }]
  return new HubError('invalid_query', told(problems), { problems })
}

const SEARCH = `What was answered no index knows: with \`text\`, \`filter\`, or \`field\` and \`value\`, a page looks for ${LIMITS.responseSearchMsMax} ms, in order. So it may be short or empty and have a next_cursor all the same, which goes on where it ended: at \`searched_to\`.`

const searchedPage = (item: z.ZodType) =>
  pageOf(item).extend({
    searched_to: z.string().nullable().openapi({
      description: 'The creation time at which a page ended its search before all were looked through.',
    }),
  })

const flatWire = ({ id, name, version, fields }: Form) => {
  const form = { id, name, version, fields: fields.map(fieldInfo) }
  return (response: StoredResponse): Flat =>
    flatResponse({ form, response, data: response.data }, { hubUrl: null, formVersion: response.formVersion })
}

/** Every route that reads or deletes responses. */
export function responseRoutes(deps: HttpDeps): Route[] {
  const { store } = deps
  const list = async (
    call: KeyedCall,
    query: z.output<typeof listAllQuery> & Pick<ResponseQuery, 'answer'>,
    toWire: (response: StoredResponse) => unknown = responseWire,
  ): Promise<Response> => {
    const { form, status, since, until, text, order, answer } = query
    const matches = query.filter === undefined ? undefined : conditionOf(query.filter, deps.limits)
    const asked = { ...toPageQuery(query), form, status, since, until, text, order, answer, matches }
    const page = await store.listResponses(call.principal.workspace, asked)
    return json(call, { ...toWirePage(page, toWire), searched_to: page.searchedTo })
  }
  return [
    {
      method: 'GET',
      path: '/api/v2/forms/{id}/responses',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: "List or search a form's responses, newest or oldest first",
        description: SEARCH,
        query: listOfFormQuery,
        responses: {
          200: {
            description: 'A page of responses',
            schema: searchedPage(z.union([responseSchema, z.record(z.string(), z.unknown())])),
          },
        },
      },
      handler: async (call) => {
        const id = call.param('id')
        const query = readQuery(call, listOfFormQuery)
        const compiled = await deps.forms.get(call.principal.workspace, id)
        if (compiled === undefined) throw noForm(id)
        const toWire = query.shape === 'flat' ? flatWire(compiled.form) : responseWire
        return list(call, { ...query, form: id, answer: await answerOf(deps, query, compiled.form) }, toWire)
      },
    },
    {
      method: 'GET',
      path: '/api/v2/responses',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: 'List or search responses of all forms, newest or oldest first',
        description: SEARCH,
        query: listAllQuery,
        responses: { 200: { description: 'A page of responses', schema: searchedPage(responseSchema) } },
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
        query: z.object({ shape }),
        responses: {
          200: {
            description: 'The response',
            schema: z.union([responseSchema, z.record(z.string(), z.unknown())]),
          },
        },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const response = await store.getResponse(workspace, call.param('id'))
        if (response === undefined) throw noResponse(call.param('id'))
        const isFlat = readQuery(call, z.object({ shape })).shape === 'flat'
        const compiled = isFlat ? await deps.forms.get(workspace, response.formId) : undefined
        return json(call, (compiled === undefined ? responseWire : flatWire(compiled.form))(response))
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
