/** `/api/v2/deliveries`: what left, what waits, every attempt of it, and sending one again. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { DEAD_REASONS, DELIVERY_STATES } from '../model.ts'
import type { Attempt, Delivery } from '../model.ts'
import type { HttpDeps } from './deps.ts'
import { LIMITS } from '../limits.ts'
import { allows } from '../registry/api-keys.ts'
import type { DeliveryQuery } from '../storage/store.ts'
import { logLineSchema } from './log-lines.ts'
import { pageOf, pageQuery, timeQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

/** A delivery in lists. */
export const deliverySchema = z
  .object({
    id: z.string(),
    installation: z.string(),
    plugin: z.string(),
    kind: z.enum(['action', 'handler', 'schedule']),
    name: z.string(),
    test: z
      .boolean()
      .openapi({ description: 'Caused by hand, to try the installation (a test-send, a schedule fired)' }),
    event_id: z.string().nullable(),
    form_id: z.string().nullable(),
    response_id: z.string().nullable(),
    state: z.enum(DELIVERY_STATES),
    attempts: z.number().int(),
    due_at: z
      .string()
      .nullable()
      .openapi({ description: 'When the next attempt may start; null when none is planned.' }),
    created_at: z.string(),
    finished_at: z.string().nullable(),
    reason: z.enum(DEAD_REASONS).nullable(),
    error_code: z.string().nullable(),
    error: z.string().nullable(),
    host: z.string().nullable(),
  })
  .openapi('Delivery')

const attemptSchema = z
  .object({
    n: z.number().int(),
    at: z.string(),
    duration_ms: z.number(),
    outcome: z.enum(['delivered', 'retry', 'dead', 'ambiguous', 'unauthorized']),
    error_code: z.string().nullable(),
    error: z.string().nullable(),
    exchanges: z.array(
      z.object({
        method: z.string(),
        url: z.string(),
        request_headers: z.record(z.string(), z.string()),
        request_body: z.string().nullable(),
        status: z.number().int().nullable(),
        response_headers: z.record(z.string(), z.string()),
        response_body: z.string().nullable(),
        truncated: z.boolean(),
        duration_ms: z.number(),
        error: z.string().nullable(),
      }),
    ),
    logs: z.array(logLineSchema),
  })
  .openapi('Attempt')

const deliveryDetail = deliverySchema
  .extend({
    input: z.unknown(),
    input_missing: z.string().nullable().openapi({
      description:
        'Why `input` and the bodies of exchanges are null and their URLs end before the query: the key lacks `responses:read`. Null: all is shown.',
    }),
    attempt_log: z.array(attemptSchema),
  })
  .openapi('DeliveryDetail')

/** Filters that deliveries and dead letters share. */
export const deliveryFilters = {
  installation: z.string().max(200).optional(),
  form: z.string().max(100).optional(),
  response: z.string().max(100).optional(),
  event: z.string().max(100).optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  code: z.string().max(100).optional().openapi({ description: 'Code of the last error' }),
  ...timeQuery,
}

/** What a list says of its pages. */
export const SHORT_PAGES = `An index answers since and until together with one of response, event, cause, installation (also with dead or waiting ones), or form. For what is asked beyond that, a page looks through ${LIMITS.deliverySearchRowsMax} of those, newest first: so it may be short or empty and have a next_cursor all the same.`

/** What else may be searched for. */
export const searchFilters = {
  text: z.string().min(1).max(200).optional().openapi({
    description: `Stands in ids, last error, code or host; with a key that has responses:read, in the input or the answers as well. The case of ASCII letters does not matter.`,
  }),
  cause: z.string().max(32).optional().openapi({ description: 'Of a group of dead letters' }),
}
const listQuery = z.object({
  state: z.enum(DELIVERY_STATES).optional(),
  ...deliveryFilters,
  ...searchFilters,
  ...pageQuery,
})

/** The filters as the store takes them. Answers are looked into only for those who may read them. */
export function filtersOf(
  call: KeyedCall,
  { text, ...filters }: z.output<typeof listQuery>,
): Omit<DeliveryQuery, 'limit' | 'after'> {
  const { limit: _limit, cursor: _cursor, ...others } = filters
  if (text === undefined) return others
  return { ...others, text: { words: text, inAnswers: allows(call.principal, 'responses:read') } }
}

