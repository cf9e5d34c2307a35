/** What the check finds out, and that it posts nothing, at the double. */
import { expect, test } from 'vitest'
import type { HttpRequest, HttpResponse } from 'manifold/plugin'
import { check } from './check.ts'
import { startSlack } from './fake/slack.ts'
import type { FakeSlack } from './fake/slack.ts'

type Context = Parameters<typeof check>[0]

/** Sends over a real socket what the hub would; sealed values are texts here. */
async function http({ method = 'GET', url, headers = {}, json }: HttpRequest): Promise<HttpResponse> {
  const texts = Object.entries(headers).map(([name, value]) => [name, joined(value)] as [string, string])
  const body = json === undefined ? {} : { body: JSON.stringify(json) }
  const answer = await fetch(joined(url), { method, headers: texts, ...body })
  const text = await answer.text()
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: text,
    truncated: false,
    json: () => JSON.parse(text) as never,
  }
}
const joined = (value: unknown): string => (Array.isArray(value) ? value.map(joined).join('') : (value as string))

const found = async (slack: FakeSlack, settings: object) => {
  const findings = await check({ config: { apiUrl: slack.apiUrl, ...settings }, http } as unknown as Context)
  expect(slack.posted).toEqual([])
  return findings
}

test('a token: who it is, a scope it lacks, one that is not accepted', async () => {
  await using slack = await startSlack({ token: 'xoxb-1' })
  expect(await found(slack, { token: 'xoxb-1' })).toEqual([{ level: 'info', message: 'Posts as forms in Acme.' }])
  expect(await found(slack, { token: 'xoxb-2' })).toMatchObject([
    { level: 'error', at: '/token', message: expect.stringContaining('"invalid_auth"') },
  ])
  slack.become({ token: 'xoxb-1', scopes: 'users:read' })
  expect(await found(slack, { token: 'xoxb-1' })).toEqual([
    { level: 'error', message: 'The token lacks the scope chat:write; it has users:read.', at: '/token' },
  ])
})

test('the channel of a token: one that takes messages, one that is not there, one without the app, one by template', async () => {
  await using slack = await startSlack({ token: 'xoxb-1', channels: ['C1', 'C2'], outside: ['C2'] })
  const of = async (channel: string) => (await found(slack, { token: 'xoxb-1', channel })).slice(1)
  expect([await of('C1'), await of('{{data.channel}}')]).toEqual([[], []])
  for (const [channel, words] of [
    ['C9', /"channel_not_found".*id \(C…\).*\/invite.*another channel/],
    ['C2', /"not_in_channel".*\/invite @app/],
  ] as const)
    expect(await of(channel)).toMatchObject([{ level: 'error', at: '/channel', message: expect.stringMatching(words) }])
})

test('the channel of a token: whatever else Slack says of it is told, and one for replies alone takes replies', async () => {
  const refusing = {
    C1: 'restricted_action_thread_only_channel',
    C2: 'team_access_not_granted',
    C3: 'a_word_of_tomorrow',
  }
  await using slack = await startSlack({ token: 'xoxb-1', refusing })
  const of = async (channel: string, more: object = {}) =>
    (await found(slack, { token: 'xoxb-1', channel, ...more })).slice(1)
  for (const [channel, word] of Object.entries(refusing))
    expect(await of(channel)).toMatchObject([
      { level: 'error', at: '/channel', message: expect.stringContaining(`"${word}"`) },
    ])
  for (const threadTs of ['1700000000.000001', '{{data.thread}}']) expect(await of('C1', { threadTs })).toEqual([])
})

test('a webhook: one that answers, one that is gone', async () => {
  await using slack = await startSlack()
  expect(await found(slack, { webhookUrl: slack.webhookUrl })).toEqual([
    { level: 'info', message: 'The webhook answers.' },
  ])
  expect(await found(slack, { webhookUrl: `${slack.webhookUrl}Y` })).toMatchObject([
    { level: 'error', at: '/webhookUrl', message: expect.stringContaining('"no_service"') },
  ])
})

test('nothing to look at', async () => {
  await using slack = await startSlack()
  expect(await found(slack, {})).toMatchObject([{ level: 'error' }])
})
