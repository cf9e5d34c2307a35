/** The hot path: submissions as JSON, one or many. Nothing here is done twice, and nothing is parsed before it is measured. */
import { z } from '@hono/zod-openapi'
import type { IncomingMessage } from 'node:http'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { CompiledForm } from '../ingest/validate.ts'
import type { Incoming, Origin, Receipt, RowReceipt } from '../ingest/receive.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { AddressBook } from './address.ts'
import { JSON_TYPES, mediaType, NDJSON_TYPES, readBytes, readJson, requireType } from './body.ts'
import { batchAnswer } from './batch-answer.ts'
import type { HttpDeps } from './deps.ts'
import { noForm } from './forms.ts'
import { API_HEADERS, toProblem } from './problem.ts'
import { json } from './route.ts'
import type { Call, Route } from './route.ts'

const receiptSchema = z
  .object({
    id: z.string(),
    form_id: z.string(),
    status: z.enum(['partial', 'completed']),
    submitted_at: z.string().nullable(),
    event_id: z.string(),
  })
  .openapi('Receipt')

const submissionShape = {
  data: z.record(z.string(), z.unknown()).openapi({ description: 'Answers by field key.' }),
  status: z.enum(['partial', 'completed']).optional().openapi({
    description: '`partial` skips required fields; a later `completed` with the same `client_id` completes it.',
  }),
  client_id: z.string().max(200).nullable().optional().openapi({
    description:
      'Your own id of the response, unique per form: sending it again changes nothing, and other answers under the id of a completed response are refused. Ids of senders with and without a key are kept apart.',
  }),
  started_at: z.string().nullable().optional().openapi({
    format: 'date-time',
    description:
      'When it was begun. Without a key within the last 30 days: what is said to be earlier or later is brought there.',
  }),
  submitted_at: z.string().nullable().optional().openapi({
    format: 'date-time',
    description:
      'When it was answered, where that was elsewhere and before: for imports, with a key, of completed responses. Not in the future. Numbers count it then; lists, deliveries and the log go by when it was received.',
  }),
  meta: z.record(z.string(), z.unknown()).nullable().optional(),
}
const submissionSchema = z.object({ ...submissionShape, form_id: z.string().optional() }).openapi('Submission')
const submissionWithForm = z.object({ form_id: z.string(), ...submissionShape })

const batchSchema = batchAnswer('response', receiptSchema, ['stored', 'duplicates'])

const idempotencyHeader = z.object({
  'idempotency-key': z
    .string()
    .max(255)
    .optional()
    .openapi({ description: 'The same key with the same body stores once and answers the same, for 24 hours.' }),
})

const EXAMPLE = {
  data: { email: 'ada@example.com', topic: 'Sales', message: 'Hello' },
  meta: { source: 'pricing page' },
}
const SUBMIT_RESPONSES = {
  201: { description: 'Stored: on disk before this answer was sent', schema: receiptSchema },
  200: {
    description: 'A repeat (header `Idempotency-Replayed: true`), or the completion of a partial response',
    schema: receiptSchema,
  },
}

/** Headers prebuilt: these answers are the many. */
const ANSWER_HEADERS = { ...API_HEADERS, 'content-type': 'application/json' }

/** Every route that takes submissions as JSON. */
export function submitRoutes(deps: HttpDeps, addresses: AddressBook): Route[] {
  const { limits } = deps
  return [
    {
      method: 'POST',
      path: '/api/v2/forms/{id}/responses',
      access: 'submit',
      doc: {
        tag: 'Responses',
        summary: 'Submit a response',
        description: 'Public forms take it without a key, limited per address.',
        headers: idempotencyHeader,
        body: { schema: submissionSchema, example: EXAMPLE },
        responses: SUBMIT_RESPONSES,
      },
      handler: async (call) => {
        const compiled = await findForm(deps, call, call.param('id'))
        const { body, bytes } = await readJson(call.incoming, limits)
        return answer(call, await deps.receiver.receiveJson({ ...incomingOf(call, compiled, addresses), body, bytes }))
      },
    },
    {
      method: 'POST',
      path: '/api/v2/responses',
      access: 'submit',
      doc: {
        tag: 'Responses',
        summary: 'Submit a response, naming the form in the body',
        headers: idempotencyHeader,
        body: { schema: submissionWithForm, example: { form_id: 'contact', ...EXAMPLE } },
        responses: SUBMIT_RESPONSES,
      },
      handler: async (call) => {
        const { body, bytes } = await readJson(call.incoming, limits)
        const compiled = await findForm(deps, call, formIdOf(body))
        return answer(call, await deps.receiver.receiveJson({ ...incomingOf(call, compiled, addresses), body, bytes }))
      },
    },
    {
      method: 'POST',
      path: '/api/v2/forms/{id}/responses/batch',
      access: 'responses:write',
      doc: {
        tag: 'Responses',
        summary: 'Submit many responses',
        description: `NDJSON (\`application/x-ndjson\`) or a JSON array, at most ${limits.batchRowsMax} rows. Each row stands alone: a bad one is reported by its line and does not stop the others. With an Idempotency-Key, sending the batch again stores only what was missing.`,
        headers: idempotencyHeader,
        body: { schema: z.array(submissionSchema), example: [EXAMPLE], more: ['application/x-ndjson'] },
        responses: { 200: { description: 'What became of each row', schema: batchSchema } },
      },
      handler: async (call) => {
        const compiled = await findForm(deps, call, call.param('id'))
        const format = NDJSON_TYPES.test(mediaType(call.incoming)) ? 'ndjson' : 'array'
        if (format === 'array') requireType(call.incoming, JSON_TYPES)
        const bytes = await readBytes(call.incoming, limits.batchBodyBytesMax)
        const rows = await deps.receiver.receiveBatch({ ...incomingOf(call, compiled, addresses), bytes, format })
        return json(call, batchWire(rows, call.requestId))
      },
    },
  ]
}

