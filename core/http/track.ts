/** Where behaviour events come in: one or many, from servers with a key and from browsers without. */
import { z } from '@hono/zod-openapi'
import type { EventReceipt, EventRowReceipt } from '../ingest/events/collector.ts'
import { cutEvents } from '../ingest/events/event-rows.ts'
import { eventShape } from '../ingest/events/event-shape.ts'
import { DOORS } from '../ingest/events/families.ts'
import type { EventDoor } from '../ingest/events/families.ts'
import { HubError } from '../errors.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import { mediaType, NDJSON_TYPES, readBytes, requireType } from './body.ts'
import { bucketOf } from './address.ts'
import type { AddressBook } from './address.ts'
import { batchAnswer } from './batch-answer.ts'
import type { HttpDeps } from './deps.ts'
import { openRateLimit } from './rate-limit.ts'
import type { RateLimit } from './rate-limit.ts'
import { toProblem } from './problem.ts'
import { json, noContent } from './route.ts'
import type { Call, Route } from './route.ts'

const receiptSchema = z.object({ id: z.string(), type: z.string(), received_at: z.string() }).openapi('EventReceipt')

const familySchema = z
  .object({
    name: z.string(),
    version: z.number().int(),
    description: z.string(),
    needs: z.array(z.string()),
    properties: z.record(z.string(), z.record(z.string(), z.unknown())),
    required: z.array(z.string()),
    renamed: z.record(z.string(), z.string()),
    subject: z.string().optional(),
    action: z.string().optional(),
    measure: z.string().optional(),
  })
  .openapi('EventFamily')

const batchSchema = batchAnswer('event', receiptSchema, ['stored', 'duplicates', 'denied'])

const wireEvent = eventShape.openapi('BehaviourEvent')

const SUMMARIES: Readonly<Record<EventDoor, string>> = {
  track: 'Track behaviour events of any family',
  page: 'Track page views',
  conversion: 'Track conversions',
  custom: "Track events of the sender's own",
}
const EXAMPLES: Readonly<Record<EventDoor, unknown>> = {
  track: {
    type: 'click',
    event_id: 'c-1',
    anonymous_id: 'v-7',
    page: { path: '/pricing' },
    properties: { element: 'buy' },
  },
  page: { anonymous_id: 'v-7', page: { url: 'https://example.org/pricing?utm_source=news', title: 'Pricing' } },
  conversion: { name: 'order', user_id: 'u-1', value: 49.9, currency: 'EUR' },
  custom: { name: 'invoice downloaded', user_id: 'u-1', properties: { pages: 3 } },
}
/** What a beacon may send to another site without asking first. */
const EVENT_TYPES = /^(?:application\/(?:[\w.+-]+\+)?json|text\/plain)$/

interface Parts {
  readonly deps: HttpDeps
  readonly addresses: AddressBook
  readonly rate: RateLimit
}

/** The four doors, and what may come in by them. */
export function trackRoutes(deps: HttpDeps, addresses: AddressBook): Route[] {
  const { batchRowsMax, publicEventRowsMax, publicRatePerSecond: ratePerSecond, publicRateBurst: burst } = deps.limits
  const rate = deps.rateLimit ?? openRateLimit({ ratePerSecond, burst })
  const doors = (Object.keys(DOORS) as EventDoor[]).map((door): Route => ({
    method: 'POST',
    path: `/api/v2/events/${door}`,
    access: 'submit',
    doc: {
      tag: 'Events',
      summary: SUMMARIES[door],
      description: `One event, or many as {"events": […]}, an array or NDJSON: at most ${batchRowsMax}, each standing alone. With an API key that has the scope "responses:write"; without one, events about a public form are taken, at most ${publicEventRowsMax} a request, as many a second from an address as responses; any other is refused by itself ("invalid_event"). Without a key "user_id", "value", "currency", "context.organizer" and "context.event" are dropped, and an event that says nothing of consent has what the file says ("minimal" unless said).`,
      body: { schema: wireEvent, example: EXAMPLES[door], more: ['application/x-ndjson', 'text/plain'] },
      responses: {
        201: { description: 'Stored: on disk before this answer was sent', schema: receiptSchema },
        200: {
          description: 'A repeat (header `Idempotency-Replayed: true`), or what became of each of many',
          schema: batchSchema,
        },
        204: { description: 'Its consent is "denied": nothing was stored' },
      },
    },
    handler: (call) => take({ deps, addresses, rate }, call, door),
  }))
  return [...doors, familiesRoute(deps)]
}

