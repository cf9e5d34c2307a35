/**
 * Never twice. The hub repeats an attempt that it does not know to be over, also after it was killed, so "post" does not
 * post here but enqueues "post-once" just before it is wanted: what was not enqueued yet was certainly not posted, and what
 * an earlier attempt may have posted ends as a dead letter. In doubt after a crash is all that was handed on and not over:
 * what was under way, what was next in its channel, and what waited for another try.
 */
import { dead, delivered } from 'manifold/plugin'
import type { ContextOf, ItemOf, Outcome } from 'manifold/plugin'
import { paceBy, post } from './post.ts'
import type { Plugin } from './types.d.ts'

type Ctx = ContextOf<Plugin>

const DAY_MS = 86_400_000
/** A dead letter that is replayed later than this is in doubt once more. */
const MARK_TTL_MS = 90 * DAY_MS

/** Hands the message over to an attempt of its own. A replay is another attempt, and so another message. */
export function arm({ input, delivery }: ItemOf<Plugin, 'post'>, ctx: Ctx): Outcome {
  ctx.enqueue('post-once', input, { key: `once:${delivery.id}:${delivery.attempt}`, paceBy: paceBy(input.channel) })
  return delivered({ handed_on: true })
}

/** Posts when it is certain that this message was not posted before. */
export async function postOnce(item: ItemOf<Plugin, 'post-once'>, ctx: Ctx): Promise<Outcome> {
  const { id, attempt, repeat } = item.delivery
  const mark = `ended/${id}`
  if ((await ctx.kv.get(mark)) !== undefined) {
    // It had ended, and somebody wants it again: by a replay, or since the credential was mended. As a delivery of its own,
    // so that nothing is posted while the mark stands.
    ctx.kv.delete(mark)
    return arm(item, ctx)
  }
  const end = (outcome: Outcome): Outcome => {
    ctx.kv.set(mark, attempt, { ttlMs: MARK_TTL_MS })
    return outcome
  }
  if (repeat) return end(dead('fate_unknown', IN_DOUBT))
  const { meaning, outcome } = await post(item, ctx)
  switch (meaning) {
    case 'posted':
    case 'busy':
      return outcome
    case 'unknown':
      return end(dead('fate_unknown', `${'reason' in outcome ? outcome.reason : ''} ${NOT_AGAIN}`))
    case 'refused':
    case 'dead':
      return end(outcome)
    default: {
      const never: never = meaning
      throw new Error(`Unknown meaning ${String(never)}`)
    }
  }
}

const NOT_AGAIN =
  'It is not posted again by itself ("delivery: at-most-once"): look into the channel, then replay it if it is missing.'
const IN_DOUBT = `An earlier attempt was cut off, or its end was lost: the message may have been posted. ${NOT_AGAIN}`
