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
const changeInput = z.object({
  version: z.int().optional().openapi({ description: 'The one that you changed: refused when there is a newer one' }),
  ...formInput.shape,
})
const deleteQuery = z.object({
  dry_run: z.enum(['true', 'false']).default('false').openapi({ description: 'Counts, and deletes nothing' }),
})
const wouldDelete = z.object({
  dry_run: z.literal(true),
  responses: z.int(),
  hooks: z.int().openapi({ description: 'Of this form alone: nothing is sent to them any more' }),
})
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

const listQuery = z.object({
  sort: z.enum(['id', '-created_at']).default('id').openapi({
    description: 'By `id`, or the newest first; a cursor is of the list with the same order.',
  }),
  ...pageQuery,
})

/** A form as documentation shows it. */
export const FORM_EXAMPLE = {
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
        body: { schema: z.object({ id: z.string().optional(), ...formInput.shape }), example: FORM_EXAMPLE },
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
          'Writes the whole definition; the version grows when something differs. Stored responses stay as they are. What was read may be sent back with its changes: its `version` keeps it from undoing what somebody else saved meanwhile (`conflict`).',
        body: { schema: changeInput, example: { ...FORM_EXAMPLE, id: undefined, version: 1, name: 'Write to us' } },
        responses: { 200: { description: 'The form as it is now', schema: formSchema } },
      },
      handler: async (call) => {
        const { id, version, definition } = await readForm(deps, call)
        const current = await find(deps, call)
        if (id !== undefined && id !== current.id)
          throw new HubError('invalid_form', 'The id in the body differs from the one in the path.', {
            problems: [{ pointer: '/id', detail: 'leave it out, or repeat the id of the path' }],
          })
        refuseManaged(current)
        return json(
          call,
          formWire(await save(deps, { call, id: current.id, definition, mode: 'update', basedOn: version })),
        )
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/forms/{id}',
      access: 'forms:write',
      doc: {
        tag: 'Forms',
        summary: 'Delete a form and its responses',
        description:
          'Events and deliveries stay in the log, with the answers erased. Hooks that ask for this form end (`form_gone`), which an alert tells (`hooks_stopped`): a form that gets its id later is another one.',
        query: deleteQuery,
        responses: {
          200: { description: 'With `dry_run`: what would go', schema: wouldDelete },
          204: { description: 'Deleted' },
        },
      },
      handler: async (call) => {
        const isDry = readQuery(call, deleteQuery).dry_run === 'true'
        const form = await find(deps, call)
        refuseManaged(form)
        if (isDry) return json(call, { dry_run: true, ...(await dependentsOf(deps, form)) })
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
        await tellStoppedHooks(deps)
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
        query: listQuery,
        responses: { 200: { description: 'A page of forms', schema: pageOf(formSchema) } },
      },
      handler: async (call) => {
        const { sort, ...query } = readQuery(call, listQuery)
        const order = sort === '-created_at' ? 'newest' : 'id'
        const page = await store.listForms(call.principal.workspace, { ...toPageQuery(query), order })
        return json(call, toWirePage(page, formWire))
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

/** What goes with a form, or stops. */
async function dependentsOf({ store, clock }: HttpDeps, { workspace, id }: Form) {
  const ofForm = { form: id, inForceMs: clock.nowMs() }
  const [responses, hooks] = await Promise.all([
    store.countResponses(workspace, id),
    store.countHooks(workspace, ofForm),
  ])
  return { responses, hooks }
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

/** Tells of hooks that have just stopped; where that cannot be written they have stopped all the same, and whoever tidies tells it. */
export const tellStoppedHooks = async ({ hooks, logger }: Pick<HttpDeps, 'hooks' | 'logger'>): Promise<void> => {
  await hooks
    .tellStopped()
    .catch((error: unknown) => logger.warn({ err: error }, 'that hooks stopped could not be told'))
}

/** The error for a form that is not there, or not in this workspace. */
export const noForm = (id: string): HubError => new HubError('not_found', `There is no form "${id.slice(0, 100)}".`)

async function find(deps: HttpDeps, call: KeyedCall): Promise<Form> {
  const id = call.param('id')
  const form = await deps.store.getForm(call.principal.workspace, id)
  if (form === undefined) throw noForm(id)
  return form
}

/** The definition in a body, with the id it may have; rejects with every mistake of it. */
export async function readForm(
  deps: Pick<HttpDeps, 'limits'>,
  call: KeyedCall,
): Promise<{ id: string | undefined; version: number | undefined; definition: FormDefinition }> {
  const { body } = await readJson(call.incoming, deps.limits)
  const { id, version, definition } = takeOwn(body)
  const parsed = parseForm(definition)
  const problems = [...(parsed.ok ? [] : parsed.problems)]
  if (id !== undefined && (typeof id !== 'string' || !ID_SHAPE.test(id))) {
    problems.unshift({
      pointer: '/id',
      detail: 'use letters, digits, "_" and "-", starting with a letter or digit, at most 100 characters',
    })
  }
  if (version !== undefined && !Number.isSafeInteger(version))
    problems.unshift({ pointer: '/version', detail: 'use the number that the form was read with, or leave it out' })
  if (!parsed.ok || problems.length > 0)
    throw new HubError('invalid_form', 'The form definition is not valid.', { problems })
  return { id: id as string | undefined, version: version as number | undefined, definition: parsed.definition }
}

/** What the hub itself says of a form, apart from its definition: a form may come back as it was read. */
function takeOwn(body: unknown): { id?: unknown; version?: unknown; definition: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { definition: body }
  const {
    id,
    version,
    managed_by: _managedBy,
    created_at: _createdAt,
    updated_at: _updatedAt,
    ...definition
  } = body as {
    readonly [key: string]: unknown
  }
  return { id, version, definition }
}

async function save(
  deps: HttpDeps,
  input: {
    call: KeyedCall
    id: string
    definition: FormDefinition
    mode: 'create' | 'update'
    basedOn?: number | undefined
  },
): Promise<Form> {
  const { id, definition, mode, basedOn } = input
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
    basedOn,
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
