/** One attempt to post a message, and what Slack made of it. */
import { dead, retry } from 'manifold/plugin'
import type { ContextOf, HttpRequest, ItemOf, Json } from 'manifold/plugin'
import { digestMessage } from './digest.ts'
import { messageOf, plainText, TemplateError } from './message.ts'
import type { Message } from './message.ts'
import { isElsewhere, judge, NO_WEBHOOK } from './outcomes.ts'
import type { Judged } from './outcomes.ts'
import type { Plugin } from './types.d.ts'
import { viewOf, viewOfEvent } from './view.ts'
import type { View } from './view.ts'

type Ctx = ContextOf<Plugin>
type Item = ItemOf<Plugin, 'post'>

/** The request had left, or may have: Slack may have posted the message. The last: its answer was too large. */
const AFTER_LEAVING: ReadonlySet<unknown> = new Set(['http_timeout', 'http_reset', 'http_protocol', 'capability_limit'])

/** Renders and posts. Throws what happens before anything leaves the hub; that is the hub's to judge. */
export async function post(item: Item, ctx: Ctx): Promise<Judged> {
  let request: HttpRequest
  try {
    const written = await writtenFor(item, ctx)
    if ('dead' in written) return { meaning: 'dead', outcome: dead(written.dead, written.message) }
    const { message, view } = written
    if (message.losses.length > 0) ctx.log.warn(`cut to Slack's limits: ${message.losses.join('; ')}`)
    // The channel of the settings is the one they name now: what waited for it to be mended goes there.
    const channel = hasOneChannel(ctx) ? channelOf(ctx, view) : item.input.channel
    request = requestOf(message, { channel, view, ctx })
  } catch (error) {
    if (error instanceof TemplateError) return { meaning: 'dead', outcome: dead('config_invalid', error.message) }
    throw error
  }
  try {
    const kind = ctx.config.token === undefined ? 'webhook' : 'api'
    return judge(await ctx.http(request), { kind, hasOneChannel: hasOneChannel(ctx) })
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    if (ctx.config.token === undefined && isElsewhere(error))
      return { meaning: 'dead', outcome: dead('config_invalid', NO_WEBHOOK, { disable: true }) }
    if (!AFTER_LEAVING.has(code)) throw error
    const reason = `No answer of Slack came (${message}) The message may have been posted.`
    return { meaning: 'unknown', outcome: retry(reason, { code: String(code) }) }
  }
}

type Written =
  | { readonly message: Message; readonly view: View }
  | { readonly dead: 'event_erased'; readonly message: string }

async function writtenFor({ input, event, delivery }: Item, ctx: Ctx): Promise<Written> {
  const { config } = ctx
  if (input.digest !== undefined) return { message: await digestMessage(input.digest, ctx), view: viewOf({}) }
  if (event === undefined) return { dead: 'event_erased', message: 'The event of this delivery is no longer there.' }
  const view = viewOfEvent(event, delivery.id)
  const { text } = config
  const blocks = config.blocks as readonly Json[] | undefined
  return { message: messageOf({ text, ...(blocks === undefined ? {} : { blocks }) }, view), view }
}

interface Destination {
  readonly channel: string | null
  readonly view: View
  readonly ctx: Ctx
}

function requestOf({ text, blocks }: Message, { channel, view, ctx }: Destination): HttpRequest {
  const { token, webhookUrl, apiUrl, threadTs, unfurl } = ctx.config
  const json = { text, ...(blocks === undefined ? {} : { blocks }), unfurl_links: unfurl, unfurl_media: unfurl }
  if (token === undefined) {
    if (webhookUrl === undefined) throw new TemplateError('webhookUrl or token: one of the two is needed')
    return { method: 'POST', url: webhookUrl, json }
  }
  if (channel === null || channel === '') throw new TemplateError('channel: the template came to nothing')
  const thread = threadTs === undefined ? '' : plainText(threadTs, view, 'threadTs')
  return {
    method: 'POST',
    url: new URL('chat.postMessage', apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`).href,
    headers: { authorization: ['Bearer ', token], 'content-type': 'application/json; charset=utf-8' },
    json: { channel, ...json, ...(thread === '' ? {} : { thread_ts: thread }) },
  }
}

/** Where a response's message goes; null: the webhook's own channel. */
export const channelOf = ({ config }: Ctx, view: View): string | null =>
  config.token === undefined || config.channel === undefined ? null : plainText(config.channel, view, 'channel')

/** A webhook has one; the setting names one, unless it is a template. */
const hasOneChannel = ({ config }: Ctx): boolean => config.token === undefined || !config.channel?.includes('{{')

/** Messages to one channel share a pace. */
export const paceBy = (channel: string | null): string => channel ?? 'webhook'
