/** How a digest reads in Slack. */
import type { ContextOf, Digest, Json } from 'manifold/plugin'
import { cut, SLACK_LIMITS } from './fit.ts'
import { mrkdwnText } from './message.ts'
import type { Message } from './message.ts'
import type { Plugin } from './types.d.ts'
import { viewOf, viewOfResponse } from './view.ts'

const LINE_CHARS = 300

/** The title, and a line for each of the first responses that are still there. */
export async function digestMessage(
  { count: counted, responses }: Digest,
  ctx: Pick<ContextOf<Plugin>, 'config' | 'responses'>,
): Promise<Message> {
  const { title, line } = ctx.config.digest ?? DEFAULTS
  const lines = [mrkdwnText(title, viewOf({ count: counted }), 'digest/title').trim()]
  let shown = 0
  for (const id of responses) {
    const response = await ctx.responses.get(id)
    if (response === undefined) continue
    shown += 1
    const text = mrkdwnText(line, viewOfResponse(response), 'digest/line').replaceAll(/\s+/g, ' ').trim()
    lines.push(`• ${cut(text, LINE_CHARS)}`)
  }
  if (shown > 0 && counted > shown) lines.push(`… and ${counted - shown} more`)
  return { text: cut(lines.join('\n'), SLACK_LIMITS.textChars), losses: [] }
}

/** Of a digest that waited while it was taken out of the settings. */
const DEFAULTS = { title: '{{count}} new responses', line: '{{#answers}}{{value}} {{/answers}}' } satisfies Json
