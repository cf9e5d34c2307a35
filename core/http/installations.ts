/** `/api/v2/installations`: what runs, how it fares, and the operator's hand on it. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { INSTALLATION_STATES } from '../model.ts'
import type { CheckFinding } from '../model.ts'
import { discardLeft, goneOf } from '../registry/gone.ts'
import type { LaneCounts } from '../storage/store.ts'
import { readJson } from './body.ts'
import type { HttpDeps, InstallationView } from './deps.ts'
import { instant, pageOf } from './paging.ts'
import { json, readBodyAs, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'
import { usageSchema, usageWire } from './usage.ts'

const findingSchema = z
  .object({
    level: z.enum(['error', 'warning', 'info']),
    message: z.string(),
    at: z.string().nullable().openapi({ description: 'The setting it is about: a JSON pointer into `with`' }),
    code: z.string().nullable().openapi({ description: 'The error with which the check itself failed' }),
  })
  .openapi('Finding')

const findingWire = ({ level, message, at, code }: CheckFinding): z.output<typeof findingSchema> => ({
  level,
  message,
  at: at ?? null,
  code: code ?? null,
})

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
    pii: z.union([z.boolean(), z.array(z.string())]).openapi({
      description: 'Which fields marked `pii` the file lets it see; the others are taken out of what its plugin gets',
    }),
    cursor: z.number().int(),
    lag: z.number().int().openapi({ description: 'Events it has not handled yet.' }),
    last_success_at: z
      .string()
      .nullable()
      .describe(
        'When an attempt, or the look of a transform at a response, last ended well; where the plugin has handlers alone, when one of them did.',
      ),
    last_failure_at: z.string().nullable(),
    last_error: z.string().nullable(),
    last_error_code: z.string().nullable(),
    failure_streak: z.number().int().openapi({
      description:
        'Attempts (and looks of a transform, and requests to a plugin that takes in responses) that failed since the last one that went well',
    }),
    credential: z
      .object({ state: z.enum(['ok', 'refused', 'unknown']), since: z.string(), message: z.string().nullable() })
      .openapi({
        description:
          'Whether the receiver accepts what the installation proves itself with. `refused`: it stands still until new settings, or a resume; what waits goes out then. `unknown`: nothing that carries it has gone through since it last began to run.',
      }),
    check: z
      .object({ at: z.string(), findings: z.array(findingSchema) })
      .nullable()
      .openapi({
        description:
          'What the check of its plugin found of these settings, without what a later success has disproved: that the receiver does not answer, or refuses the credential. null: it has none, or none has run yet',
      }),
    deliveries: z.object({ pending: z.number(), retrying: z.number(), dead: z.number(), delivered: z.number() }),
    oldest_waiting_at: z
      .string()
      .nullable()
      .openapi({ description: 'Creation time of the oldest delivery that is pending or retrying' }),
    returns_at: z.string().nullable().openapi({ description: 'When a pause for used up points ends by itself' }),
    usage: usageSchema.nullable().openapi({
      description: 'What it used, as counted by the process that runs it; null: that one could not be asked',
    }),
    unattended: z.boolean().openapi({ description: 'No living process runs it: its events wait' }),
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
  pii: typeof view.pii === 'boolean' ? view.pii : [...view.pii],
  cursor: view.cursor,
  lag: view.lag,
  last_success_at: view.lastSuccessAt,
  last_failure_at: view.lastFailureAt,
  last_error: view.lastError,
  last_error_code: view.lastErrorCode,
  failure_streak: view.failureStreak,
  credential: { ...view.credential },
  check: view.check === null ? null : { at: view.check.at, findings: view.check.findings.map(findingWire) },
  deliveries: { ...view.deliveries },
  oldest_waiting_at: view.oldestWaitingAt,
  returns_at: view.returnsAt,
  usage: view.usage === null ? null : usageWire(view.usage),
  unattended: view.unattended,
  breakers: view.breakers.map((breaker) => ({ ...breaker })),
})

const listQuery = z.object({ state: z.enum(INSTALLATION_STATES).optional(), plugin: z.string().optional() })
const pauseBody = z.strictObject({ reason: z.string().min(1).max(500).default('paused by an operator') })
const testBody = z.strictObject({
  event_id: z.string().optional(),
  response_id: z.string().optional(),
  form: z.string().optional(),
  dry_run: z.boolean().default(false).openapi({ description: 'Only say which event that would be' }),
})
const replayBody = z.strictObject({ last: z.number().int().min(1), form: z.string().optional() })
const backfillBody = z.strictObject({
  from: z.union([z.literal('beginning'), instant]),
  dry_run: z.boolean().default(false).openapi({ description: 'Only say how many events that would be' }),
})
/** Of what may be asked for without doing it. */
export const dryOr = <Schema extends z.ZodType>(done: string, schema: Schema) => ({
  200: { description: 'Dry run: what it would be', schema },
  202: { description: done, schema },
})
const sentSchema = z.object({
  dry_run: z.boolean(),
  event_id: z.string(),
  deliveries: z.array(z.string()),
  why_not: z
    .string()
    .nullable()
    .openapi({ description: 'Which part of `when` keeps the event out, so that nothing runs; null: none does' }),
})
const backfilledSchema = z.object({ dry_run: z.boolean(), cursor: z.number().int(), events: z.number().int() })

