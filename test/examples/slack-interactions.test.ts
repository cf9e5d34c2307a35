/** A pipeline of plugins: Slack's signed request at the hub's door, an event, another plugin, the outside. And circles end. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { runCli } from '../cli/run-cli.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, sceneConfig } from '../support/scene.ts'
import { until } from '../support/wait.ts'

const PLUGINS = new URL('../fixtures/example-plugins', import.meta.url).pathname
const SECRET = 'the signing secret of the app'

interface Event {
  readonly id: string
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
const eventsOf = async (hub: Hub): Promise<readonly Event[]> =>
  (await hub.api<{ items: Event[] }>('GET', '/api/v2/events?limit=200')).body.items

/** As Slack's servers send it: no key of the hub, a form, a signature over the raw body. */
async function interact(
  hub: Hub,
  payload: object,
  { secret = SECRET, timestamp = String(Math.floor(Date.now() / 1000)) } = {},
): Promise<{ status: number; text: string }> {
  const body = `payload=${encodeURIComponent(JSON.stringify(payload)).replaceAll('%20', '+')}`
  const hex = createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')
  return await hub.api('POST', '/i/slack/interact', body, {
    key: null,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${hex}`,
    },
  })
}

test('a click in Slack becomes an event that another plugin passes on; a stranger gets nothing', async () => {
  await using receiver = await startReceiver()
  const installations = [
    { id: 'slack', use: 'slack-interactions', with: { signingSecret: SECRET } },
    { id: 'approvals', use: 'on-approve', with: { url: receiver.url } },
  ]
  await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [PLUGINS] }) })
  const click = {
    type: 'block_actions',
    user: { id: 'U1', name: 'ada' },
    actions: [{ action_id: 'approve', value: 'rsp_1 ü & +' }],
  }
  const stranger = await until('the plugin to be loaded', () => interact(hub, click, { secret: 'not the secret' }), {
    accept: ({ status }) => status !== 503,
  })
  expect(stranger).toMatchObject({ status: 401, text: '' })
  // The very same request many times at once, as one who has caught it would send it.
  const timestamp = String(Math.floor(Date.now() / 1000))
  const answers = await Promise.all(Array.from({ length: 8 }, () => interact(hub, click, { timestamp })))
  expect(answers.map(({ status, text }) => [status, text])).toEqual(answers.map(() => [200, '']))
  const [got] = await receiver.received(1)
  expect(got?.json()).toEqual({ who: { id: 'U1', name: 'ada' }, what: 'rsp_1 ü & +' })
  await settled(hub)
  const events = (await eventsOf(hub)).filter(({ type }) => type.startsWith('plugin.'))
  expect(events.map(({ type }) => type)).toEqual(['plugin.slack-interactions.approve'])
  expect(hub.stderr + JSON.stringify(await eventsOf(hub))).not.toContain(SECRET)
  const info = await runCli(hub.dataDir, ['plugin', 'info', `${PLUGINS}/on-approve`])
  expect(info.stdout).toContain('event plugin.slack-interactions.approve: data')
})

test('two plugins that answer each other stop after so many turns, and the log says why', async () => {
  const installations = [
    { id: 'ping', use: 'ping', retry: { schedule: [] } },
    { id: 'pong', use: 'pong', retry: { schedule: [] } },
  ]
  await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [PLUGINS] }) })
  expect((await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'a' } })).status).toBe(201)
  const dead = await until(
    'the circle to end',
    () => hub.api<{ items: Record<string, unknown>[] }>('GET', '/api/v2/dead-letters'),
    {
      accept: ({ body }) => body.items.length > 0,
    },
  )
  expect(dead.body.items).toEqual([expect.objectContaining({ error_code: 'hop_limit' })])
  await settled(hub)
  const said = (await eventsOf(hub)).filter(({ type }) => /^plugin\.(ping|pong)\.said$/.test(type))
  expect(said).toHaveLength(LIMITS.hopsMax)
})
