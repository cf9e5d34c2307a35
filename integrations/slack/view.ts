/** What templates may speak of, in the wire's snake_case: as it is, and escaped for the two markups that Slack reads. */
import { flatWords } from 'manifold/plugin'
import type { FieldInfo, HubEvent, Json, ResponseInfo } from 'manifold/plugin'

/** Values for templates, of own names only. */
export type Values = { readonly [name: string]: unknown }

/** How the text that a value goes into is read: `markdown` only by blocks of that type. */
export type Markup = 'plain' | 'mrkdwn' | 'markdown'

/** The values, escaped so that in this markup no answer makes a mention or a link. */
export type View = (markup: Markup) => Values

type Event = Pick<HubEvent, 'id' | 'type' | 'at' | 'data' | 'form' | 'response' | 'meta'>

/**
 * Of one response: `data`, `answers`, `form`, `response`, `event`, `meta`, `delivery`, and what hooks call `texts`, `labels`,
 * `choices` and `other_answers`.
 */
export const viewOfEvent = (event: Event, deliveryId: string): View =>
  viewOf({
    data: event.data ?? {},
    answers: answersOf(event.form?.fields ?? [], event.data ?? {}),
    ...flatWords(event),
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

/** Of any values; each markup is made once, and only where a template wants it. */
export function viewOf(values: { readonly [name: string]: Json }): View {
  const made = new Map<Markup, Values>()
  return (markup) => {
    const found = made.get(markup) ?? (mapped(values, ESCAPES[markup]) as Values)
    made.set(markup, found)
    return found
  }
}

/** Only these three; Slack shows every other entity as it is written (docs.slack.dev/messaging/formatting-message-text). */
const escapeMrkdwn = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** Markdown makes links and images of brackets too; a backslash before them takes that from them (CommonMark, 2.4). */
const escapeMarkdown = (text: string): string => escapeMrkdwn(text.replaceAll(/[\\[\]()!]/g, String.raw`\$&`))

const ESCAPES: Readonly<Record<Markup, (text: string) => string>> = {
  plain: String,
  mrkdwn: escapeMrkdwn,
  markdown: escapeMarkdown,
}

/** The answers in the form's order with their questions. */
const answersOf = (fields: readonly FieldInfo[], data: { readonly [key: string]: Json }): readonly Json[] =>
  fields
    .filter(({ key }) => Object.hasOwn(data, key))
    .map(({ key, label, type }) => ({ key, label, type, value: data[key] as Json }))

/**
 * Templates look names up with `in`: objects without a prototype have no names but their own. Names are escaped like values:
 * whoever answers with an object says what they are, and a tag for the object shows them.
 */
function mapped(value: Json, textOf: (text: string) => string): unknown {
  if (typeof value === 'string') return textOf(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => mapped(item, textOf))
  const own = Object.create(null) as { [name: string]: unknown }
  for (const [name, item] of Object.entries(value)) own[textOf(name)] = mapped(item, textOf)
  return own
}
