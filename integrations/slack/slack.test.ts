/** The connector in the real sandbox: what it posts and where, at what pace, in digests, and never twice when that is asked. */
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'
import type { Reply, SentRequest, TestPlugin, TestPluginOptions } from 'manifold/plugin/testing'

const TOKEN = 'xoxb-canary-of-the-test'
const WEBHOOK = 'https://hooks.slack.com/services/T0/B0/canary-of-the-webhook'
const POST = 'POST https://slack.com/api/chat.postMessage'
const NASTY = 'Tom & <!channel> <@U1> <https://evil.example|click>'
const FORMS = {
  contact: {
    name: 'Contact',
    fields: [
      { key: 'name', label: 'Name' },
      { key: 'topics', label: 'Topics', type: 'multi_select' as const, options: ['a', 'b'] },
      { key: 'to' },
      { key: 'plan', label: 'Plan', type: 'select' as const, options: [{ value: 'p1', label: 'Big & round' }] },
    ],
  },
}
const OK: Reply = { json: { ok: true, channel: 'C1', ts: '1.2' } }

const open = (config: object = {}, options: Partial<TestPluginOptions> = {}): Promise<TestPlugin> =>
  testPlugin({
    dir: import.meta.dirname,
    config: { channel: 'C1', ...config },
    secrets: { token: TOKEN },
    forms: FORMS,
    ...options,
  })
const openWebhook = (config: object = {}, webhookUrl = WEBHOOK): Promise<TestPlugin> =>
  testPlugin({ dir: import.meta.dirname, config: { ...config }, secrets: { webhookUrl }, forms: FORMS })
const bodies = (requests: readonly SentRequest[]) =>
  requests.map((request) => request.json() as Record<string, unknown>)
const states = (list: readonly { name: string; state: string }[]) => list.map(({ name, state }) => `${name} ${state}`)

test('templates have the words for people that hooks have, escaped like answers', async () => {
  const text = '{{labels.plan}}: {{texts.plan}}; {{texts.topics}}{{#choices.topics.b}}, with b{{/choices.topics.b}}'
  await using plugin = await open({ text })
  plugin.http.on(POST, OK)
  await plugin.submit('contact', { plan: 'p1', topics: ['a', 'b'] })
  await plugin.settle()
  expect(bodies(plugin.http.requests)).toMatchObject([{ text: 'Plan: Big &amp; round; a, b, with b' }])
})

test('with a token: one request to Slack alone, answers escaped, the fallback text always there', async () => {
  await using plugin = await open({
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: '{{data.name}}' } },
      {
        type: 'section',
        text: { type: 'mrkdwn', text: '*{{data.name}}* {{{data.name}}} <https://own.example|mine> {{data.topics}}' },
      },
    ],
    threadTs: '{{data.thread}}',
  })
  plugin.http.on(POST, OK)
  await plugin.submit('contact', { name: NASTY, topics: ['a', 'b'] })
  expect(states(await plugin.settle())).toEqual(['post delivered'])
  const escaped = 'Tom &amp; &lt;!channel&gt; &lt;@U1&gt; &lt;https://evil.example|click&gt;'
  expect(bodies(plugin.http.requests)).toEqual([
    {
      channel: 'C1',
      text: `New response to *Contact*\n*Name*: ${escaped}\n*Topics*: a, b`,
      blocks: [
        { type: 'header', text: { type: 'plain_text', text: NASTY } },
        {
          type: 'section',
          text: { type: 'mrkdwn', verbatim: true, text: `*${escaped}* ${escaped} <https://own.example|mine> a, b` },
        },
      ],
      unfurl_links: false,
      unfurl_media: false,
    },
  ])
  expect(plugin.http.requests[0]?.headers['authorization']).toBe(`Bearer ${TOKEN}`)
})

