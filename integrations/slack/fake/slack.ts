/**
 * Slack's double on a real port: `chat.postMessage`, `auth.test` and incoming webhooks, with the traps of the real one. It
 * answers 200 with `ok: false`, keeps to the limits of Block Kit, slows down who posts faster than its pace, and can be told
 * to break: before it takes a message, or after.
 *
 * Sources: docs.slack.dev/reference/methods/chat.postMessage, docs.slack.dev/reference/block-kit/blocks,
 * docs.slack.dev/apis/web-api/rate-limits, api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { problemOf } from './block-rules.ts'

/** A message that the double has taken: what a channel would show. */
export interface Posted {
  readonly channel: string
  readonly ts: string
  readonly text: string
  readonly blocks: readonly unknown[]
  readonly threadTs: string | null
  readonly via: 'api' | 'webhook'
}

/**
 * What goes wrong with a request. `word`: Slack refuses with it. `status`: a proxy's answer, in
 * its own words. `limit`: 429.
 * `reset-before`, `reset-after`: the connection breaks before or after the message was taken. `lost`: it was taken, and the
 * answer never comes. `unsure`: it was taken, and the answer is the word all the same.
 */
export type Trouble =
  | { readonly kind: 'word'; readonly word: string; readonly messages?: readonly string[] }
  | { readonly kind: 'unsure'; readonly word: string }
  | { readonly kind: 'status'; readonly status: number; readonly text?: string }
  | { readonly kind: 'limit'; readonly afterS: number }
  | { readonly kind: 'reset-before' | 'reset-after' | 'lost' }

export interface SlackOptions {
  /** Default: any that is free. */
  readonly port?: number
  readonly token?: string
  /** By id; others do not exist. Default: any. */
  readonly channels?: readonly string[]
  /** Where the app is no member. */
  readonly outside?: readonly string[]
  /** By id, the word that nobody's message gets past; `restricted_action_thread_only_channel` lets replies through. */
  readonly refusing?: Readonly<Record<string, string>>
  readonly scopes?: string
  /** Messages a second for each channel; null: as many as come. */
  readonly perS?: number | null
  /** Asked for each message that would be taken. */
  readonly trouble?: (body: Body) => Trouble | null
  /** Told of each message, before its answer leaves. */
  readonly onPosted?: (posted: Posted) => void
}

export interface FakeSlack extends AsyncDisposable {
  /** For `apiUrl`, and for `slackApiUrl` of the official client. */
  readonly apiUrl: string
  readonly webhookUrl: string
  readonly posted: readonly Posted[]
  /** Of every request, in order; with its credentials. */
  readonly requests: readonly { readonly path: string; readonly authorization: string; readonly body: string }[]
  /** From now on. */
  become(options: SlackOptions): void
}

type Body = { readonly [name: string]: unknown }

const BODY_BYTES_MAX = 1_000_000
const WEBHOOK = '/services/T00000000/B00000000/'
/** What a webhook's URL ends with when nobody says otherwise. */
const KEY = 'XXXXXXXXXXXXXXXXXXXXXXXX'
/** Of errors that a webhook has another status for than 400. */
const STATUSES: Readonly<Record<string, number>> = {
  action_prohibited: 403,
  invalid_token: 403,
  posting_to_general_channel_denied: 403,
  channel_not_found: 404,
  no_service: 404,
  no_service_id: 404,
  no_team: 404,
  no_active_hooks: 404,
  channel_is_archived: 410,
  rollup_error: 500,
}

/** `await using slack = await startSlack({ token: 'xoxb-1' })`. */
export async function startSlack(options: SlackOptions = {}): Promise<FakeSlack> {
  const slack = new Slack(options)
  const server = createServer((request, response) => {
    // Who gives up in the middle of a request is a test's business.
    slack.serve(request, response).catch(() => response.destroy())
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    apiUrl: `${url}/api/`,
    webhookUrl: `${url}${WEBHOOK}${KEY}`,
    posted: slack.posted,
    requests: slack.requests,
    become: (now) => slack.become(now),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((done) => void server.close(() => done()))
    },
  }
}

class Slack {
  readonly posted: Posted[] = []
  readonly requests: { path: string; authorization: string; body: string }[] = []
  #options: SlackOptions
  #last = new Map<string, number>()
  #sequence = 0

  constructor(options: SlackOptions) {
    this.#options = options
  }

  become(options: SlackOptions): void {
    this.#options = options
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await bodyOf(request)
    if (text === null) return void response.writeHead(413).end()
    const path = (request.url ?? '').split('?')[0] ?? ''
    const authorization = request.headers.authorization ?? ''
    this.requests.push({ path, authorization, body: text })
    const via = path.startsWith(WEBHOOK) ? 'webhook' : 'api'
    const answer = new Answer(request, response, via)
    const body = parsed(text, request.headers['content-type'] ?? '')
    if (via === 'webhook') return this.#webhook(path.slice(WEBHOOK.length), body, answer)
    const token = /^Bearer (.+)$/.exec(authorization)?.[1] ?? body?.['token']
    if (token === undefined) return answer.error('not_authed')
    if (this.#options.token !== undefined && token !== this.#options.token) return answer.error('invalid_auth')
    if (path === '/api/auth.test') return this.#authTest(answer)
    if (path !== '/api/chat.postMessage') return answer.error('unknown_method')
    return this.#post({ ...body }, 'api', answer)
  }

  #authTest(answer: Answer): void {
    const scopes = this.#options.scopes ?? 'chat:write'
    answer.ok({ url: 'https://acme.slack.com/', team: 'Acme', user: 'forms', team_id: 'T00000000' }, scopes)
  }

