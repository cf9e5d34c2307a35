/** Strangers at an open route: what they send may end its own run, and nothing else of the installation. */
import { expect, test } from 'vitest'
import { HELLO, writePlugin } from '../registry/plugin-folder.ts'
import { settled, startHub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const MANIFEST = { ...HELLO, id: 'door', routes: { 'POST /in': { body: 'text' } } }
const CODE = `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin({
  on: { 'response.submitted': (event, ctx) => ctx.enqueue('post', { id: event.id }) },
  actions: { post: { run: async (items, ctx) => void (await ctx.http({ method: 'POST', url: ctx.config.url, body: 'once' })) } },
  routes: {
    'POST /in': ({ body }) => {
      if (body === 'loop') for (;;);
      if (body === 'fill') for (const all = []; ; ) all.push(new Array(100_000).fill(body + all.length))
      return { status: 200, body: 'honest' }
    },
  },
})
`

/** What a stranger may send. */
const SENT = ['loop', 'fill', 'loop'] as const

test('a route that strangers loop or fill cuts off no action, takes no points, and goes on answering', async () => {
  await using temp = await tempDir('strangers')
  const root = temp.file('plugins')
  await writePlugin(root, 'door', { manifest: MANIFEST, code: CODE })
  const answered = Promise.withResolvers<object>()
  await using receiver = await startReceiver(() => answered.promise)
  const installations = [{ id: 'door', use: 'door', with: { url: receiver.url } }]
  await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [root] }) })
  const ask = (body: string) =>
    hub.api('POST', '/i/door/in', body, { key: null, headers: { 'content-type': 'text/plain' } })
  const first = await until('the plugin to be loaded', () => ask('hello'), { accept: ({ status }) => status !== 503 })
  expect(first).toMatchObject({ status: 200, text: 'honest' })

  expect((await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'a' } })).status).toBe(201)
  await receiver.received(1)
  for (const sent of SENT) {
    const [evil, ...honest] = await Promise.all([ask(sent), ask('1'), ask('2'), ask('3')])
    expect([sent, evil.status]).toEqual([sent, 502])
    // Who was only near is asked again.
    expect(honest.map(({ status }) => status)).toEqual([200, 200, 200])
  }
  // The action still waits for its one request.
  answered.resolve({})
  await settled(hub)
  expect(receiver.requests).toHaveLength(1)
  const { body } = await hub.api<{ items: Record<string, unknown>[] }>('GET', '/api/v2/deliveries')
  expect(body.items).toMatchObject([{ state: 'delivered', attempts: 1 }])
  const { body: door } = await hub.api<{ state: string; usage: Record<string, number> }>(
    'GET',
    '/api/v2/installations/door',
  )
  expect(door).toMatchObject({ state: 'ready', usage: { points: door.usage['points_max'] } })
})
