/**
 * Sends each event to a URL of the admin's: rendered by a template or in the default shape, signed, retried by the hub.
 *
 * Every request carries `Idempotency-Key` and `webhook-id`, both the delivery's id: the same on every retry and replay,
 * so a receiver that remembers it handles each event once.
 */
import { dead, definePlugin, send } from 'manifold/plugin'
import type { ContextOf, ItemOf, Outcome, Sealable } from 'manifold/plugin'
import { defaultPayload, viewOf } from './payload.ts'
import { isSigned, liveSecrets, signatureHeaders } from './sign.ts'
import { compileTemplate, TemplateError } from './template.ts'
import type { Config, Plugin } from './types.d.ts'

type Item = ItemOf<Plugin, 'send'>

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i

export default definePlugin<Plugin>({
  on: {
    // The other types are enqueued by plugin.json. Its own dead letters would only make new ones.
    'delivery.dead': (event, ctx) => {
      if (event.data['installation'] !== ctx.run.installation) ctx.enqueue('send', null)
    },
  },
  actions: {
    send: { run: ([item], ctx) => (item === undefined ? undefined : deliver(item, ctx)) },
  },
})

function deliver(item: Item, ctx: ContextOf<Plugin>): Outcome {
  const { config } = ctx
  if (item.event === undefined) return dead('event_erased', 'The event of this delivery is no longer there.')
  const nowMs = Date.now()
  const secrets = liveSecrets(config, nowMs)
  if (secrets.length === 0 && isSigned(config)) {
    return dead('config_invalid', 'secrets: the time of every secret is over; nothing can be signed.')
  }
  let message: { readonly headers: Headers; readonly body: string }
  try {
    const writer = writerOf(config)
    message = { headers: writer.headers, body: writer.body(item) }
  } catch (error) {
    if (error instanceof TemplateError) return dead('config_invalid', error.message)
    throw error
  }
  const { id } = item.delivery
  const headers = { ...message.headers, 'idempotency-key': id, 'webhook-id': id }
  if (secrets.length > 0) Object.assign(headers, signatureHeaders(config, { id, nowMs, secrets }))
  const request = { method: config.method, url: config.url, headers, body: message.body }
  return send(request, { permanent4xx: config.permanent4xx })
}

type Headers = { readonly [name: string]: Sealable }

/** What an installation's config comes to. */
interface Writer {
  /** Those that are the same for every attempt. */
  readonly headers: Headers
  readonly body: (item: Item) => string
}

let writer: Writer | undefined
let writerConfig: Config | undefined

/** Compiled at the first attempt; an isolate serves one installation, whose config never changes while it lives. */
function writerOf(config: Config): Writer {
  if (writer === undefined || writerConfig !== config) {
    writer = { headers: ownHeaders(config), body: bodyWriter(config) }
    writerConfig = config
  }
  return writer
}

/** The admin's headers; what says who sent it and what it is cannot be changed by them. */
function ownHeaders(config: Config): Headers {
  const headers: { [name: string]: Sealable } = { 'content-type': config.contentType }
  const signature = config.signatureHeader.toLowerCase()
  const kept = (name: string): boolean =>
    !/^(?:content-type|idempotency-key|webhook-.*)$/.test(name) && name !== signature
  for (const own of [config.headers ?? {}, config.secretHeaders ?? {}]) {
    for (const name of Object.keys(own)) if (kept(name.toLowerCase())) headers[name] = own[name] as Sealable
  }
  return headers
}

function bodyWriter(config: Config): (item: Item) => string {
  const { template } = config
  if (template === undefined) return (item) => JSON.stringify(defaultPayload(item))
  const render = compileTemplate(template, { json: JSON_TYPE.test(config.contentType) })
  return (item) => render(viewOf(item))
}