/** The form in the caller's workspace (the default one for strangers), if the caller may submit to it. */
export async function findForm(deps: HttpDeps, call: Call, id: string): Promise<CompiledForm> {
  const workspace = call.principal?.workspace ?? DEFAULT_WORKSPACE
  const compiled = deps.forms.peek(workspace, id) ?? (await deps.forms.get(workspace, id))
  if (compiled === undefined) throw noForm(id)
  if (compiled.form.access === 'key' && call.principal === null) {
    throw new HubError(
      'unauthorized',
      'This form takes responses only with an API key that has the scope "responses:write".',
    )
  }
  return compiled
}

const TEXT_CHARS_MAX = 1_024

/** What ingest is told of the request. */
export function incomingOf(call: Call, compiled: CompiledForm, addresses: AddressBook): Incoming {
  const key = call.incoming.headers['idempotency-key']
  return {
    compiled,
    origin: originOf(call.incoming, addresses),
    headers: call.incoming.headers,
    idempotencyKey: key === undefined ? null : String(key),
    keyed: call.principal !== null,
  }
}

function originOf(incoming: IncomingMessage, addresses: AddressBook): Origin {
  const { 'user-agent': userAgent, referer } = incoming.headers
  return {
    ip: addresses.clientOf(incoming),
    userAgent: userAgent?.slice(0, TEXT_CHARS_MAX) ?? null,
    referrer: referer?.slice(0, TEXT_CHARS_MAX) ?? null,
  }
}

function formIdOf(body: Json): string {
  const id =
    typeof body === 'object' && body !== null && !Array.isArray(body)
      ? (body as { readonly [key: string]: Json })['form_id']
      : undefined
  if (typeof id === 'string') return id
  throw new HubError('invalid_response', 'Name the form.', {
    problems: [{ pointer: '/form_id', detail: 'is required: the id of the form' }],
  })
}

/** The receipt as JSON text. The ids the hub makes, states and times need no escaping. */
const receiptText = (receipt: Receipt): string =>
  `{"id":"${receipt.responseId}","form_id":${JSON.stringify(receipt.formId)},"status":"${receipt.status}","submitted_at":${
    receipt.submittedAt === null ? 'null' : `"${receipt.submittedAt}"`
  },"event_id":"${receipt.eventId}"}`

/** 201 for what was stored, 200 for a repeat or a completion. */
export function answer(call: Call, receipt: Receipt): Response {
  const headers: Record<string, string> = {
    ...ANSWER_HEADERS,
    'x-request-id': call.requestId,
    location: `/api/v2/responses/${receipt.responseId}`,
  }
  if (receipt.kind === 'duplicate') headers['idempotency-replayed'] = 'true'
  return new Response(receiptText(receipt), { status: receipt.kind === 'stored' ? 201 : 200, headers })
}

function batchWire(rows: readonly RowReceipt[], requestId: string): Record<string, unknown> {
  const count = { stored: 0, duplicates: 0, failed: 0 }
  const items = rows.map((row) => {
    if ('error' in row) {
      count.failed++
      return { line: row.line, status: row.error.status, error: toProblem(row.error, requestId) }
    }
    const replayed = row.receipt.kind === 'duplicate'
    count[replayed ? 'duplicates' : 'stored']++
    return {
      line: row.line,
      status: row.receipt.kind === 'stored' ? 201 : 200,
      replayed,
      response: JSON.parse(receiptText(row.receipt)) as unknown,
    }
  })
  return { items, ...count }
}
