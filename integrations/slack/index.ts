/**
 * Posts to Slack: a message for each response or a digest of them, by incoming webhook or with a bot token. Slack knows no
 * idempotency key, so what an attempt came to is read with care (`outcomes.ts`), and a message of unknown fate is posted
 * again or never, as the setting `delivery` says (`once.ts`).
 */
import { collectDigest, countForDigest, delivered, definePlugin } from 'manifold/plugin'
import { check } from './check.ts'
import { arm, postOnce } from './once.ts'
import { channelOf, paceBy, post } from './post.ts'
import type { Plugin } from './types.d.ts'
import { viewOf, viewOfEvent } from './view.ts'

/** Of a digest that waited while it was taken out of the settings. */
const TAKEN_OUT = { everyMinutes: 1 }

export default definePlugin<Plugin>({
  on: {
    'response.submitted': async (event, ctx) => {
      const { digest } = ctx.config
      if (digest !== undefined)
        return await countForDigest(event, ctx, { ...digest, responsesMax: digest.lines, nowMs: Date.now() })
      const channel = channelOf(ctx, viewOfEvent(event, ''))
      ctx.enqueue('post', { channel }, { key: event.id, paceBy: paceBy(channel) })
    },
  },
  actions: {
    post: {
      run: async ([item], ctx) => {
        if (item === undefined) return
        return ctx.config.delivery === 'at-most-once' ? arm(item, ctx) : (await post(item, ctx)).outcome
      },
    },
    'post-once': { run: async ([item], ctx) => (item === undefined ? undefined : await postOnce(item, ctx)) },
    collect: {
      run: async ([item], ctx) => {
        if (item === undefined) return
        const { everyMinutes } = ctx.config.digest ?? TAKEN_OUT
        const digest = await collectDigest(item.input, ctx, { everyMinutes, nowMs: Date.now() })
        if (digest === null) return delivered({ responses: 0 })
        const channel = channelOf(ctx, viewOf({}))
        ctx.enqueue('post', { channel, digest }, { key: `digest/${item.delivery.id}`, paceBy: paceBy(channel) })
        return delivered({ responses: digest.count })
      },
    },
  },
  check: async (ctx) => await check(ctx),
})
