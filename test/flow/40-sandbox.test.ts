/** Fourth stop: a plugin of a stranger, with everything it may ask for, reloaded while its neighbours run. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { deliveriesOf } from '../support/hostility.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const TOUR = new URL('../fixtures/flow-plugins/tour', import.meta.url).pathname
const TOKEN = 'tour-token-0123456789'

async function pluginCopy(): Promise<TempDir> {
  const dir = await tempDir('plugins')
  await cp(TOUR, dir.file('tour'), { recursive: true })
  return dir
}

const configOf = (pluginDir: string, url: string) => ({
  forms: { guests: { name: 'Guests', fields: [{ key: 'name', type: 'text' }] } },
  network: { allow: ['127.0.0.1/32'] },
  pluginDirs: [pluginDir],
  installations: [
    { id: 'tour', use: 'tour', with: { url: `${url}/tour`, token: TOKEN }, retry: { schedule: [] } },
    { id: 'beside', use: 'webhooks', with: { url: `${url}/beside` } },
  ],
})
const greet = async (hub: Hub, name: string) => {
  const answer = await hub.api<{ event_id: string }>('POST', '/api/v2/forms/guests/responses', { data: { name } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.event_id
}

interface Count {
  readonly seen: number
  readonly tallies: Readonly<Record<string, number>>
}

test('handler, memory, counters, own events, action, schedule and routes', async () => {
  await using plugins = await pluginCopy()
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(plugins.path, receiver.url) })
  for (const name of ['Ada', 'Bob', 'Cleo']) await greet(hub, name)
  await settled(hub)

  const notes = receiver.requests.filter(({ path }) => path === '/tour')
  expect(notes.map((note) => note.json()['text']).toSorted()).toEqual([
    'hello Ada of Guests',
    'hello Bob of Guests',
    'hello Cleo of Guests',
  ])
  expect(notes.every(({ headers }) => headers['authorization'] === `Bearer ${TOKEN}`)).toBe(true)
  const count = await until('the schedule to tick', () => hub.api<Count>('GET', '/i/tour/count'), {
    accept: ({ body }) => (body.tallies?.['ticks'] ?? 0) > 0,
  })
  expect(count.body).toMatchObject({ seen: 3, tallies: { answers: 3, milestones: 1 } })
  const echo = await hub.api<string>('POST', '/i/tour/echo', 'ping', {
    key: null,
    headers: { 'content-type': 'text/plain' },
  })
  // A plugin may set some headers; those by which it could pose as the hub are dropped.
  expect([echo.status, echo.text, echo.headers['etag'], echo.headers['set-cookie']]).toEqual([
    202,
    'ping',
    '"echo"',
    undefined,
  ])
  expect((await hub.api('GET', '/i/tour/nothing-here')).status).toBe(404)

  // What it remembers survives the process.
  await hub.restart()
  await greet(hub, 'Dora')
  await settled(hub)
  expect((await hub.api<Count>('GET', '/i/tour/count')).body.seen).toBe(4)
})

test("an error names the plugin, the event and the line of the plugin's own file", async () => {
  await using plugins = await pluginCopy()
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(plugins.path, receiver.url) })
  const eventId = await greet(hub, 'trouble')
  await greet(hub, 'Eve')
  await settled(hub)
  const failed = (await deliveriesOf(hub, 'tour')).filter(({ kind }) => kind === 'handler')
  expect(failed).toHaveLength(1)
  expect(failed[0]).toMatchObject({
    plugin: 'tour',
    state: 'dead',
    error_code: 'plugin_threw',
    event_id: eventId,
    name: 'response.submitted',
  })
  const source = await readFile(plugins.file('tour/trouble.ts'), 'utf8')
  const line = source.split('\n').findIndex((text) => text.includes('the tour met trouble')) + 1
  expect(failed[0]?.error).toContain('the tour met trouble')
  expect(failed[0]?.error).toMatch(new RegExp(`trouble\\.ts:${line}\\b`))
  expect(receiver.requests.filter(({ path }) => path === '/beside')).toHaveLength(2)
})

test('a changed plugin is reloaded alone; its memory and its neighbours stay', async () => {
  await using plugins = await pluginCopy()
  await using receiver = await startReceiver()
  const config = configOf(plugins.path, receiver.url)
  await using hub = await startHub({ config })
  await greet(hub, 'Ada')
  await settled(hub)
  const before = await hub.api<{ items: readonly { id: string; state_since: string }[] }>(
    'GET',
    '/api/v2/installations',
  )
  const since = before.body.items.find(({ id }) => id === 'beside')?.state_since

  const file = plugins.file('tour/index.ts')
  await writeFile(file, (await readFile(file, 'utf8')).replace('greeting} ${name}', 'greeting} again ${name}'))
  hub.signal('SIGHUP')
  let turn = 0
  await until('the new code to answer', async () => {
    await greet(hub, `guest ${turn++}`)
    await settled(hub)
    return receiver.requests.some(({ body }) => body.includes('hello again guest'))
  })
  const count = await hub.api<Count>('GET', '/i/tour/count')
  expect(count.body.seen).toBe(1 + turn)
  const after = await hub.api<{ items: readonly { id: string; state: string; state_since: string }[] }>(
    'GET',
    '/api/v2/installations',
  )
  expect(after.body.items.find(({ id }) => id === 'beside')).toMatchObject({ state: 'ready', state_since: since })
  const beside = receiver.requests.filter(({ path }) => path === '/beside')
  expect(new Set(beside.map(({ id }) => id)).size).toBe(1 + turn)
  expect(beside).toHaveLength(1 + turn)
})