  #webhook(key: string, body: Body | null, answer: Answer): void {
    if (key !== KEY) return answer.error('no_service')
    if (body === null) return answer.error('invalid_payload')
    return this.#post({ ...body, channel: 'webhook' }, 'webhook', answer)
  }

  #post(body: Body, via: Posted['via'], answer: Answer): void {
    const channel = typeof body['channel'] === 'string' ? body['channel'] : ''
    const { channels, outside } = this.#options
    if (via === 'api' && (channel === '' || channels?.includes(channel) === false))
      return answer.error('channel_not_found')
    if (via === 'api' && outside?.includes(channel) === true) return answer.error('not_in_channel')
    const word = via === 'api' ? this.#options.refusing?.[channel] : undefined
    if (word !== undefined && (word !== THREAD_ONLY || body['thread_ts'] === undefined)) return answer.error(word)
    const problem = problemOf(body)
    if (problem !== null) return answer.error(problem.word, problem.messages)
    const waitS = this.#waitS(channel)
    if (waitS > 0) return answer.limited(waitS)
    const trouble = this.#options.trouble?.(body) ?? null
    switch (trouble?.kind) {
      case undefined:
        return answer.ok(this.#take(body, channel, via))
      case 'word':
        return answer.error(trouble.word, trouble.messages)
      case 'status':
        return answer.status(trouble.status, trouble.text)
      case 'limit':
        return answer.limited(trouble.afterS)
      case 'reset-before':
        return answer.reset()
      case 'unsure':
        this.#take(body, channel, via)
        return answer.error(trouble.word)
      case 'reset-after':
        this.#take(body, channel, via)
        return answer.reset()
      case 'lost':
        // Whoever waits for the answer waits until it gives up.
        return void this.#take(body, channel, via)
    }
  }

  /** Whole seconds until this channel may be posted to again. */
  #waitS(channel: string): number {
    const { perS = null } = this.#options
    if (perS === null) return 0
    const nowMs = performance.now()
    const waitMs = (this.#last.get(channel) ?? Number.NEGATIVE_INFINITY) + 1_000 / perS - nowMs
    if (waitMs > 0) return Math.ceil(waitMs / 1_000)
    this.#last.set(channel, nowMs)
    return 0
  }

  #take(body: Body, channel: string, via: Posted['via']): { channel: string; ts: string } {
    this.#sequence += 1
    const ts = `1700000000.${String(this.#sequence).padStart(6, '0')}`
    const posted: Posted = {
      channel,
      ts,
      text: typeof body['text'] === 'string' ? body['text'] : '',
      blocks: Array.isArray(body['blocks']) ? body['blocks'] : [],
      threadTs: typeof body['thread_ts'] === 'string' ? body['thread_ts'] : null,
      via,
    }
    this.posted.push(posted)
    this.#options.onPosted?.(posted)
    return { channel, ts }
  }
}

const THREAD_ONLY = 'restricted_action_thread_only_channel'

/** Answers as the Web API or as a webhook does: JSON at 200, or plain text with a status. */
class Answer {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #via: Posted['via']

  constructor(request: IncomingMessage, response: ServerResponse, via: Posted['via']) {
    this.#request = request
    this.#response = response
    this.#via = via
  }

  ok(fields: object, scopes = 'chat:write'): void {
    if (this.#via === 'webhook') return this.#text(200, 'ok')
    this.#json({ ok: true, ...fields }, { 'x-oauth-scopes': scopes })
  }

  error(word: string, messages: readonly string[] = []): void {
    if (this.#via === 'webhook') return this.#text(STATUSES[word] ?? 400, word)
    const metadata = messages.length === 0 ? {} : { response_metadata: { messages } }
    const scope = word === 'missing_scope' ? { needed: 'chat:write', provided: 'users:read' } : {}
    this.#json({ ok: false, error: word, ...scope, ...metadata })
  }

  limited(afterS: number): void {
    const headers = { 'retry-after': String(afterS) }
    if (this.#via === 'webhook') return void this.#response.writeHead(429, headers).end('rate_limited')
    const body = JSON.stringify({ ok: false, error: 'ratelimited' })
    this.#response.writeHead(429, { ...headers, 'content-type': 'application/json; charset=utf-8' }).end(body)
  }

  status(status: number, text = '<html>upstream</html>'): void {
    this.#text(status, text)
  }

  reset(): void {
    this.#request.socket.resetAndDestroy()
  }

  #json(body: object, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers })
    this.#response.end(JSON.stringify(body))
  }

  #text(status: number, text: string): void {
    this.#response.writeHead(status, { 'content-type': 'text/html' }).end(text)
  }
}

async function bodyOf(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** JSON, or a form whose `blocks` is JSON, as the official client sends it. */
function parsed(text: string, contentType: string): Body | null {
  try {
    if (!contentType.startsWith('application/x-www-form-urlencoded')) return JSON.parse(text) as Body
    const fields: Record<string, unknown> = Object.fromEntries(new URLSearchParams(text))
    if (typeof fields['blocks'] === 'string') fields['blocks'] = JSON.parse(fields['blocks'])
    return fields
  } catch {
    return null
  }
}
