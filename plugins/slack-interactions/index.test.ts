/** Whom it believes, and what it makes of what they say. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { conformance, testPlugin } from 'manifold/plugin/testing'
import type { TestPlugin } from 'manifold/plugin/testing'

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5'
const NOW = '2026-01-01T00:00:00Z'
const open = () => testPlugin({ dir: import.meta.dirname, secrets: { signingSecret: SECRET }, now: NOW })

const CLICK = {
  type: 'block_actions',
  user: { id: 'U1', username: 'ada' },
  team: { id: 'T1' },
  channel: { id: 'C1', name: 'sales' },
  message: { ts: '1.2' },
  response_url: 'https://hooks.slack.com/actions/T1/1/xyz',
  actions: [{ action_id: 'approve', value: 'rsp_1' }],
}

/** As Slack sends it, `ageSeconds` ago. */
function signed(payload: unknown, { secret = SECRET, ageSeconds = 0 } = {}) {
  const body = new URLSearchParams({ payload: JSON.stringify(payload) }).toString()
  const timestamp = String(new Date(NOW).getTime() / 1000 - ageSeconds)
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`
  return { body, headers: { 'x-slack-request-timestamp': timestamp, 'x-slack-signature': signature } }
}
type Request = ReturnType<typeof signed>
const ask = async (plugin: TestPlugin, request: Partial<Request>) =>
  (await plugin.request('POST /interact', request)).status

test('a click becomes an event, without what would let others speak in Slack', async () => {
  await using plugin = await open()
  expect(await plugin.request('POST /interact', signed(CLICK))).toEqual({ status: 200 })
  await plugin.settle()
  expect(plugin.events()).toEqual([
    {
      name: 'approve',
      data: {
        type: 'block_actions',
        action: 'approve',
        value: 'rsp_1',
        user: { id: 'U1', name: 'ada' },
        team: 'T1',
        channel: { id: 'C1', name: 'sales' },
        message: '1.2',
        state: null,
      },
    },
  ])
})

test('dialogs and shortcuts have a name, too; what has none is taken and left', async () => {
  await using plugin = await open()
  const values = { topic: { input: { value: 'Sales' } } }
  await ask(
    plugin,
    signed({ type: 'view_submission', user: { id: 'U1' }, view: { callback_id: 'New Lead!', state: { values } } }),
  )
  await ask(plugin, signed({ type: 'shortcut', callback_id: 'open-form', user: { id: 'U1' } }))
  expect(await ask(plugin, signed({ type: 'block_suggestion' }))).toBe(200)
  await plugin.settle()
  expect(plugin.events().map(({ name }) => name)).toEqual(['new-lead-', 'open-form'])
  expect(plugin.events()[0]?.data).toMatchObject({ state: values })
})

test('nobody else is believed, and nothing old', async () => {
  await using plugin = await open()
  const good = signed(CLICK)
  const altered = (headers: object): Request => ({ ...good, headers: { ...good.headers, ...headers } })
  const wrong: Partial<Request>[] = [
    {},
    { body: good.body },
    signed(CLICK, { secret: 'another' }),
    { ...good, body: `${good.body} ` },
    altered({ 'x-slack-signature': good.headers['x-slack-signature'].slice(0, -1) }),
    altered({ 'x-slack-signature': `${good.headers['x-slack-signature']}0` }),
    altered({ 'x-slack-signature': good.headers['x-slack-signature'].replace('v0', 'v1') }),
    altered({ 'x-slack-request-timestamp': 'NaN' }),
    altered({ 'x-slack-request-timestamp': '' }),
    signed(CLICK, { ageSeconds: 301 }),
    signed(CLICK, { ageSeconds: -301 }),
  ]
  for (const request of wrong) expect([request, await ask(plugin, request)]).toEqual([request, 401])
  await plugin.settle()
  expect(plugin.events()).toEqual([])
  expect(await ask(plugin, signed(CLICK, { ageSeconds: 299 }))).toBe(200)
  await plugin.settle()
  expect(plugin.events()).toHaveLength(1)
})

test('the same request again, also many at once, is taken and does nothing', async () => {
  await using plugin = await open()
  const atOnce = await Promise.all(Array.from({ length: 4 }, () => ask(plugin, signed(CLICK))))
  expect([...atOnce, await ask(plugin, signed(CLICK))]).toEqual([200, 200, 200, 200, 200])
  await plugin.settle()
  expect(plugin.events()).toHaveLength(1)
})

test('conforms', async () => {
  await conformance(import.meta.dirname)
})
