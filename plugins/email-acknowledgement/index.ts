/**
 * Thanks the sender by e-mail. The manifest asks for "@data.*": the hub lets it write to an answer of the very response that
 * is thanked for, to a field of type email, and to nobody else. The e-mail's Message-ID is made of the delivery's id.
 */
import { classify, dead, definePlugin, delivered } from 'manifold/plugin'
import mustache from 'mustache'
import type { Plugin } from './types.d.ts'

/** Mustache escapes for HTML; a subject and a text are none. */
const plain = (template: string, view: object): string => mustache.render(template, view, undefined, { escape: String })

export default definePlugin<Plugin>({
  actions: {
    thank: {
      run: async ([item], ctx) => {
        if (item?.event === undefined) return dead('event_erased', 'The response was deleted.')
        const { field, subject, text, html, replyTo } = ctx.config
        const to = item.event.data[field]
        if (typeof to !== 'string' || to === '') {
          ctx.log.info(`no answer to "${field}" that this installation may see: nobody to write to`)
          return delivered({ sent: false })
        }
        const answer = await ctx.email({
          to,
          // An answer may have line ends, a subject must not.
          subject: plain(subject, item.event).replaceAll(/\s+/g, ' ').trim(),
          text: plain(text, item.event),
          ...(html === undefined ? {} : { html: mustache.render(html, item.event) }),
          ...(replyTo === undefined ? {} : { replyTo }),
        })
        return classify(answer)
      },
    },
  },
})
