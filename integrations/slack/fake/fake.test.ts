/** The double is honest: Slack's own clients get along with it, and meet the errors that they would meet at Slack. */
import { WebClient } from '@slack/web-api'
import type { WebAPICallResult } from '@slack/web-api'
import { IncomingWebhook } from '@slack/webhook'
import { describe, expect, test } from 'vitest'
import { startSlack } from './slack.ts'
import type { FakeSlack, SlackOptions } from './slack.ts'

const TOKEN = 'xoxb-of-the-test'
const FIELDS = {
  type: 'section',
  fields: [
    { type: 'mrkdwn', text: '*Name*' },
    { type: 'plain_text', text: 'Ada' },
  ],
}

const client = (slack: FakeSlack, token = TOKEN): WebClient =>
  new WebClient(token, {
    slackApiUrl: slack.apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    allowAbsoluteUrls: false,
  })

type Refused = {
  readonly code?: string
  readonly data?: WebAPICallResult & { error?: string }
  readonly retryAfter?: number
}
const refusedBy = async (call: Promise<unknown>): Promise<Refused> =>
  await call.then(
    () => ({ code: 'was taken' }),
    (error: unknown) => error as Refused,
  )
const start = (options: SlackOptions = {}) => startSlack({ token: TOKEN, ...options })

describe('the Web API, by @slack/web-api', () => {
  test('a message, its thread, its blocks; auth.test with the scopes', async () => {
    await using slack = await start()
    const web = client(slack)
    const first = await web.chat.postMessage({ channel: 'C1', text: 'Hello', blocks: [FIELDS] })
    expect(first).toMatchObject({ ok: true, channel: 'C1', ts: expect.stringMatching(/^\d+\.\d{6}$/) })
    await web.chat.postMessage({ channel: 'C1', text: 'And more', thread_ts: first.ts ?? '' })
    expect(slack.posted).toMatchObject([
      { channel: 'C1', text: 'Hello', blocks: [FIELDS], threadTs: null, via: 'api' },
      { channel: 'C1', text: 'And more', blocks: [], threadTs: first.ts },
    ])
    const who = await web.auth.test()
    expect([who.ok, who.team, who.response_metadata?.scopes]).toEqual([true, 'Acme', ['chat:write']])
  })

  test.each([
    ['another token', { token: 'xoxb-other' }, {}, 'invalid_auth'],
    ['no such channel', { channels: ['C2'] }, {}, 'channel_not_found'],
    ['no text', {}, { text: '' }, 'no_text'],
    ['51 blocks', {}, { blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) }, 'invalid_blocks'],
    [
      'a long section',
      {},
      { blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'x'.repeat(3_001) } }] },
      'invalid_blocks',
    ],
    [
      'a long header',
      {},
      { blocks: [{ type: 'header', text: { type: 'plain_text', text: 'x'.repeat(151) } }] },
      'invalid_blocks',
    ],
    [
      'more than 13,200 characters over all blocks',
      {},
      {
        blocks: Array.from({ length: 5 }, () => ({
          type: 'section',
          text: { type: 'mrkdwn', text: 'x'.repeat(2_900) },
        })),
      },
      'msg_blocks_too_long',
    ],
    ['a word it was told', { trouble: () => ({ kind: 'word', word: 'is_archived' }) }, {}, 'is_archived'],
  ] as const)('%s: 200 with ok false', async (_name, options, message, word) => {
    await using slack = await start(options as SlackOptions)
    const refused = await refusedBy(client(slack).chat.postMessage({ channel: 'C1', text: 'Hello', ...message }))
    expect([refused.code, refused.data?.error]).toEqual(['slack_webapi_platform_error', word])
    expect(slack.posted).toEqual([])
  })

  test('blocks that are wrong are explained', async () => {
    await using slack = await start()
    const refused = await refusedBy(
      client(slack).chat.postMessage({ channel: 'C1', text: 'x', blocks: [{ type: 'hologram' }] }),
    )
    expect(refused.data?.response_metadata?.messages).toEqual([
      '[ERROR] unsupported type: hologram [json-pointer:/blocks/0/type]',
    ])
  })

  test('who is too quick waits as long as Retry-After says', async () => {
    await using slack = await start({ perS: 0.1 })
    const web = client(slack)
    await web.chat.postMessage({ channel: 'C1', text: 'one' })
    const refused = await refusedBy(web.chat.postMessage({ channel: 'C1', text: 'two' }))
    expect([refused.code, refused.retryAfter]).toEqual(['slack_webapi_rate_limited_error', 10])
    await web.chat.postMessage({ channel: 'C2', text: 'another channel' })
    expect(slack.posted.map(({ text }) => text)).toEqual(['one', 'another channel'])
  })

  test('a connection that breaks: before the message was taken, and after', async () => {
    await using slack = await start({ trouble: () => ({ kind: 'reset-before' }) })
    const post = () => refusedBy(client(slack).chat.postMessage({ channel: 'C1', text: 'x' }))
    expect((await post()).code).toBe('slack_webapi_request_error')
    expect(slack.posted).toHaveLength(0)
    slack.become({ token: TOKEN, trouble: () => ({ kind: 'reset-after' }) })
    expect((await post()).code).toBe('slack_webapi_request_error')
    expect(slack.posted).toHaveLength(1)
    slack.become({ token: TOKEN, trouble: () => ({ kind: 'unsure', word: 'fatal_error' }) })
    expect((await post()).data?.error).toBe('fatal_error')
    expect(slack.posted).toHaveLength(2)
  })

  test('a message that was taken and never answered', async () => {
    await using slack = await start({ trouble: () => ({ kind: 'lost' }) })
    const web = new WebClient(TOKEN, { slackApiUrl: slack.apiUrl, retryConfig: { retries: 0 }, timeout: 200 })
    expect((await refusedBy(web.chat.postMessage({ channel: 'C1', text: 'x' }))).code).toBe(
      'slack_webapi_request_error',
    )
    expect(slack.posted).toHaveLength(1)
  })
})

describe('incoming webhooks, by @slack/webhook', () => {
  test('a message is answered with ok', async () => {
    await using slack = await start()
    const sent = await new IncomingWebhook(slack.webhookUrl).send({ text: 'Hello', blocks: [FIELDS] })
    expect(sent.text).toBe('ok')
    expect(slack.posted).toMatchObject([{ text: 'Hello', via: 'webhook', blocks: [FIELDS] }])
  })

  test.each([
    ['no_text', {}, 400],
    ['invalid_blocks', { text: 'x', blocks: [{ type: 'hologram' }] }, 400],
  ])('what is wrong is told as plain text: %s', async (word, message, status) => {
    await using slack = await start()
    const answer = await fetch(slack.webhookUrl, { method: 'POST', body: JSON.stringify(message) })
    expect([answer.status, await answer.text()]).toEqual([status, word])
    const refused = await refusedBy(new IncomingWebhook(slack.webhookUrl).send(message))
    expect(refused.code).toBe('slack_webhook_http_error')
  })

  test('one that was removed, and one that is too quick', async () => {
    await using slack = await start({ perS: 0.1 })
    const gone = await fetch(slack.webhookUrl.replace(/X+$/, 'other'), { method: 'POST', body: '{"text":"x"}' })
    expect([gone.status, await gone.text()]).toEqual([404, 'no_service'])
    const post = () => fetch(slack.webhookUrl, { method: 'POST', body: '{"text":"x"}' })
    expect((await post()).status).toBe(200)
    const second = await post()
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '10'])
  })
})
