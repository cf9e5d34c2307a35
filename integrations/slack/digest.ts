/**
 * One message for all responses of a while. Each response is counted with its place in the log, so exactly once; the ids of
 * the first are kept, not their answers, so that a response that is deleted is in no digest. "collect" makes the digest and
 * remembers how far it counted in the transaction that ends it.
 */
import type { ContextOf, EventWith, Json } from 'manifold/plugin'
import { cut, SLACK_LIMITS } from './fit.ts'
import { mrkdwnText } from './message.ts'
import type { Message } from './message.ts'
import type { Plugin } from './types.d.ts'
import { viewOf, viewOfResponse } from './view.ts'

type Ctx = ContextOf<Plugin>
type Event = EventWith<'response.submitted', 'data' | 'form' | 'response' | 'meta'>

const MINUTE_MS = 60_000
const LINE_CHARS = 300
const COUNTER = 'responses'
const TOLD = 'told'
const LINES = 'line/'
/** What a run is given that looks once more after one that found nothing. */
const AGAIN = 'again'

/** Counts a response; the digest of this while is due at its end. */
export async function count(event: Event, ctx: Ctx, nowMs: number): Promise<void> {
  const { digest } = ctx.config
  if (digest === undefined) return
  ctx.tally(COUNTER)
  const { keys } = digest.lines === 0 ? { keys: [] } : await ctx.kv.list(LINES)
  if (keys.length < digest.lines) ctx.kv.set(`${LINES}${event.id}`, event.response.id)
  collectAtEnd(digest.everyMinutes, null, { ctx, nowMs })
}

/** Once for each while, however many ask for it; `again` beside what they ask for. */
function collectAtEnd(
  everyMinutes: number,
  input: typeof AGAIN | null,
  { ctx, nowMs }: { ctx: Ctx; nowMs: number },
): void {
  const everyMs = everyMinutes * MINUTE_MS
  const nth = Math.floor(nowMs / everyMs)
  const key = `${input ?? 'collect'}/${everyMinutes}/${nth}`
  ctx.enqueue('collect', input, { key, delayMs: (nth + 1) * everyMs - nowMs })
}

/** What came since the last digest, as a message to post; what comes meanwhile is in the next. */
export async function collect(
  input: Json,
  ctx: Ctx,
  nowMs: number,
): Promise<{ count: number; responses: string[] } | null> {
  const everyMinutes = ctx.config.digest?.everyMinutes ?? 1
  const total = (await ctx.tallies(COUNTER))[COUNTER] ?? 0
  const told = Number((await ctx.kv.get(TOLD)) ?? 0)
  if (total <= told) {
    // A response may have been counted while this waited, and be written down only now: it asked for this very run.
    if (input !== AGAIN) collectAtEnd(everyMinutes, AGAIN, { ctx, nowMs })
    return null
  }
  const { keys } = await ctx.kv.list(LINES)
  const responses: string[] = []
  for (const key of keys) {
    const id = await ctx.kv.get(key)
    if (typeof id === 'string') responses.push(id)
    ctx.kv.delete(key)
  }
  ctx.kv.set(TOLD, total)
  // A response that was being counted while this ran may have asked for this very digest.
  collectAtEnd(everyMinutes, null, { ctx, nowMs })
  return { count: total - told, responses }
}

/** The title, and a line for each of the first responses that are still there. */
export async function digestMessage(
  { count: counted, responses }: { readonly count: number; readonly responses: readonly string[] },
  ctx: Ctx,
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