test('channel and thread come from templates; each channel has its own pace', async () => {
  await using plugin = await open({ channel: '{{data.to}}', threadTs: '17.{{data.name}}' })
  plugin.http.on(POST, OK)
  for (const [to, name] of [
    ['C1', '1'],
    ['C1', '2'],
    ['C2', '3'],
  ])
    await plugin.submit('contact', { to: to ?? '', name: name ?? '' })
  const posted = () =>
    bodies(plugin.http.requests).map(({ channel, thread_ts }) => `${String(channel)} ${String(thread_ts)}`)
  await plugin.settle()
  expect(posted()).toEqual(['C1 17.1', 'C2 17.3'])
  await plugin.advance('1s')
  expect(posted()).toEqual(['C1 17.1', 'C2 17.3', 'C1 17.2'])
})

test('a webhook: its secret URL, no channel; its words are understood', async () => {
  await using plugin = await openWebhook()
  plugin.http.on(`POST ${WEBHOOK}`, [
    { status: 400, body: 'invalid_blocks' },
    { status: 200, body: 'ok' },
  ])
  await plugin.submit('contact', { name: 'Ada' })
  const [dead] = await plugin.settle()
  expect(dead).toMatchObject({ state: 'dead', errorCode: 'slack_invalid_blocks' })
  await plugin.submit('contact', { name: 'Bob' })
  await plugin.advance('1s')
  expect(bodies(plugin.http.requests)[1]).toEqual({
    text: 'New response to *Contact*\n*Name*: Bob',
    unfurl_links: false,
    unfurl_media: false,
  })
})

test('ok false at 200 is no delivery; 429 waits as Slack asks', async () => {
  await using plugin = await open()
  plugin.http.on(POST, [
    { json: { ok: false, error: 'msg_too_long' } },
    { status: 429, headers: { 'retry-after': '30' }, json: { ok: false, error: 'ratelimited' } },
    OK,
  ])
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.submit('contact', { name: 'Bob' })
  await plugin.settle()
  const [ada, bob] = await plugin.advance('20s')
  expect([ada?.errorCode, ada?.state, bob?.state, bob?.errorCode]).toEqual([
    'slack_msg_too_long',
    'dead',
    'retrying',
    'slack_ratelimited',
  ])
  expect(plugin.http.requests).toHaveLength(2)
  expect((await plugin.advance('20s'))[1]?.state).toBe('delivered')
})

test('a credential that is not accepted: nothing is lost, and the installation says what to do', async () => {
  await using plugin = await open()
  plugin.http.on(POST, { json: { ok: false, error: 'token_revoked' } })
  await plugin.submit('contact', { name: 'Ada' })
  const [waiting] = await plugin.settle()
  expect(waiting?.state).not.toBe('dead')
  const outcomes = await plugin.run('post', [
    { input: { channel: 'C1' }, event: { type: 'response.submitted', data: { name: 'Ada' } } },
  ])
  expect(outcomes).toMatchObject([
    { outcome: 'unauthorized', message: expect.stringContaining('Slack answered "token_revoked". Put a valid token') },
  ])
})

test('a channel that the settings name and nobody may post to: what waited goes to the one that is named then', async () => {
  const refused = { json: { ok: false, error: 'is_archived' } }
  for (const delivery of ['at-least-once', 'at-most-once']) {
    await using plugin = await open({ delivery })
    plugin.http.on(POST, [refused, OK])
    await plugin.submit('contact', { name: 'Ada' })
    await plugin.settle()
    await plugin.advance('1h')
    expect((await plugin.deliveries()).map(({ state }) => state)).not.toContain('dead')
    expect(plugin.http.requests).toHaveLength(1)
    const named = { input: { channel: 'C-of-before' }, event: { type: 'response.submitted', data: {} } } as const
    const action = delivery === 'at-most-once' ? 'post-once' : 'post'
    expect(await plugin.run(action, [named])).toMatchObject([{ outcome: 'delivered' }])
    expect(bodies(plugin.http.requests).map(({ channel }) => channel)).toEqual(['C1', 'C1'])
  }
})

