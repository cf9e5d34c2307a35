/** `/api/v2/runs`: what plugins did with responses, events, deliveries, schedules and routes, and why they failed. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { RUN_KINDS, TRANSFORM_OUTCOMES } from '../model.ts'
import type { RunEffect, RunRecord, WorkspaceId } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import { NEEDS_READING } from './deliveries.ts'
import type { HttpDeps } from './deps.ts'
import { logLineSchema } from './log-lines.ts'
import { pageOf, pageQuery, timeQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const effectKey = z
  .string()
  .nullable()
  .openapi({ description: 'Plugins make keys of answers, so it is null for an API key without `responses:read`.' })
const enqueueEffect = z.object({
  kind: z.literal('enqueue'),
  action: z.string(),
  key: effectKey,
  delivery_id: z
    .string()
    .openapi({ description: 'The id it was to get. A key that was taken before makes no delivery.' }),
})
const otherEffects = [
  z.object({
    kind: z.literal('kv'),
    key: effectKey,
    bytes: z.number().int().nullable().openapi({ description: 'Null: the key was deleted.' }),
  }),
  z.object({ kind: z.literal('emit'), type: z.string(), event_id: z.string() }),
  z.object({ kind: z.enum(['tally', 'metric']), name: z.string(), by: z.number() }),
  z.object({
    kind: z.literal('change'),
    part: z.enum(['data', 'meta']),
    key: z.string(),
    bytes: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'Of what the transform made of this part of the response; null: it took it away.' }),
  }),
] as const

const runSchema = z
  .object({
    id: z.string(),
    installation: z.string(),
    plugin: z.string(),
    version: z.string(),
    bundle: z.string().openapi({ description: 'First characters of the SHA-256 of the code that ran.' }),
    kind: z.enum(RUN_KINDS),
    name: z.string().openapi({
      description: 'Event type, action, schedule or route, as the manifest calls it; of a transform the form.',
    }),
    attempt: z.number().int(),
    started_at: z.string(),
    duration_ms: z.number(),
    cpu_ms: z.number(),
    outcome: z.enum(['ok', 'failed']),
    error_code: z.string().nullable(),
    error: z
      .string()
      .nullable()
      .openapi({ description: 'Ends in the file, line and column of the plugin where there is one.' }),
    stack: z.string().nullable(),
    items: z.array(
      z.object({
        event_id: z.string().nullable(),
        delivery_id: z.string().nullable(),
        form_id: z.string().nullable(),
        response_id: z.string().nullable(),
        outcome: z
          .enum(['delivered', 'retry', 'dead', 'ambiguous', 'unauthorized', ...TRANSFORM_OUTCOMES])
          .nullable()
          .openapi({
            description: 'Of an action, for this item, or what a transform came to; null for the other kinds.',
          }),
      }),
    ),
    effects: z.array(z.union([enqueueEffect, ...otherEffects])),
    requests: z.array(
      z.object({
        method: z.string(),
        url: z.string().openapi({ description: 'Without query; secrets are masked.' }),
        status: z.number().int().nullable(),
        duration_ms: z.number(),
        error: z.string().nullable(),
      }),
    ),
    logs: z.array(logLineSchema),
    left_out: z
      .number()
      .int()
      .openapi({ description: 'Effects, requests and log lines that were too many to be kept.' }),
    more: z
      .number()
      .int()
      .openapi({ description: 'Runs of the same kind, name and outcome after it that were not recorded themselves.' }),
  })
  .openapi('Run')

const delivery = z.object({ id: z.string(), state: z.string() })
const runDetail = runSchema
  .extend({
    effects: z.array(
      z.union([
        enqueueEffect.extend({
          delivery: delivery.nullable().openapi({ description: 'Null: its key was taken before.' }),
        }),
        ...otherEffects,
      ]),
    ),
    input: z.unknown().openapi({
      description: "What the plugin's function got, looked up now: null when `input_missing` says why not.",
    }),
    input_missing: z.string().nullable(),
    withheld: z.array(z.string()).openapi({
      description:
        'Keys of fields marked `pii` that the input leaves out, since the installation has no grant for them.',
    }),
  })
  .openapi('RunDetail')

const listQuery = z.object({
  installation: z.string().max(200).optional(),
  event: z.string().max(100).optional(),
  delivery: z.string().max(100).optional(),
  response: z.string().max(100).optional(),
  kind: z.enum(RUN_KINDS).optional(),
  outcome: z.enum(['ok', 'failed']).optional(),
  ...timeQuery,
  ...pageQuery,
})

const seesAnswers = ({ principal }: KeyedCall): boolean => allows(principal, 'responses:read')

const runWire = (run: RunRecord, hasKeys: boolean) => ({
  id: run.id,
  installation: run.installation,
  plugin: run.plugin,
  version: run.version,
  bundle: run.bundle,
  kind: run.kind,
  name: run.name,
  attempt: run.attempt,
  started_at: run.startedAt,
  duration_ms: run.durationMs,
  cpu_ms: run.cpuMs,
  outcome: run.outcome,
  error_code: run.errorCode,
  error: run.error,
  stack: run.stack,
  items: run.items.map((item) => ({
    event_id: item.eventId,
    delivery_id: item.deliveryId,
    form_id: item.formId,
    response_id: item.responseId,
    outcome: item.outcome,
  })),
  effects: run.effects.map((effect) => effectWire(effect, hasKeys)),
  requests: run.requests.map(({ durationMs, ...request }) => ({ ...request, duration_ms: durationMs })),
  logs: run.logs,
  left_out: run.leftOut,
  more: run.more,
})

function effectWire(effect: RunEffect, hasKeys: boolean): object {
  if (effect.kind === 'enqueue') {
    const { kind, action, key, deliveryId } = effect
    return { kind, action, key: hasKeys ? key : null, delivery_id: deliveryId }
  }
  if (effect.kind === 'kv') return { ...effect, key: hasKeys ? effect.key : null }
  return effect.kind === 'emit' ? { kind: 'emit', type: effect.type, event_id: effect.eventId } : effect
}

/** Every route of runs. */
export function runRoutes(deps: Pick<HttpDeps, 'store' | 'runs'>): Route[] {
  const { store, runs } = deps
  return [
    {
      method: 'GET',
      path: '/api/v2/runs',
      access: 'deliveries:write',
      doc: {
        tag: 'Runs',
        summary: 'List runs of plugins, newest first',
        description:
          'With `event`, `delivery` or `response`: what plugins did with it, and why they failed. A transform is told with the response that it looked at, stored or in quarantine. Under load not every run is recorded; `more` counts the others.',
        query: listQuery,
        responses: { 200: { description: 'A page of runs', schema: pageOf(runSchema) } },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        const { limit: _limit, cursor: _cursor, ...filters } = query
        await runs.written()
        const page = await store.listRuns(call.principal.workspace, { ...toPageQuery(query), ...filters })
        return json(
          call,
          toWirePage(page, (run) => runWire(run, seesAnswers(call))),
        )
      },
    },
    {
      method: 'GET',
      path: '/api/v2/runs/{id}',
      access: 'deliveries:write',
      doc: {
        tag: 'Runs',
        summary: 'Read a run with its input',
        description:
          "The input is not stored with the run: event and delivery are looked up, and shown as today's configuration lets the installation see them. It may hold answers, so it is for keys with `responses:read`, too.",
        responses: { 200: { description: 'The run', schema: runDetail } },
      },
      handler: async (call) => {
        await runs.written()
        const run = await store.getRun(call.principal.workspace, call.param('id'))
        if (run === undefined) throw new HubError('not_found', `There is no run "${call.param('id').slice(0, 100)}".`)
        const hasKeys = seesAnswers(call)
        const [shown, effects] = await Promise.all([
          hasKeys ? runs.inputOf(run) : { missing: NEEDS_READING },
          Promise.all(run.effects.map((effect) => withDelivery(deps, run.workspace, { effect, hasKeys }))),
        ])
        return json(call, {
          ...runWire(run, hasKeys),
          effects,
          input: 'input' in shown ? shown.input : null,
          input_missing: 'missing' in shown ? shown.missing : null,
          withheld: 'withheld' in shown ? shown.withheld : [],
        })
      },
    },
  ]
}

async function withDelivery(
  { store }: Pick<HttpDeps, 'store'>,
  workspace: WorkspaceId,
  { effect, hasKeys }: { readonly effect: RunEffect; readonly hasKeys: boolean },
): Promise<object> {
  const wire = effectWire(effect, hasKeys)
  if (effect.kind !== 'enqueue') return wire
  const made = await store.getDelivery(workspace, effect.deliveryId)
  return { ...wire, delivery: made === undefined ? null : { id: made.id, state: made.state } }
}