const goneSchema = z
  .object({
    id: z.string(),
    deliveries: z.object({ pending: z.number(), retrying: z.number(), dead: z.number(), delivered: z.number() }),
    oldest_waiting_at: z.string().nullable(),
  })
  .openapi('GoneInstallation')

const goneWire = ({ installation, oldestAt, ...lane }: LaneCounts): z.output<typeof goneSchema> => {
  const { pending, retrying, dead, delivered } = lane
  return { id: installation, deliveries: { pending, retrying, dead, delivered }, oldest_waiting_at: oldestAt }
}

const listSchema = pageOf(installationSchema).extend({
  gone: z.array(goneSchema).openapi({
    description:
      'Those that manifold.yaml has no more and of which deliveries wait or are dead: nobody makes them; see `POST /api/v2/deliveries/discard`',
  }),
})

type Needs = Pick<HttpDeps, 'registry' | 'engine' | 'limits' | 'store'>

const one = { 200: { description: 'The installation as it is now', schema: installationSchema } }

/** Every route of installations. */
export const installationRoutes = (deps: Needs): Route[] => [
  ...stateRoutes(deps),
  checkRoute(deps),
  ...runRoutes(deps),
  backfillRoute(deps),
]

/** Looking, pausing, resuming. */
function stateRoutes(deps: Needs): Route[] {
  const { engine, registry } = deps
  const shown = async (call: KeyedCall): Promise<Response> =>
    json(call, installationWire(await findInstallation(deps, call)))
  return [
    {
      method: 'GET',
      path: '/api/v2/installations',
      access: 'deliveries:write',
      doc: {
        tag: 'Installations',
        summary: 'List installations',
        query: listQuery,
        responses: { 200: { description: 'All installations', schema: listSchema } },
      },
      handler: async (call) => {
        const { state, plugin } = readQuery(call, listQuery)
        const all = await registry.installations(call.principal.workspace)
        const items = all.filter(
          (view) => (state === undefined || view.state === state) && (plugin === undefined || view.plugin === plugin),
        )
        const known = new Set(all.map(({ id }) => id))
        const gone = goneOf(await deps.store.laneCounts(), call.principal.workspace, known)
        return json(call, { items: items.map(installationWire), gone: gone.map(goneWire), next_cursor: null })
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
        const { id } = await findInstallation(deps, call)
        await engine.pause(call.principal.workspace, id, reason)
        return shown(call)
      },
    },
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/resume',
      access: 'admin',
      doc: {
        tag: 'Installations',
        summary: 'Resume',
        description:
          'Goes on where it stood. Of one that runs, hosts that failed repeatedly are tried at once: the next delivery goes out as the probe.',
        responses: one,
      },
      handler: async (call) => {
        const { id } = await findInstallation(deps, call)
        await engine.resume(call.principal.workspace, id)
        return shown(call)
      },
    },
  ]
}

/** A look at itself. */
const checkRoute = (deps: Needs): Route => ({
  method: 'POST',
  path: '/api/v2/installations/{id}/check',
  access: 'deliveries:write',
  doc: {
    tag: 'Installations',
    summary: 'Have the plugin look at its credentials and settings',
    description:
      'Without effects in the hub, and whether the installation runs or not; the plugin may send whatever it is granted, and should ask only what has no effect there. `at` is null where the plugin has no check.',
    responses: {
      200: {
        description: 'What it found; nothing: all is well',
        schema: z.object({ at: z.string().nullable(), findings: z.array(findingSchema) }),
      },
    },
  },
  handler: async (call) => {
    const { id } = await findInstallation(deps, call)
    const { at, findings } = await deps.engine.check({ workspace: call.principal.workspace, installation: id })
    return json(call, { at, findings: findings.map(findingWire) })
  },
})

