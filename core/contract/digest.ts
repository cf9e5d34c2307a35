/**
 * One message for all responses of a while. Each response is counted with its place in the log, so exactly once; the ids of
 * the first are kept, not their answers, so that a response that is deleted is in no digest. The action "collect" ends the
 * while: what it remembers of how far it counted is written in the transaction that ends it.
 */
import type { Json } from './json.ts'

/** What a digest is about. */
export interface Digest {
  /** Responses that came. */
  readonly count: number
  /** Ids of the first of them. */
  readonly responses: readonly string[]
}

/** What digests use of a plugin's context. The plugin has an action "collect" and leaves these names in kv and tallies to them. */
interface DigestContext {
  enqueue(action: 'collect', input: Json, options: { key: string; delayMs: number }): void
  tally(name: string): void
  tallies(prefix: string): Promise<{ readonly [name: string]: number }>
  readonly kv: {
    get(key: string): Promise<Json | undefined>
    set(key: string, value: Json): void
    delete(key: string): void
    list(prefix: string): Promise<{ keys: string[] }>
  }
}

interface While {
  readonly everyMinutes: number
  /** Unix ms. */
  readonly nowMs: number
}

const MINUTE_MS = 60_000
const COUNTER = 'responses'
const TOLD = 'told'
const RESPONSES = 'line/'
/** What a run is given that looks once more after one that found nothing. */
const AGAIN = 'again'

/** In a handler: counts a response; the digest of this while is due at its end. `responsesMax`: ids to keep. */
export async function countForDigest(
  event: { readonly id: string; readonly response: { readonly id: string } },
  ctx: DigestContext,
  rule: While & { readonly responsesMax: number },
): Promise<void> {
  const { responsesMax } = rule
  ctx.tally(COUNTER)
  const { keys } = responsesMax === 0 ? { keys: [] } : await ctx.kv.list(RESPONSES)
  if (keys.length < responsesMax) ctx.kv.set(`${RESPONSES}${event.id}`, event.response.id)
  collectAtEnd(ctx, rule, null)
}

/** In the action "collect", with its input: what came since the last digest; null: nothing. What comes meanwhile is in the next. */
export async function collectDigest(input: Json, ctx: DigestContext, rule: While): Promise<Digest | null> {
  const total = (await ctx.tallies(COUNTER))[COUNTER] ?? 0
  const told = Number((await ctx.kv.get(TOLD)) ?? 0)
  if (total <= told) {
    // A response may have been counted while this waited, and be written down only now: it asked for this very run.
    if (input !== AGAIN) collectAtEnd(ctx, rule, AGAIN)
    return null
  }
  const { keys } = await ctx.kv.list(RESPONSES)
  const responses: string[] = []
  for (const key of keys) {
    const id = await ctx.kv.get(key)
    if (typeof id === 'string') responses.push(id)
    ctx.kv.delete(key)
  }
  ctx.kv.set(TOLD, total)
  // A response that was being counted while this ran may have asked for this very digest.
  collectAtEnd(ctx, rule, null)
  return { count: total - told, responses }
}

/** Once for each while, however many ask for it; `again` beside what they ask for. */
function collectAtEnd(ctx: DigestContext, { everyMinutes, nowMs }: While, input: typeof AGAIN | null): void {
  const everyMs = everyMinutes * MINUTE_MS
  const nth = Math.floor(nowMs / everyMs)
  const key = `${input ?? 'collect'}/${everyMinutes}/${nth}`
  ctx.enqueue('collect', input, { key, delayMs: (nth + 1) * everyMs - nowMs })
}
