/** `/api/v2/installations`: what runs, how it fares, and the operator's hand on it. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { INSTALLATION_STATES } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps, InstallationView } from './deps.ts'
import { instant, pageOf } from './paging.ts'
import { json, readBodyAs, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const installationSchema = z
  .object({
    id: z.string(),
    plugin: z.string(),
    version: z.string().nullable(),
    state: z.enum(INSTALLATION_STATES),
    reason: z.string().nullable(),
    state_since: z.string().nullable(),
    config: z.record(z.string(), z.unknown()).openapi({ description: 'Secrets are shown as `***`.' }),
    when: z.object({ forms: z.array(z.string()).nullable(), events: z.array(z.string()).nullable() }),
    cursor: z.number().int(),
    lag: z.number().int().openapi({ description: 'Events it has not handled yet.' }),
    last_success_at: z.string().nullable(),
    last_failure_at: z.string().nullable(),
    last_error: z.string().nullable(),
    deliveries: z.object({ pending: z.number(), retrying: z.number(), dead: z.number(), delivered: z.number() }),
    breakers: z.array(
      z.object({ host: z.string(), state: z.enum(['open', 'half_open']), until: z.string().nullable() }),
    ),
  })
  .openapi('Installation')

const installationWire = (view: InstallationView): z.output<typeof installationSchema> => ({
  id: view.id,
  plugin: view.plugin,
  version: view.version,
  state: view.state,
  reason: view.reason,
  state_since: view.stateSince,
  config: { ...view.config },
  when: { forms: view.forms === null ? null : [...view.forms], events: view.events === null ? null : [...view.events] },
  cursor: view.cursor,
  lag: view.lag,
  last_success_at: view.lastSuccessAt,
  last_failure_at: view.lastFailureAt,
  last_error: view.lastError,
  deliveries: { ...view.deliveries },
  breakers: view.breakers.map((breaker) => ({ ...breaker })),
})

const listQuery = z.object({ state: z.enum(INSTALLATION_STATES).optional(), plugin: z.string().optional() })
const pauseBody = z.strictObject({ reason: z.string().min(1).max(500).default('paused by an operator') })
const testBody = z.strictObject({ event_id: z.string().optional(), form: z.string().optional() })
const backfillBody = z.strictObject({ from: z.union([z.literal('beginning'), instant]) })

type Needs = Pick<HttpDeps, 'registry' | 'engine' | 'limits'>

const one = { 200: { description: 'The installation as it is now', schema: installationSchema } }

/** Every route of installations. */
export const installationRoutes = (deps: Needs): Route[] => [...stateRoutes(deps), ...runRoutes(deps)]

/** Looking, pausing, resuming. */
function stateRoutes(deps: Needs): Route[] {
  const { engine, registry } = deps
  const shown = async (call: KeyedCall): Promise<Response> => json(call, installationWire(await find(deps, call)))
  return [
    {
      method: 'GET',
      path: '/api/v2/installations',
      access: 'deliveries:write',
      doc: {
        tag: 'Installations',
        summary: 'List installations',
        query: listQuery,
        responses: { 200: { description: 'All installations', schema: pageOf(installationSchema) } },
      },
      handler: async (call) => {
        const { state, plugin } = readQuery(call, listQuery)
        const all = await registry.installations(call.principal.workspace)
        const items = all.filter(
          (view) => (state === undefined || view.state === state) && (plugin === undefined || view.plugin === plugin),
        )
        return json(call, { items: items.map(installationWire), next_cursor: null })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/installations/{id}',
      access: 'deliveries:write',
      doc: { tag: 'Installations', summary: 'Read an installation', responses: one },
      handler: shown,
    },
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/pause',
      access: 'admin',
      doc: {
        tag: 'Installations',
        summary: 'Pause',
        description: 'Events and deliveries wait; nothing is lost.',
        body: { required: false, schema: pauseBody, example: { reason: 'receiver is being moved' } },
        responses: one,
      },
      handler: async (call) => {
        const { reason } = await bodyOf(deps, call, pauseBody)
        const { id } = await find(deps, call)
        await engine.pause(call.principal.workspace, id, reason)
        return shown(call)
      },
    },
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/resume',
      access: 'admin',
      doc: { tag: 'Installations', summary: 'Resume', description: 'Goes on where it stood.', responses: one },
      handler: async (call) => {
        const { id } = await find(deps, call)
        await engine.resume(call.principal.workspace, id)
        return shown(call)
      },
    },
  ]
}

/** Making it run: a test, or the past again. */
function runRoutes(deps: Needs): Route[] {
  const { engine } = deps
  return [
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/test-send',
      access: 'deliveries:write',
      doc: {
        tag: 'Installations',
        summary: 'Send a test down the live path',
        description: 'Without `event_id` a sample event of the form (or of any form) is used.',
        body: { required: false, schema: testBody, example: { form: 'contact' } },
        responses: {
          202: {
            description: 'What the test caused',
            schema: z.object({ event_id: z.string(), deliveries: z.array(z.string()) }),
          },
        },
      },
      handler: async (call) => {
        const { event_id: eventId, form } = await bodyOf(deps, call, testBody)
        const { id } = await find(deps, call)
        const sent = await engine.testSend({ workspace: call.principal.workspace, installation: id, eventId, form })
        return json(call, { event_id: sent.eventId, deliveries: sent.deliveries }, { status: 202 })
      },
    },
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/backfill',
      access: 'deliveries:write',
      doc: {
        tag: 'Installations',
        summary: 'Read the log again from a point in the past',
        body: { schema: backfillBody, example: { from: '2026-05-31T00:00:00Z' } },
        responses: {
          202: {
            description: 'Where it starts and how many events lie ahead',
            schema: z.object({ cursor: z.number().int(), events: z.number().int() }),
          },
        },
      },
      handler: async (call) => {
        const { from } = await bodyOf(deps, call, backfillBody)
        const { id } = await find(deps, call)
        return json(call, await engine.backfill({ workspace: call.principal.workspace, installation: id, from }), {
          status: 202,
        })
      },
    },
  ]
}

async function find(deps: Needs, call: KeyedCall): Promise<InstallationView> {
  const id = call.param('id')
  const view = (await deps.registry.installations(call.principal.workspace)).find((entry) => entry.id === id)
  if (view === undefined) throw new HubError('not_found', `There is no installation "${id.slice(0, 100)}".`)
  return view
}

/** The body by its schema; no body at all is an empty object. */
async function bodyOf<Schema extends z.ZodType>(
  deps: Needs,
  call: KeyedCall,
  schema: Schema,
): Promise<z.output<Schema>> {
  const { headers } = call.incoming
  const empty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
  return readBodyAs(empty ? {} : (await readJson(call.incoming, deps.limits)).body, schema)
}