test('a channel that an answer names is the business of that answer', async () => {
  await using plugin = await open({ channel: '{{data.to}}' })
  plugin.http.on(POST, [{ json: { ok: false, error: 'channel_not_found' } }, OK])
  for (const to of ['C-gone', 'C2']) await plugin.submit('contact', { to })
  expect(states(await plugin.settle())).toEqual(['post dead', 'post delivered'])
  expect(bodies(plugin.http.requests).map(({ channel }) => channel)).toEqual(['C-gone', 'C2'])
})

test('at least once: what may have been posted is posted again', async () => {
  await using plugin = await open()
  plugin.http.on(POST, [
    { error: 'http_timeout' },
    { json: { ok: false, error: 'fatal_error' } },
    { status: 502, body: 'x' },
    OK,
  ])
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  expect(states(await plugin.advance('10m'))).toEqual(['post delivered'])
  expect(plugin.http.requests).toHaveLength(4)
})

const ONCE = { delivery: 'at-most-once' }

test.each<[string, Reply]>([
  ['no answer', { error: 'http_timeout' }],
  ['a reset', { error: 'http_reset' }],
  ['fatal_error', { json: { ok: false, error: 'fatal_error' } }],
  ['a gateway', { status: 504, body: 'upstream' }],
])(
  'at most once: after %s it is a dead letter that says so, and only a replay sends it again',
  async (_name, reply) => {
    await using plugin = await open(ONCE)
    plugin.http.on(POST, [reply, OK])
    await plugin.submit('contact', { name: 'Ada' })
    await plugin.settle()
    const ended = await plugin.advance('1h')
    expect(states(ended)).toEqual(['post delivered', 'post-once dead'])
    expect(ended[1]).toMatchObject({
      errorCode: 'fate_unknown',
      error: expect.stringContaining('may have been posted'),
    })
    expect(plugin.http.requests).toHaveLength(1)
  },
)

test('at most once: what was certainly not posted is tried again', async () => {
  await using plugin = await open(ONCE)
  plugin.http.on(POST, [
    { status: 429, headers: { 'retry-after': '3' }, body: '' },
    { error: 'http_connect' },
    { json: { ok: false, error: 'service_unavailable' } },
    OK,
  ])
  await plugin.submit('contact', { name: 'Ada' })
  await plugin.settle()
  const ended = await plugin.advance('1h')
  expect(states(ended)).toEqual(['post delivered', 'post-once delivered'])
  expect(plugin.http.requests).toHaveLength(4)
})

test('at most once: an attempt that this process knows nothing of is in doubt; asked for once more it is posted', async () => {
  await using plugin = await open(ONCE)
  plugin.http.on(POST, OK)
  const again = { input: { channel: 'C1', digest: { count: 3, responses: [] } } }
  const run = async () =>
    await plugin.run('post-once', [{ ...again, delivery: { id: 'dlv_1', attempt: 2, repeat: true } }])
  expect(await run()).toMatchObject([{ outcome: 'dead', code: 'fate_unknown' }])
  expect(plugin.http.requests).toHaveLength(0)
  expect(await run()).toMatchObject([{ outcome: 'delivered' }])
  expect((await plugin.deliveries()).map(({ name, key }) => `${name} ${key ?? ''}`)).toEqual(['post-once once:dlv_1:2'])
})

