/**
 * The Request URL of a Slack app: `https://<hub>/i/<installation>/interact`. A click on a button with the action_id `approve`
 * becomes the event `plugin.slack-interactions.approve`. Slack wants its answer within three seconds: this only checks the
 * signature and writes down what is to be passed on; whatever takes longer is for the plugins that subscribe to it.
 */
import { definePlugin } from 'manifold/plugin'
import type { Json } from 'manifold/plugin'
import { eventOf } from './interaction.ts'
import type { Plugin } from './types.d.ts'

const WINDOW_SECONDS = 300

export default definePlugin<Plugin>({
  routes: {
    'POST /interact': async ({ headers, body }, ctx) => {
      const timestamp = headers['x-slack-request-timestamp'] ?? ''
      const signature = headers['x-slack-signature'] ?? ''
      const ageSeconds = Math.abs(Date.now() / 1000 - Number(timestamp))
      // Written so that a time that is no number is refused, too.
      if (!/^\d+$/.test(timestamp) || !(ageSeconds <= WINDOW_SECONDS)) return { status: 401 }
      const hex = await ctx.hmac({ key: ctx.config.signingSecret, data: `v0:${timestamp}:${body}` })
      if (!isSame(signature, `v0=${hex}`)) return { status: 401 }

      const payload = new URLSearchParams(body).get('payload')
      if (payload === null) return { status: 400, body: 'There is no payload.' }
      const event = eventOf(JSON.parse(payload) as { [key: string]: Json })
      // Whoever has caught a signed request could send it again while its time is good, many at once: there is one delivery a key.
      if (event === null) ctx.log.info('an interaction of a kind that is not passed on')
      else ctx.enqueue('pass', event, { key: signature })
      // Empty: Slack closes the dialog, and leaves the message as it is.
      return { status: 200 }
    },
  },
  actions: {
    pass: {
      run: ([item], ctx) => {
        if (item !== undefined) ctx.emit(item.input.name, item.input.data)
      },
    },
  },
})

/** Takes as long for a wrong signature that begins right as for any other. */
function isSame(given: string, wanted: string): boolean {
  let difference = given.length ^ wanted.length
  for (let i = 0; i < wanted.length; i++) difference |= given.charCodeAt(i % (given.length || 1)) ^ wanted.charCodeAt(i)
  return difference === 0
}
