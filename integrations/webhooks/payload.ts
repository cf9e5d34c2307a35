/** What receivers get without a template, and what templates may speak of. Both in the wire's snake_case. */
import type { ActionItem, FieldInfo, HubEvent, Json } from 'manifold/plugin'
import type { View } from './template.ts'

/**
 * The default body. Of `response.*`:
 * `{"type":"response.submitted","timestamp":"2026-03-01T12:00:00.000Z","id":"dlv_…","data":{"event_id":"evt_…",
 * "form":{"id":"…","name":"…"},"response":{"id":"rsp_…","status":"completed","submitted_at":"…"},"answers":{…}}}`.
 * Of every other type `answers` is absent and `payload` holds what the event says. `timestamp` is the event's time, `id`
 * the delivery's id: the same on every retry and replay.
 */
export function defaultPayload({ event, delivery }: ActionItem): Json {
  if (event === undefined) return null
  const { form, response, data = {} } = event
  return {
    type: event.type,
    timestamp: event.at,
    id: delivery.id,
    data: {
      event_id: event.id,
      ...(form === undefined ? {} : { form: { id: form.id, name: form.name } }),
      ...(response === undefined ? {} : { response: responseOf(response) }),
      ...(response === undefined ? { payload: data } : { answers: data }),
    },
  }
}

/** Roots of template names: `data`, `answers`, `form`, `response`, `event`, `meta`, `delivery`. */
export function viewOf({ event, delivery }: ActionItem): View {
  const { data = {}, form, response } = event ?? {}
  return {
    data,
    get answers() {
      return answersOf(form?.fields ?? [], data)
    },
    form: form === undefined ? undefined : { id: form.id, name: form.name, version: form.version },
    response: response === undefined ? undefined : responseOf(response),
    event: event === undefined ? undefined : { id: event.id, type: event.type, at: event.at },
    meta: event?.meta,
    delivery: { id: delivery.id, attempt: delivery.attempt, created_at: delivery.createdAt },
  }
}

function responseOf(response: NonNullable<HubEvent['response']>): { readonly [key: string]: Json } {
  return {
    id: response.id,
    status: response.status,
    started_at: response.startedAt,
    submitted_at: response.submittedAt,
  }
}

/** The answers in the form's order with their questions, for `{{#answers}}{{label}}: {{value}}{{/answers}}`. */
function answersOf(fields: readonly FieldInfo[], data: { readonly [key: string]: Json }): readonly Json[] {
  return fields
    .filter(({ key }) => Object.hasOwn(data, key))
    .map(({ key, label, type }) => ({ key, label, type, value: data[key] as Json }))
}
