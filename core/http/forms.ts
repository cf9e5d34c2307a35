/** `/api/v2/forms`: what is asked. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { formToWire, formWireSchema, parseForm } from '../ingest/form-definition.ts'
import type { Form, FormDefinition, WorkspaceId } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, noContent, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const ID_SHAPE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/

const formInput = z.object(formWireSchema.shape)
const formSchema = z
  .object({
    id: z.string(),
    version: z.number().int(),
    ...formWireSchema.shape,
    managed_by: z.enum(['api', 'file']),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Form')

const EXAMPLE = {
  id: 'contact',
  name: 'Contact us',
  fields: [
    { key: 'email', label: 'E-mail', type: 'email', required: true, pii: true },
    { key: 'topic', label: 'Topic', type: 'select', options: ['Sales', 'Support'] },
    { key: 'message', label: 'Message', type: 'long_text' },
  ],
}

/** A form on the wire. */
export const formWire = (form: Form): Record<string, unknown> => ({
  id: form.id,
  version: form.version,
  ...formToWire(form),
  managed_by: form.managedBy,
  created_at: form.createdAt,
  updated_at: form.updatedAt,
})

/** Every route of forms. */
export const formRoutes = (deps: HttpDeps): Route[] => [...readingRoutes(deps), ...writingRoutes(deps)]

