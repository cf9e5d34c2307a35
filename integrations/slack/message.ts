/** The message: templates filled in, escaped where Slack reads markup, and cut to Slack's limits. */
import mustache from 'mustache'
import type { Json } from 'manifold/plugin'
import { cut, fitBlocks, SLACK_LIMITS } from './fit.ts'
import type { Markup, View } from './view.ts'

/** A template that cannot be read; `message` says where. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

/** What Slack is sent beside channel and thread. */
export interface Message {
  readonly text: string
  readonly blocks?: readonly Json[]
  /** What did not fit, for the log. */
  readonly losses: readonly string[]
}

const NESTING_MAX = 20
/** Slack refuses a message without any text. */
const NO_TEXT = 'New response'

/** `text` is the whole message, or beside `blocks` what notifications and screen readers get. */
export function messageOf(
  templates: { readonly text: string; readonly blocks?: readonly Json[] },
  view: View,
): Message {
  const whole = fill(templates.text, view, { where: 'text', markup: 'mrkdwn' }).trim()
  const text = cut(whole, SLACK_LIMITS.textChars) || NO_TEXT
  const loss = text.length < whole.length ? [`text: ${whole.length - text.length} characters`] : []
  if (templates.blocks === undefined) return { text, losses: loss }
  const filled = templates.blocks.map((block, at) => fillTree(block, view, { where: `blocks/${at}`, depth: 0 }))
  const { blocks, losses } = fitBlocks(filled)
  return { text, ...(blocks.length === 0 ? {} : { blocks }), losses: [...loss, ...losses] }
}

/** Text where Slack reads no markup: a channel, a timestamp. */
export const plainText = (template: string, view: View, where: string): string =>
  fill(template, view, { where, markup: 'plain' }).trim()

/** Text where Slack reads markup. */
export const mrkdwnText = (template: string, view: View, where: string): string =>
  fill(template, view, { where, markup: 'mrkdwn' })

/** A triple tag escapes nothing, and an object is a text in it too: whoever answers with one spoils no message. */
class TextWriter extends mustache.Writer {
  override unescapedValue(token: string[], context: mustache.Context): string {
    return textOf(context.lookup(token[1] ?? ''))
  }
}
const writer = new TextWriter()

function fill(template: string, view: View, { where, markup }: { where: string; markup: Markup }): string {
  if (!hasTag(template)) return template
  try {
    // The values are escaped, not what is inserted: no tag leads around it.
    return writer.render(template, view(markup), undefined, { escape: textOf })
  } catch (error) {
    throw new TemplateError(`${where}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const hasTag = (template: string): boolean => template.includes('{{')

/** Every string of the tree; markup is read in the text of `mrkdwn` and `markdown` objects and nowhere else. */
function fillTree(value: Json, view: View, { where, depth }: { where: string; depth: number }): Json {
  if (depth > NESTING_MAX) throw new TemplateError(`${where}: nested deeper than ${NESTING_MAX}`)
  if (typeof value === 'string') return fill(value, view, { where, markup: 'plain' })
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value))
    return (value as readonly Json[]).map((item, at) =>
      fillTree(item, view, { where: `${where}/${at}`, depth: depth + 1 }),
    )
  const { type, text } = value as { readonly type?: Json; readonly text?: Json }
  const markup: Markup = type === 'mrkdwn' || type === 'markdown' ? type : 'plain'
  const filled = Object.entries(value).map(([name, item]) => {
    const place = `${where}/${name}`
    if (name === 'text' && typeof item === 'string') return [name, fill(item, view, { where: place, markup })] as const
    return [name, fillTree(item, view, { where: place, depth: depth + 1 })] as const
  })
  // Otherwise Slack makes links and mentions of what only looks like an address or a name.
  const verbatim = markup === 'mrkdwn' && typeof text === 'string' && hasTag(text) ? { verbatim: true } : {}
  return { ...verbatim, ...Object.fromEntries(filled) }
}

/** A list reads "a, b", an object as JSON, nothing as nothing. */
function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (Array.isArray(value)) return value.map(textOf).join(', ')
  return typeof value === 'string' ? value : JSON.stringify(value)
}
