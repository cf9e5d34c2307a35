/**
 * E-mail for each response: to addresses that the admin typed, to whoever answered, or a digest of a while. One delivery and
 * one message a recipient, so that an address that is refused is no reason to write to the others again; the `Message-ID` is
 * made of the delivery's id, so a repeat is the same message.
 */
import { classify, collectDigest, countForDigest, dead, definePlugin, delivered } from 'manifold/plugin'
import type { CapabilityError, ContextOf, EmailMessage, ItemOf, Outcome } from 'manifold/plugin'
import { digestText } from './digest.ts'
import { asHtml, asLine, asText, TemplateError, viewOfEvent } from './templates.ts'
import type { View } from './templates.ts'
import type { Plugin } from './types.d.ts'

type Ctx = ContextOf<Plugin>
type Item = ItemOf<Plugin, 'send'>

export default definePlugin<Plugin>({
  on: {
    'response.submitted': async (event, ctx) => {
      const { to, digest, respondent } = ctx.config
      if (digest !== undefined)
        await countForDigest(event, ctx, { ...digest, responsesMax: digest.lines, nowMs: Date.now() })
      else for (const each of to) ctx.enqueue('send', { to: each }, { key: `${event.id} ${each}` })
      if (respondent !== undefined) ctx.enqueue('send', { to: null }, { key: `${event.id} respondent` })
    },
  },
  actions: {
    send: { run: async ([item], ctx) => (item === undefined ? undefined : await send(item, ctx)) },
    collect: {
      run: async ([item], ctx) => {
        if (item === undefined) return
        const { everyMinutes } = ctx.config.digest ?? DIGEST
        const digest = await collectDigest(item.input, ctx, { everyMinutes, nowMs: Date.now() })
        if (digest === null) return delivered({ responses: 0 })
        for (const to of ctx.config.to) ctx.enqueue('send', { to, digest }, { key: `digest/${item.delivery.id} ${to}` })
        return delivered({ responses: digest.count })
      },
    },
  },
})

async function send(item: Item, ctx: Ctx): Promise<Outcome> {
  let message: EmailMessage | Outcome
  try {
    message = await messageOf(item, ctx)
  } catch (error) {
    if (error instanceof TemplateError) return dead('config_invalid', error.message)
    throw error
  }
  if ('outcome' in message) return message
  try {
    return classify(await ctx.email(message))
  } catch (error) {
    // Of what an e-mail is made of, only the answer of the respondent can be none that the hub takes.
    if (item.input.to === null && (error as Partial<CapabilityError>).code === 'capability_input')
      return dead('recipient_invalid', 'The answer with the address is none that e-mail can be sent to.')
    throw error
  }
}

/** The e-mail, or why there is none. */
async function messageOf({ input, event }: Item, ctx: Ctx): Promise<EmailMessage | Outcome> {
  const { to, digest } = input
  const { config } = ctx
  if (digest !== undefined && to !== null) {
    const { subject, line } = config.digest ?? DIGEST
    const text = await digestText(digest, line, ctx)
    return { to, subject: asLine(subject, { count: digest.count }, 'digest/subject'), text }
  }
  if (event === undefined) return dead('event_erased', 'The response was deleted.')
  const view = viewOfEvent(event)
  if (to !== null) return { to, ...written(config, view) }
  const { respondent } = config
  if (respondent === undefined) return delivered({ sent: false })
  const address = event.data[respondent.field]
  if (typeof address === 'string' && address !== '') return { to: address, ...written(respondent, view) }
  ctx.log.info(`no answer to "${respondent.field}" that this installation may see: nobody to write to`)
  return delivered({ sent: false })
}

interface Templates {
  readonly subject: string
  readonly text: string
  readonly html?: string
  readonly replyTo?: string
}

const written = ({ subject, text, html, replyTo }: Templates, view: View) => ({
  subject: asLine(subject, view, 'subject'),
  text: asText(text, view, 'text'),
  ...(html === undefined ? {} : { html: asHtml(html, view, 'html') }),
  ...(replyTo === undefined ? {} : { replyTo: asText(replyTo, view, 'replyTo').trim() }),
})

/** Of a digest that waited while it was taken out of the settings. */
const DIGEST = { everyMinutes: 1, subject: '{{count}} new responses', line: '{{#answers}}{{value}} {{/answers}}' }
