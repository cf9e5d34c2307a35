/** What templates may speak of, in the wire's snake_case: as it is, and escaped for Slack's mrkdwn. */
import type { FieldInfo, HubEvent, Json, ResponseInfo } from 'manifold/plugin'

/** Values for templates, of own names only. */
export type Values = { readonly [name: string]: unknown }

/** The same values twice: for plain text, and for mrkdwn, where no answer can make a mention or a link. */
export interface View {
  readonly plain: Values
  readonly mrkdwn: Values
}

type Event = Pick<HubEvent, 'id' | 'type' | 'at' | 'data' | 'form' | 'response' | 'meta'>

/** Of one response: `data`, `answers`, `form`, `response`, `event`, `meta`, `delivery`. */
export const viewOfEvent = (event: Event, deliveryId: string): View =>
  viewOf({
    data: event.data ?? {},
    answers: answersOf(event.form?.fields ?? [], event.data ?? {}),
    form: event.form === undefined ? null : { id: event.form.id, name: event.form.name },
    response:
      event.response === undefined
        ? null
        : { id: event.response.id, status: event.response.status, submitted_at: event.response.submittedAt },
    event: { id: event.id, type: event.type, at: event.at },
    meta: event.meta ?? {},
    delivery: { id: deliveryId },
  })

/** Of one response in a digest: `data`, `answers`, `response`, `form` (its id). */
export const viewOfResponse = ({ id, formId, status, data, submittedAt }: ResponseInfo): View =>
  viewOf({
    data,
    answers: Object.entries(data).map(([key, value]) => ({ key, label: key, value })),
    form: { id: formId, name: formId },
    response: { id, status, submitted_at: submittedAt },
  })

/** Of any values. */
export const viewOf = (values: { readonly [name: string]: Json }): View => ({
  plain: mapped(values, String) as Values,
  mrkdwn: mapped(values, escapeMrkdwn) as Values,
})

/** Only these three; Slack shows every other entity as it is written (docs.slack.dev/messaging/formatting-message-text). */
export const escapeMrkdwn = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The answers in the form's order with their questions. */
const answersOf = (fields: readonly FieldInfo[], data: { readonly [key: string]: Json }): readonly Json[] =>
  fields
    .filter(({ key }) => Object.hasOwn(data, key))
    .map(({ key, label, type }) => ({ key, label, type, value: data[key] as Json }))

/** Templates look names up with `in`: objects without a prototype have no names but their own. */
function mapped(value: Json, textOf: (text: string) => string): unknown {
  if (typeof value === 'string') return textOf(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => mapped(item, textOf))
  const own = Object.create(null) as { [name: string]: unknown }
  for (const [name, item] of Object.entries(value)) own[name] = mapped(item, textOf)
  return own
}