const familiesRoute = ({ collector }: HttpDeps): Route => ({
  method: 'GET',
  path: '/api/v2/events/families',
  access: 'any-key',
  doc: {
    tag: 'Events',
    summary: 'Families of behaviour events',
    description: 'What each must say, and which of its properties become columns of their own.',
    responses: { 200: { description: 'By name', schema: z.object({ items: z.array(familySchema) }) } },
  },
  handler: (call) =>
    json(call, { items: Object.entries(collector.families()).map(([name, family]) => ({ name, ...family })) }),
})

async function take(parts: Parts, call: Call, door: EventDoor): Promise<Response> {
  const { deps, addresses } = parts
  const { limits } = deps
  const { incoming, principal } = call
  const keyed = principal !== null
  const isNdjson = NDJSON_TYPES.test(mediaType(incoming))
  if (!isNdjson) requireType(incoming, EVENT_TYPES)
  const bytes = await readBytes(incoming, keyed ? limits.batchBodyBytesMax : limits.bodyBytesMax)
  const { rows, isSingle } = cutEvents(bytes, isNdjson, limits)
  if (!keyed && rows.length > limits.publicEventRowsMax)
    throw new HubError(
      'body_too_large',
      `Without an API key a request may bring ${limits.publicEventRowsMax} events; send the rest in another one.`,
    )
  if (!keyed) await charge(parts, call, rows.length)
  const { headers } = incoming
  const ip = addresses.clientOf(incoming)
  const results = await deps.collector.collect({
    workspace: principal?.workspace ?? DEFAULT_WORKSPACE,
    door,
    origin: { ip: ip === 'unknown' ? null : ip, userAgent: headers['user-agent'] ?? null, headers, keyed },
    rows,
  })
  const [only] = results
  return isSingle && only !== undefined ? answerOne(call, only) : json(call, batchWire(results, call.requestId))
}

/** By event, apart from responses: what a page tells of its visitors keeps nobody behind the same address from sending a form. */
async function charge({ deps, addresses, rate }: Parts, { incoming }: Call, events: number): Promise<void> {
  const bucket = `events ${bucketOf(addresses.clientOf(incoming))}`
  const waitMs = await rate(bucket, deps.clock.monotonicMs(), Math.max(1, events))
  if (waitMs === 0) return
  const many = deps.limits.publicRatePerSecond
  const told = `This address may send ${many} events a second. Wait, or use an API key.`
  throw new HubError('rate_limited', told, { retryAfterMs: waitMs })
}

const receiptWire = ({ id, type, receivedAt }: EventReceipt): object => ({ id, type, received_at: receivedAt })

function answerOne(call: Call, result: EventRowReceipt): Response {
  if ('error' in result) throw result.error
  if ('denied' in result) return noContent(call)
  const isRepeat = result.receipt.kind === 'duplicate'
  return json(call, receiptWire(result.receipt), {
    status: isRepeat ? 200 : 201,
    ...(isRepeat ? { headers: { 'idempotency-replayed': 'true' } } : {}),
  })
}

function batchWire(results: readonly EventRowReceipt[], requestId: string): object {
  const counts = { stored: 0, duplicates: 0, denied: 0, failed: 0 }
  const items = results.map((result) => {
    const { line } = result
    if ('error' in result) {
      counts.failed += 1
      return { line, status: result.error.status, error: toProblem(result.error, requestId) }
    }
    if ('denied' in result) {
      counts.denied += 1
      return { line, status: 204 }
    }
    const replayed = result.receipt.kind === 'duplicate'
    counts[replayed ? 'duplicates' : 'stored'] += 1
    return { line, status: replayed ? 200 : 201, replayed, event: receiptWire(result.receipt) }
  })
  return { items, ...counts }
}
