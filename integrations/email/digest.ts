/**
 * One e-mail for all responses of a while. Each response is counted with its place in the log, so exactly once; the ids of
 * the first are kept, not their answers, so that a response that is deleted is in no digest. "collect" makes the digest and
 * remembers how far it counted in the transaction that ends it.
 */
import type { ContextOf, Json } from 'manifold/plugin'
import { asLine, viewOfResponse } from './templates.ts'
import type { Plugin } from './types.d.ts'

type Ctx = ContextOf<Plugin>

/** What a digest is about. */
export interface Digest {
  readonly count: number
  readonly responses: readonly string[]
}

const MINUTE_MS = 60_000
const COUNTER = 'responses'
const TOLD = 'told'
const LINES = 'line/'
/** What a run is given that looks once more after one that found nothing. */
const AGAIN = 'again'

/** Counts a response; the digest of this while is due at its end. */
export async function count(event: { id: string; response: { id: string } }, ctx: Ctx, nowMs: number): Promise<void> {
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

/** What came since the last digest; null: nothing. What comes meanwhile is in the next. */
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

/** A line for each of the first responses that are still there. */
export async function digestText({ count: counted, responses }: Digest, line: string, ctx: Ctx): Promise<string> {
  const lines: string[] = []
  for (const id of responses) {
    const response = await ctx.responses.get(id)
    if (response !== undefined) lines.push(`* ${asLine(line, viewOfResponse(response), 'digest/line')}`)
  }
  if (counted > lines.length && lines.length > 0) lines.push(`… and ${counted - lines.length} more`)
  return `${[`${counted} new ${counted === 1 ? 'response' : 'responses'}.`, '', ...lines].join('\n')}\n`
}