function writingRoutes(deps: HttpDeps): Route[] {
  const { store } = deps
  const room = openRoom(deps)
  return [
    {
      method: 'POST',
      path: '/api/v2/forms',
      access: 'forms:write',
      doc: {
        tag: 'Forms',
        summary: 'Create a form',
        description: 'Without `id` the hub makes one. The first version is 1.',
        body: { schema: z.object({ id: z.string().optional(), ...formInput.shape }), example: EXAMPLE },
        responses: { 201: { description: 'Created', schema: formSchema } },
      },
      handler: async (call) => {
        const { id, definition } = await readForm(deps, call)
        await room.claim(call.principal.workspace)
        const form = await save(deps, { call, id: id ?? newId('form'), definition, mode: 'create' })
        return json(call, formWire(form), { status: 201, headers: { location: `/api/v2/forms/${form.id}` } })
      },
    },
    {
      method: 'PUT',
      path: '/api/v2/forms/{id}',
      access: 'forms:write',
      doc: {
        tag: 'Forms',
        summary: 'Replace a form',
        description:
          'Writes the whole definition; the version grows when something differs. Stored responses stay as they are.',
        body: { schema: formInput, example: { ...EXAMPLE, id: undefined, name: 'Write to us' } },
        responses: { 200: { description: 'The form as it is now', schema: formSchema } },
      },
      handler: async (call) => {
        const { id, definition } = await readForm(deps, call)
        const current = await find(deps, call)
        if (id !== undefined && id !== current.id)
          throw new HubError('invalid_form', 'The id in the body differs from the one in the path.', {
            problems: [{ pointer: '/id', detail: 'leave it out, or repeat the id of the path' }],
          })
        refuseManaged(current)
        return json(call, formWire(await save(deps, { call, id: current.id, definition, mode: 'update' })))
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/forms/{id}',
      access: 'forms:write',
      doc: {
        tag: 'Forms',
        summary: 'Delete a form and its responses',
        description: 'Events and deliveries stay in the log, with the answers erased.',
        responses: { 204: { description: 'Deleted' } },
      },
      handler: async (call) => {
        const form = await find(deps, call)
        refuseManaged(form)
        const at = rfc3339(deps.clock.nowMs())
        const event = {
          id: newId('event'),
          type: 'form.deleted',
          at,
          formId: form.id,
          responseId: null,
          hops: 0,
          data: JSON.stringify({ id: form.id, name: form.name }),
        }
        const deleted = await store.deleteForm(form.workspace, form.id, event)
        deps.forms.invalidate(form.workspace, form.id)
        room.release(form.workspace)
        if (!deleted) throw noForm(form.id)
        await tellAppended(deps, form.workspace, event.id)
        return noContent(call)
      },
    },
  ]
}

function readingRoutes(deps: HttpDeps): Route[] {
  const { store } = deps
  return [
    {
      method: 'GET',
      path: '/api/v2/forms',
      access: 'forms:read',
      doc: {
        tag: 'Forms',
        summary: 'List forms',
        query: z.object(pageQuery),
        responses: { 200: { description: 'A page of forms', schema: pageOf(formSchema) } },
      },
      handler: async (call) => {
        const query = readQuery(call, z.object(pageQuery))
        return json(call, toWirePage(await store.listForms(call.principal.workspace, toPageQuery(query)), formWire))
      },
    },
    {
      method: 'GET',
      path: '/api/v2/forms/{id}',
      access: 'forms:read',
      doc: {
        tag: 'Forms',
        summary: 'Read a form',
        responses: { 200: { description: 'The form', schema: formSchema } },
      },
      handler: async (call) => json(call, formWire(await find(deps, call))),
    },
    {
      method: 'GET',
      path: '/api/v2/forms/{id}/versions',
      access: 'forms:read',
      doc: {
        tag: 'Forms',
        summary: "List a form's versions",
        responses: { 200: { description: 'All versions', schema: pageOf(formSchema) } },
      },
      handler: async (call) => {
        const form = await find(deps, call)
        return json(call, {
          items: (await store.listFormVersions(form.workspace, form.id)).map(formWire),
          next_cursor: null,
        })
      },
    },
  ]
}

/** Passes on an event that the store appended by itself: deletions answer only that they were done. */
export async function tellAppended(
  deps: Pick<HttpDeps, 'store' | 'onEvents'>,
  workspace: WorkspaceId,
  eventId: string,
): Promise<void> {
  const event = await deps.store.getEvent(workspace, eventId)
  if (event !== undefined) deps.onEvents([event])
}

/** The error for a form that is not there, or not in this workspace. */
export const noForm = (id: string): HubError => new HubError('not_found', `There is no form "${id.slice(0, 100)}".`)

async function find(deps: HttpDeps, call: KeyedCall): Promise<Form> {
  const id = call.param('id')
  const form = await deps.store.getForm(call.principal.workspace, id)
  if (form === undefined) throw noForm(id)
  return form
}

async function readForm(
  deps: HttpDeps,
  call: KeyedCall,
): Promise<{ id: string | undefined; definition: FormDefinition }> {
  const { body } = await readJson(call.incoming, deps.limits)
  const { id, definition } = takeId(body)
  const parsed = parseForm(definition)
  const problems = [...(parsed.ok ? [] : parsed.problems)]
  if (id !== undefined && (typeof id !== 'string' || !ID_SHAPE.test(id))) {
    problems.unshift({
      pointer: '/id',
      detail: 'use letters, digits, "_" and "-", starting with a letter or digit, at most 100 characters',
    })
  }
  if (!parsed.ok || problems.length > 0)
    throw new HubError('invalid_form', 'The form definition is not valid.', { problems })
  return { id: id as string | undefined, definition: parsed.definition }
}

function takeId(body: unknown): { id: unknown; definition: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { id: undefined, definition: body }
  const { id, ...definition } = body as { readonly [key: string]: unknown }
  return { id, definition }
}

async function save(
  deps: HttpDeps,
  input: { call: KeyedCall; id: string; definition: FormDefinition; mode: 'create' | 'update' },
): Promise<Form> {
  const { id, definition, mode } = input
  const { workspace } = input.call.principal
  const at = rfc3339(deps.clock.nowMs())
  const saved = await deps.store.saveForm({
    workspace,
    id,
    definition,
    managedBy: 'api',
    at,
    eventId: newId('event'),
    mode,
  })
  deps.forms.invalidate(workspace, id)
  if (saved.event !== null) deps.onEvents([saved.event])
  return saved.form
}

function refuseManaged(form: Form): void {
  if (form.managedBy === 'file')
    throw new HubError('managed_by_file', `The form "${form.id}" is defined in manifold.yaml; change it there.`)
}

interface Room {
  /** Rejects when the workspace has as many forms as it may. */
  claim(workspace: WorkspaceId): Promise<void>
  release(workspace: WorkspaceId): void
}

/** Counts forms once per workspace and again only when the count says full: other processes may have deleted some. */
function openRoom(deps: HttpDeps): Room {
  const counts = new Map<WorkspaceId, number>()
  const max = deps.limits.formsPerWorkspaceMax
  return {
    claim: async (workspace) => {
      const known = counts.get(workspace)
      const count = known === undefined || known >= max ? await countForms(deps, workspace) : known
      counts.set(workspace, count + 1)
      if (count >= max)
        throw new HubError('conflict', `This workspace has ${max} forms, which is the limit. Delete some first.`)
    },
    release: (workspace) => void counts.delete(workspace),
  }
}

async function countForms(deps: HttpDeps, workspace: WorkspaceId): Promise<number> {
  let count = 0
  let after: string | undefined
  do {
    const page = await deps.store.listForms(workspace, { limit: deps.limits.pageItemsMax, after })
    count += page.items.length
    after = page.next ?? undefined
  } while (after !== undefined)
  return count
}