/** A delivery on the wire. */
export const deliveryWire = (delivery: Delivery): z.output<typeof deliverySchema> => ({
  id: delivery.id,
  installation: delivery.installation,
  plugin: delivery.plugin,
  kind: delivery.kind,
  name: delivery.name,
  test: delivery.isTest === true,
  event_id: delivery.eventId,
  form_id: delivery.formId,
  response_id: delivery.responseId,
  state: delivery.state,
  attempts: delivery.attempts,
  due_at:
    delivery.state === 'pending' || delivery.state === 'retrying' ? new Date(delivery.dueAtMs).toISOString() : null,
  created_at: delivery.createdAt,
  finished_at: delivery.finishedAt,
  reason: delivery.reason,
  error_code: delivery.errorCode,
  error: delivery.error,
  host: delivery.host,
})

/** What may hold answers, and so is not for every key that may see deliveries. */
export const NEEDS_READING = 'It may hold answers: reading it needs the scope responses:read, too.'

const attemptWire = (attempt: Attempt, mayRead: boolean): unknown => ({
  n: attempt.n,
  at: attempt.at,
  duration_ms: attempt.durationMs,
  outcome: attempt.outcome,
  error_code: attempt.errorCode,
  error: attempt.error,
  exchanges: attempt.exchanges.map((exchange) => ({
    method: exchange.method,
    url: mayRead ? exchange.url : exchange.url.replace(/[?#].*$/s, ''),
    request_headers: exchange.requestHeaders,
    request_body: mayRead ? exchange.requestBody : null,
    status: exchange.status,
    response_headers: exchange.responseHeaders,
    response_body: mayRead ? exchange.responseBody : null,
    truncated: exchange.truncated,
    duration_ms: exchange.durationMs,
    error: exchange.error,
  })),
  logs: attempt.logs,
})

/** Every route of deliveries. */
export function deliveryRoutes(deps: Pick<HttpDeps, 'store' | 'engine'>): Route[] {
  const { store, engine } = deps
  return [
    {
      method: 'GET',
      path: '/api/v2/deliveries',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'List deliveries, newest first',
        description: SHORT_PAGES,
        query: listQuery,
        responses: { 200: { description: 'A page of deliveries', schema: pageOf(deliverySchema) } },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        const asked = { ...toPageQuery(query), ...filtersOf(call, query) }
        return json(call, toWirePage(await store.listDeliveries(call.principal.workspace, asked), deliveryWire))
      },
    },
    {
      method: 'GET',
      path: '/api/v2/deliveries/{id}',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'Read a delivery with every attempt',
        description:
          'Secrets are masked; bodies are cut at 64 KiB. Input, bodies and queries of URLs may hold answers: they are for keys with `responses:read`, too.',
        responses: { 200: { description: 'The delivery', schema: deliveryDetail } },
      },
      handler: async (call) => {
        const delivery = await find(deps, call)
        const mayRead = allows(call.principal, 'responses:read')
        const attempts = await store.listAttempts(delivery.workspace, delivery.id)
        return json(call, {
          ...deliveryWire(delivery),
          input: mayRead ? parsedOrText(delivery.input) : null,
          input_missing: mayRead ? null : NEEDS_READING,
          attempt_log: attempts.map((attempt) => attemptWire(attempt, mayRead)),
        })
      },
    },
    {
      method: 'POST',
      path: '/api/v2/deliveries/{id}/replay',
      access: 'deliveries:write',
      doc: {
        tag: 'Deliveries',
        summary: 'Send a delivery again',
        description: "It keeps its id, so a receiver can tell; the attempt uses today's configuration.",
        responses: { 202: { description: 'Due now', schema: deliverySchema } },
      },
      handler: async (call) => {
        const delivery = await find(deps, call)
        const { workspace, id, state } = delivery
        const { replayed } = await engine.replay({ workspace, deliveryIds: [id], states: ['dead', 'delivered'] })
        if (replayed === 0)
          throw new HubError(
            'conflict',
            state === 'pending' || state === 'retrying'
              ? 'It has not ended yet: it will be tried by itself.'
              : 'It cannot be replayed: its response was deleted.',
          )
        return json(call, deliveryWire(await find(deps, call)), { status: 202 })
      },
    },
  ]
}

async function find(deps: Pick<HttpDeps, 'store'>, call: KeyedCall): Promise<Delivery> {
  const delivery = await deps.store.getDelivery(call.principal.workspace, call.param('id'))
  if (delivery === undefined)
    throw new HubError('not_found', `There is no delivery "${call.param('id').slice(0, 100)}".`)
  return delivery
}

function parsedOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
