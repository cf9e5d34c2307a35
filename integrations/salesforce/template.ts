/** Mustache over one event. Answers go in as they are: in JSON they are data, whatever they look like. */
import mustache from 'mustache'
import type { ActionItem, Json } from 'manifold/plugin'

/** Roots of names: `data`, `form`, `response`, `event`, `meta`, `delivery`. */
export type View = { readonly [root: string]: Json | undefined }

const ONE_TAG = /^\s*\{\{\{?&?\s*([\w$-]+(?:\.[\w$-]+)*)\s*\}?\}\}\s*$/

/** Both spellings of an event's parts are there: `submittedAt` as plugins know it, `submitted_at` as the API says. */
export function viewOf({ event, delivery }: ActionItem): View {
  const { data = {}, form, response } = event ?? {}
  return {
    data,
    form: form === undefined ? undefined : { id: form.id, name: form.name, version: form.version },
    response:
      response === undefined
        ? undefined
        : {
            id: response.id,
            status: response.status,
            started_at: response.startedAt,
            submitted_at: response.submittedAt,
          },
    event: event === undefined ? undefined : { id: event.id, type: event.type, at: event.at },
    meta: event?.meta,
    delivery: { id: delivery.id, created_at: delivery.createdAt },
  }
}

/** A template that is one tag is the value itself, with its type; everything else is text. Undefined: no answer. */
export function valueOf(template: string, view: View): Json | undefined {
  const path = ONE_TAG.exec(template)?.[1]
  if (path === undefined) return mustache.render(template, view, undefined, { escape: textOf })
  let value: unknown = view
  for (const name of path.split('.'))
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as View)[name] : undefined
  return value as Json | undefined
}

/** The same for every event. */
export const isConstant = (template: string): boolean => !template.includes('{{')

/** Why it cannot be rendered; null: it can. */
export function mistakeIn(template: string): string | null {
  if (ONE_TAG.test(template)) return null
  try {
    mustache.parse(template)
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** Lists read "a, b". */
export function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