test('a digest: one message a while, with all that came, each once', async () => {
  await using plugin = await open(
    { digest: { everyMinutes: 10, lines: 2, title: '*{{count}}* answers', line: '{{data.name}} & co' } },
    { now: '2026-01-01T00:03:00Z' },
  )
  plugin.http.on(POST, OK)
  for (const name of ['<Ada>', 'Bob', 'Eve']) await plugin.submit('contact', { name })
  await plugin.advance('6m')
  expect(plugin.http.requests).toHaveLength(0)
  await plugin.advance('1m')
  await plugin.submit('contact', { name: 'Joe' })
  await plugin.advance('1h')
  await plugin.submit('contact', { name: 'Zoe' })
  await plugin.advance('10m')
  expect(bodies(plugin.http.requests).map(({ text }) => text)).toEqual([
    '*3* answers\n• &lt;Ada&gt; & co\n• Bob & co\n… and 1 more',
    '*1* answers\n• Joe & co',
    '*1* answers\n• Zoe & co',
  ])
  const days = (await plugin.deliveries()).filter(({ name }) => name === 'post')
  expect(states(days)).toEqual(['post delivered', 'post delivered', 'post delivered'])
})

test('a response that was deleted is in no digest', async () => {
  await using plugin = await open({ digest: { everyMinutes: 10 } })
  plugin.http.on(POST, OK)
  await plugin.submit('contact', { name: 'Ada' })
  const stored = JSON.stringify([await plugin.deliveries()])
  expect(stored).not.toContain('Ada')
})

test.each([
  [{ text: '{{#data.name}}' }, 'text: Unclosed section'],
  [{ blocks: [{ type: 'section', text: { type: 'mrkdwn', text: '{{' } }] }, 'blocks/0/text/text: Unclosed tag'],
  [{ channel: '{{data.to}}' }, 'channel: the template came to nothing'],
])('a template that does not work is a dead letter with its place: %j', async (config, words) => {
  await using plugin = await open(config)
  await plugin.submit('contact', { name: 'Ada' })
  expect((await plugin.settle())[0]).toMatchObject({
    state: 'dead',
    errorCode: 'config_invalid',
    error: expect.stringContaining(words),
  })
})

test('neither token nor webhook URL is anywhere but in the request', async () => {
  for (const [opened, secret] of [
    [open(), TOKEN],
    [openWebhook(), WEBHOOK],
    [open(ONCE), TOKEN],
  ] as const) {
    await using plugin = await opened
    plugin.http.on('* *', [
      { error: 'http_reset' },
      { status: 500, body: `no ${secret}` },
      { json: { ok: false, error: secret } },
      200,
    ])
    await plugin.submit('contact', { name: 'Ada' })
    await plugin.settle()
    const ended = await plugin.advance('1h')
    const seen = JSON.stringify([ended, plugin.exchanges(), plugin.logs(), await plugin.tallies()])
    expect(plugin.http.requests.length).toBeGreaterThan(0)
    expect(seen).not.toContain('canary')
  }
})

test('the check runs in the sandbox, without a message', async () => {
  await using plugin = await open()
  plugin.http.on('POST https://slack.com/api/auth.test', { json: { ok: false, error: 'account_inactive' } })
  expect(await plugin.check()).toMatchObject([{ level: 'error', at: '/token' }])
  expect(plugin.http.requests.map(({ url }) => url)).toEqual(['https://slack.com/api/auth.test'])
})

test('only one of webhook and token, and a token with a channel', async () => {
  await expect(testPlugin({ dir: import.meta.dirname, config: {} })).rejects.toThrow()
  await expect(testPlugin({ dir: import.meta.dirname, config: {}, secrets: { token: TOKEN } })).rejects.toThrow()
})

test.each(['https://hook.slack.com/services/T0/B0/x', 'hooks.slack.com/services/T0/B0/x'])(
  'a webhook that is none of Slack stops the installation, and a check says how it begins: %s',
  async (webhookUrl) => {
    await using plugin = await openWebhook({}, webhookUrl)
    const message = expect.stringContaining('it begins with https://hooks.slack.com/')
    expect(await plugin.check()).toMatchObject([{ level: 'error', at: '/webhookUrl', message }])
    const [first] = await plugin.run('post', [{ input: {}, event: { type: 'response.submitted', data: {} } }])
    expect(first).toMatchObject({ outcome: 'dead', code: 'config_invalid', message, disable: true })
    expect(plugin.http.requests).toEqual([])
  },
)
