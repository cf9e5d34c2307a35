/** Templates filled in: as text, as HTML in which every answer is escaped, and as one line. */
import mustache from 'mustache'
import type { FieldInfo, HubEvent, Json, ResponseInfo } from 'manifold/plugin'

/** A template that cannot be read; `message` says where. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/** What templates may speak of: `data`, `answers`, `form`, `response`, `event`, `meta`. */
export type View = { readonly [name: string]: Json }

type Event = Pick<HubEvent, 'id' | 'type' | 'at' | 'data' | 'form' | 'response' | 'meta'>

export const viewOfEvent = (event: Event): View => ({
  data: event.data ?? {},
  answers: answersOf(event.form?.fields ?? [], event.data ?? {}),
  form: event.form === undefined ? null : { id: event.form.id, name: event.form.name },
  response:
    event.response === undefined
      ? null
      : { id: event.response.id, status: event.response.status, submitted_at: event.response.submittedAt },
  event: { id: event.id, type: event.type, at: event.at },
  meta: event.meta ?? {},
})

/** Of one response in a digest: questions by their keys. */
export const viewOfResponse = ({ id, formId, status, data, submittedAt }: ResponseInfo): View => ({
  data,
  answers: Object.entries(data).map(([key, value]) => ({ key, label: key, value })),
  form: { id: formId, name: formId },
  response: { id, status, submitted_at: submittedAt },
})

/** As it is, line ends and all. */
export const asText = (template: string, view: View, where: string): string =>
  fill(template, mapped(view, String), where)

/** Every value is escaped, whatever tag it stands in. */
export const asHtml = (template: string, view: View, where: string): string =>
  fill(template, mapped(view, escapeHtml), where)

const LINE_CHARS_MAX = 250

/** One line without control characters, for a header: no answer can begin another one (RFC 5322, 2.2). */
export function asLine(template: string, view: View, where: string): string {
  const line = asText(template, view, where)
    .replaceAll(/[\s\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  const chars = Array.from(line)
  return chars.length <= LINE_CHARS_MAX ? line : `${chars.slice(0, LINE_CHARS_MAX - 1).join('')}…`
}

/** A triple tag escapes nothing, and an object is a text in it too: whoever answers with one spoils no e-mail. */
class TextWriter extends mustache.Writer {
  override unescapedValue(token: string[], context: mustache.Context): string {
    return textOf(context.lookup(token[1] ?? ''))
  }
}
const writer = new TextWriter()

function fill(template: string, view: object, where: string): string {
  try {
    return writer.render(template, view, undefined, { escape: textOf })
  } catch (error) {
    throw new TemplateError(`${where}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char)

const answersOf = (fields: readonly FieldInfo[], data: { readonly [key: string]: Json }): readonly Json[] =>
  fields
    .filter(({ key }) => Object.hasOwn(data, key))
    .map(({ key, label, type }) => ({ key, label, type, value: data[key] as Json }))

/** Templates look names up with `in`: objects without a prototype have no names but their own. */
function mapped(value: Json, textIn: (text: string) => string): object {
  const map = (item: Json): unknown => {
    if (typeof item === 'string') return textIn(item)
    if (typeof item !== 'object' || item === null) return item
    if (Array.isArray(item)) return (item as readonly Json[]).map(map)
    const own = Object.create(null) as { [name: string]: unknown }
    for (const [name, inner] of Object.entries(item)) own[textIn(name)] = map(inner)
    return own
  }
  return map(value) as object
}

/** A list reads "a, b", an object as JSON, nothing as nothing. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
