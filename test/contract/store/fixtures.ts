/** Rows to put into a store under test, each a valid one with what the test cares about changed. */
import { newId } from '../../../core/ids.ts'
import type { FormDefinition, NewDelivery, NewEvent } from '../../../core/model.ts'
import type { DiscardTrace } from '../../../core/storage/discard-trace.ts'
import type { Effects, FinishedAttempt, Store, Submission } from '../../../core/storage/store.ts'

export const AT = '2026-03-01T10:00:00.000Z'
export const AT_MS = Date.parse(AT)

/** A time some milliseconds after `AT`, as text. */
export const later = (ms: number): string => new Date(AT_MS + ms).toISOString()

export const NO_EFFECTS: Effects = { deliveries: [], kv: [], events: [], tallies: [] }

export const definition = (changes: Partial<FormDefinition> = {}): FormDefinition => ({
  name: 'Contact',
  fields: [{ key: 'email', label: 'E-mail', type: 'email', required: true, pii: true, options: [] }],
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: '_gotcha',
  ...changes,
})

export const submission = (changes: Partial<Submission> = {}): Submission => ({
  workspace: 'default',
  responseId: newId('response'),
  formId: 'contact',
  formVersion: 1,
  status: 'completed',
  data: '{"email":"ada@example.com"}',
  meta: '{"ip":"192.0.2.1"}',
  clientId: null,
  startedAt: null,
  at: AT,
  eventId: newId('event'),
  idempotency: null,
  ...changes,
})

export const event = (changes: Partial<NewEvent> = {}): NewEvent => ({
  id: newId('event'),
  type: 'track.page',
  at: AT,
  formId: null,
  responseId: null,
  hops: 0,
  data: '{"path":"/"}',
  ...changes,
})

export const delivery = (changes: Partial<NewDelivery> = {}): NewDelivery => {
  const id = changes.id ?? newId('delivery')
  return {
    id,
    kind: 'action',
    name: 'post',
    key: id,
    eventSeq: null,
    eventId: null,
    formId: null,
    responseId: null,
    orderKey: null,
    input: '{"text":"hello"}',
    dueAtMs: AT_MS,
    ...changes,
  }
}

export const finished = (changes: Partial<FinishedAttempt> & { readonly deliveryId: string }): FinishedAttempt => ({
  workspace: 'default',
  installation: 'crm',
  plugin: 'webhooks',
  state: 'delivered',
  scheduleStep: 1,
  dueAtMs: AT_MS,
  reason: null,
  errorCode: null,
  error: null,
  host: 'crm.example',
  attempt: {
    at: AT,
    durationMs: 12,
    outcome: 'delivered',
    errorCode: null,
    error: null,
    exchanges: [
      {
        method: 'POST',
        url: 'https://crm.example/hooks',
        requestHeaders: { 'content-type': 'application/json' },
        requestBody: '{"text":"hello"}',
        status: 200,
        responseHeaders: { server: 'test' },
        responseBody: 'ok',
        truncated: false,
        durationMs: 11,
        error: null,
      },
    ],
    logs: [{ level: 'info', message: 'sent', fields: { n: 1 } }],
  },
  effects: NO_EFFECTS,
  ...changes,
})

/** An attempt that came to a dead letter. */
export const died = (deliveryId: string, changes: Partial<FinishedAttempt> = {}): FinishedAttempt => {
  const base = finished({
    deliveryId,
    state: 'dead',
    reason: 'receiver_failed',
    errorCode: 'http_500',
    error: 'It answered 500.',
  })
  return {
    ...base,
    attempt: { ...base.attempt, outcome: 'dead', errorCode: 'http_500', error: 'It answered 500.' },
    ...changes,
  }
}

/** An attempt that is to be repeated at a time. */
export const retried = (deliveryId: string, changes: Partial<FinishedAttempt> = {}): FinishedAttempt => {
  const base = finished({
    deliveryId,
    state: 'retrying',
    errorCode: 'http_503',
    error: 'It answered 503.',
    dueAtMs: AT_MS + 5_000,
  })
  return {
    ...base,
    attempt: { ...base.attempt, outcome: 'retry', errorCode: 'http_503', error: 'It answered 503.' },
    ...changes,
  }
}

/** The event of a deletion. */
export const gone = (responseId: string) =>
  event({ type: 'response.deleted', responseId, at: later(50), data: '{"why":"asked"}' })

/** All that can be read of a workspace, and the attempts of these deliveries. */
export const everything = async (store: Store, workspace: string, ids: readonly string[]) =>
  JSON.stringify([
    await store.readEvents({ workspace, afterSeq: 0, limit: 1_000 }),
    await store.listResponses(workspace, { limit: 100 }),
    await store.listDeliveries(workspace, { limit: 100 }),
    (await store.syncInstallations([])).filter((row) => row.workspace === workspace),
    await Promise.all(ids.map((id) => store.listAttempts(workspace, id))),
  ])

/** What is to be left of deliveries that are discarded. */
export const discardTrace = (id: string = newId('event')): DiscardTrace => ({
  eventId: id,
  at: later(500),
  data: { by: { name: 'ops' } },
})