/** Making it run: a test, or the last events again. */
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
        description:
          'With the answers of `response_id`, with the event `event_id`, or with the newest event (of the form) that it would get. What its plugin does then is real: deliveries go to their destination, counters count.',
        body: { required: false, schema: testBody, example: { form: 'contact' } },
        responses: dryOr('What the test caused', sentSchema),
      },
      handler: async (call) => {
        const { event_id: eventId, response_id: responseId, form, dry_run: dryRun } = await bodyOf(deps, call, testBody)
        const { id } = await findInstallation(deps, call)
        const { workspace } = call.principal
        const sent = await engine.testSend({ workspace, installation: id, eventId, responseId, form, dryRun })
        return json(
          call,
          { dry_run: dryRun, event_id: sent.eventId, deliveries: sent.deliveries, why_not: sent.whyNot },
          { status: dryRun ? 200 : 202 },
        )
      },
    },
    {
      method: 'POST',
      path: '/api/v2/installations/{id}/replay',
      access: 'deliveries:write',
      doc: {
        tag: 'Installations',
        summary: 'Run its handlers again on the last events',
        description:
          'The newest events that it would get, oldest first, through its plugin as it is now. Events keep their ids, the deliveries they cause get new ids and keys; its cursor stays and no other installation sees anything.',
        body: { schema: replayBody, example: { last: 5 } },
        responses: {
          202: {
            description: 'What each event caused; `left`: how many there was no time for',
            schema: z.object({
              events: z.array(
                z.object({
                  event_id: z.string(),
                  deliveries: z.array(z.string()),
                  error: z.object({ code: z.string(), detail: z.string() }).nullable(),
                }),
              ),
              left: z.number().int(),
            }),
          },
        },
      },
      handler: async (call) => {
        const { last, form } = await bodyOf(deps, call, replayBody)
        const { id } = await findInstallation(deps, call)
        const done = await engine.replayEvents({ workspace: call.principal.workspace, installation: id, last, form })
        const events = done.events.map(({ eventId, deliveries, error }) => ({
          event_id: eventId,
          deliveries,
          error: error === null ? null : { code: error.code, detail: error.message },
        }))
        return json(call, { events, left: done.left }, { status: 202 })
      },
    },
  ]
}

/** The past again. */
const backfillRoute = (deps: Needs): Route => ({
  method: 'POST',
  path: '/api/v2/installations/{id}/backfill',
  access: 'deliveries:write',
  doc: {
    tag: 'Installations',
    summary: 'Read the log again from a point in the past; what was not read yet is never skipped',
    description:
      'It handles them again: counters count again, and what has no delivery with the same key is sent. A dry run says how many events lie ahead.',
    body: { schema: backfillBody, example: { from: '2026-05-31T00:00:00Z', dry_run: true } },
    responses: dryOr(
      'Where it starts, which is no later than where it stood, and how many events lie ahead',
      backfilledSchema,
    ),
  },
  handler: async (call) => {
    const { from, dry_run: dryRun } = await bodyOf(deps, call, backfillBody)
    const { id } = await findInstallation(deps, call)
    const { workspace } = call.principal
    const filled = await deps.engine.backfill({ workspace, installation: id, from, dryRun })
    return json(call, { dry_run: dryRun, ...filled }, { status: dryRun ? 200 : 202 })
  },
})

/** The one that the path names; `not_found` says what is left of one that the file has no more. */
export async function findInstallation(
  deps: Pick<Needs, 'registry' | 'store'>,
  call: KeyedCall,
): Promise<InstallationView> {
  const id = call.param('id')
  const { workspace } = call.principal
  const all = await deps.registry.installations(workspace)
  const view = all.find((entry) => entry.id === id)
  if (view !== undefined) return view
  const lane = (await deps.store.laneCounts()).find((each) => each.workspace === workspace && each.installation === id)
  if (lane === undefined) throw new HubError('not_found', `There is no installation "${id.slice(0, 100)}".`)
  const { pending, retrying, dead, delivered } = lane
  const left = `${pending + retrying} of its deliveries wait, ${dead} are dead, ${delivered} were delivered`
  const todo = pending + retrying + dead === 0 ? '' : ` Nobody makes them: ${discardLeft(id)}.`
  throw new HubError('not_found', `"${id}" is in manifold.yaml no more. ${left}.${todo}`)
}

/** The body by its schema; no body at all is an empty object. */
export async function bodyOf<Schema extends z.ZodType>(
  deps: Pick<HttpDeps, 'limits'>,
  call: KeyedCall,
  schema: Schema,
): Promise<z.output<Schema>> {
  const { headers } = call.incoming
  const empty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0
  return readBodyAs(empty ? {} : (await readJson(call.incoming, deps.limits)).body, schema)
}
