/** One hub of an API process and two workers: what is asked of any of them is done, whoever runs the installation. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from '../cli/run-cli.ts'
import { startFleet } from '../support/fleet.ts'
import type { Fleet } from '../support/fleet.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { openStream } from '../support/stream.ts'
import { until } from '../support/wait.ts'

const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
let receiver: Receiver
let fleet: Fleet

beforeAll(async () => {
  receiver = await startReceiver()
  const config = {
    forms: { guests: { name: 'Guests', fields: [{ key: 'name', type: 'text' }] } },
    network: { allow: ['127.0.0.1/32'] },
    pluginDirs: [PLUGINS],
    installations: [
      { id: 'tour', use: 'tour', with: { url: `${receiver.url}/tour`, token: 'tour-token-0123456789' } },
      { id: 'hook', use: 'webhooks', with: { url: `${receiver.url}/hook`, template: { name: '{{data.name}}' } } },
    ],
  }
  fleet = await startFleet({ config, apis: 2, workers: 2 })
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const api = (): Hub => fleet.apis[0] as Hub
const otherApi = (): Hub => fleet.apis[1] as Hub
const greet = async (hub: Hub, name: string): Promise<string> => {
  const answer = await hub.api<{ event_id: string }>('POST', '/api/v2/forms/guests/responses', { data: { name } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.event_id
}
const names = (): readonly unknown[] =>
  receiver.requests.filter(({ path }) => path === '/hook').map((request) => request.json()['name'])
const arrived = (name: string, count = 1): Promise<unknown> =>
  until(`${name} to arrive ${count} times`, () => names().filter((each) => each === name).length === count)

test('an API process runs no installation and no sandbox; the workers share them', async () => {
  const owners = await until('each worker to have one', () => fleet.owners(), {
    accept: (each) => new Set(each.values()).size === 2,
  })
  expect([...owners.keys()].toSorted()).toEqual(['default/hook', 'default/tour'])
  expect(await api().metric('manifold_sandbox_children')).toBe(0)
  await greet(api(), 'Ada')
  await arrived('Ada')
})

test('whoever follows the log at one API process hears of what another took in, in its order', async () => {
  await using stream = await openStream(api().url, { key: api().adminKey, query: '?type=response.submitted' })
  const ids = [await greet(otherApi(), 'Bea'), await greet(api(), 'Cy'), await greet(otherApi(), 'Dot')]
  const seen = await stream.reached(ids.length)
  expect(seen.map(({ data }) => data['id'])).toEqual(ids)
})

test("a plugin's route answers at every process, and an unknown one at none", async () => {
  const echoAt = (hub: Hub) =>
    hub.api('POST', '/i/tour/echo', 'ping', { key: null, headers: { 'content-type': 'text/plain' } })
  await until('its owner to have it loaded', () => echoAt(api()), { accept: ({ status }) => status === 202 })
  for (const hub of [...fleet.apis, ...fleet.workers]) {
    const echo = await echoAt(hub)
    expect([echo.status, echo.text]).toEqual([202, 'ping'])
    expect((await hub.api('GET', '/i/tour/nothing-here')).status).toBe(404)
    expect((await hub.api('GET', '/i/nobody/echo')).status).toBe(404)
  }
})

test('the door between processes opens to nobody else', async () => {
  const call = { name: 'testSend', input: { workspace: 'default', installation: 'hook' } }
  for (const headers of [{}, { 'x-manifold-door': 'guess' }, { 'x-manifold-door': api().adminKey }]) {
    const answer = await (fleet.workers[0] as Hub).api('POST', '/fleet/call', call, { headers })
    expect(answer.status, answer.text).toBe(404)
  }
})

test('a test-send asked of an API process runs at the owner, and its error comes back as it was', async () => {
  const eventId = await greet(api(), 'Bob')
  await arrived('Bob')
  const sent = await api().api<{ deliveries: readonly string[] }>('POST', '/api/v2/installations/hook/test-send', {
    event_id: eventId,
  })
  expect(sent.status, sent.text).toBe(202)
  expect(sent.body.deliveries).toHaveLength(1)
  await arrived('Bob', 2)
  const refused = await api().api('POST', '/api/v2/installations/hook/test-send', { event_id: 'evt_none' })
  expect(refused.status, refused.text).toBe(404)
  expect(refused.body['detail']).toContain('evt_none')
})

test('what an installation used is what its owner says, whichever process is asked', async () => {
  await greet(api(), 'Finn')
  await arrived('Finn')
  interface Shown {
    readonly items: readonly {
      readonly id: string
      readonly usage: { readonly runs: number; readonly since: string }
    }[]
  }
  const told = await until(
    'all processes to say the same',
    async () => {
      const lists = await Promise.all(
        [...fleet.apis, ...fleet.workers].map((hub) => hub.api<Shown>('GET', '/api/v2/installations')),
      )
      return lists.map(({ body }) => body.items.map(({ id, usage }) => `${id} ${usage?.runs} ${usage?.since}`).join())
    },
    { accept: (each) => new Set(each).size === 1 },
  )
  expect(told[0]).toMatch(/^hook [1-9]\d* 2\S+,tour \d+ 2\S+$/)
  const plugins = await api().api<Shown>('GET', '/api/v2/plugins')
  expect(plugins.body.items.find(({ id }) => id === 'webhooks')?.usage.runs).toBeGreaterThan(0)
  // `/metrics` is each process's own: those that run nothing have nothing to add.
  expect(await api().metric('manifold_plugin_runs_total')).toBe(0)
})

test('pausing and resuming at one process holds for the one that runs it', async () => {
  const paused = await api().api('POST', '/api/v2/installations/hook/pause', { reason: 'receiver moves' })
  expect(paused.status, paused.text).toBe(200)
  await until('all processes to know', async () => {
    const states = await Promise.all(
      [...fleet.apis, ...fleet.workers].map(async (hub) => {
        const list = await hub.api<{ items: readonly { id: string; state: string }[] }>('GET', '/api/v2/installations')
        return list.body.items.find(({ id }) => id === 'hook')?.state
      }),
    )
    return states.every((state) => state === 'paused')
  })
  await greet(otherApi(), 'Cleo')
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(names()).not.toContain('Cleo')
  await otherApi().api('POST', '/api/v2/installations/hook/resume')
  await arrived('Cleo')
})

test('a replay asked of an API process is delivered again under the same id', async () => {
  await greet(api(), 'Dora')
  await arrived('Dora')
  const ofDora = () => receiver.requests.filter(({ path, body }) => path === '/hook' && body.includes('Dora'))
  const list = await api().api<{ items: readonly { id: string }[] }>(
    'GET',
    '/api/v2/deliveries?installation=hook&limit=1',
  )
  const id = list.body.items[0]?.id ?? ''
  // It has arrived; that it has ended is written a moment later.
  await until('the replay', () => api().api('POST', `/api/v2/deliveries/${id}/replay`), {
    accept: ({ status }) => status < 300,
  })
  await arrived('Dora', 2)
  expect(ofDora().map((request) => request.id)).toEqual([id, id])
})

test('a backfill asked of an API process reads the log again at the owner', async () => {
  const before = new Date().toISOString()
  const eventId = await greet(api(), 'Eve')
  await arrived('Eve')
  // Its delivery is there already, so it is not made twice; the cursor going back and forth is what can be seen.
  const filled = await api().api<{ events: number }>('POST', '/api/v2/installations/hook/backfill', { from: before })
  expect(filled.status, filled.text).toBe(202)
  expect(filled.body.events).toBeGreaterThan(0)
  const head = await fleet.sql<{ seq: string }>('SELECT seq FROM events WHERE id = $1', [eventId])
  await until('the cursor to be back', async () => {
    const [row] = await fleet.sql<{ cursor: string }>("SELECT cursor FROM installations WHERE id = 'hook'")
    return Number(row?.cursor) >= Number(head[0]?.seq)
  })
  expect(names().filter((name) => name === 'Eve')).toHaveLength(1)
})

test('a form changed at one API process is validated by its new shape at the other, at once', async () => {
  const form = { id: 'quiz', name: 'Quiz', fields: [{ key: 'answer', type: 'text' }] }
  expect((await api().api('POST', '/api/v2/forms', form)).status).toBe(201)
  const submit = () => otherApi().api('POST', '/api/v2/forms/quiz/responses', { data: {} })
  expect((await submit()).status).toBe(201)
  const changed = { name: 'Quiz', fields: [{ key: 'answer', type: 'text', required: true }] }
  expect((await api().api('PUT', '/api/v2/forms/quiz', changed)).status).toBe(200)
  await until('the other process to refuse', async () => (await submit()).status === 422, { timeoutMs: 2_000 })
})

test('a key revoked at one process opens nothing at another', async () => {
  const made = await api().api<{ key: string; id: string }>('POST', '/api/v2/keys', {
    name: 'k',
    scopes: ['forms:read'],
  })
  expect(made.status, made.text).toBe(201)
  const { key, id } = made.body
  const read = async () => (await otherApi().api('GET', '/api/v2/forms', undefined, { key })).status
  expect(await read()).toBe(200)
  expect((await api().api('DELETE', `/api/v2/keys/${id}`)).status).toBeLessThan(300)
  await until('the other process to refuse', async () => (await read()) === 401, { timeoutMs: 2_000 })
})

test('without a worker submissions are taken and said to wait; a worker that comes delivers them', async () => {
  for (const hub of fleet.workers) await fleet.kill(hub)
  await greet(api(), 'Finn')
  await until('the API process to say so', async () => {
    const ready = await api().api<{ checks: readonly { name: string; detail: string | null }[] }>('GET', '/readyz')
    return ready.body.checks.some(({ detail }) => detail?.includes('hook without a worker') === true)
  })
  expect(await api().metric('manifold_installation_lag_events', { installation: 'hook' })).toBeGreaterThan(0)
  const send = await api().api('POST', '/api/v2/installations/hook/test-send', {})
  expect([send.status, send.body['detail']]).toEqual([503, expect.stringContaining('No worker runs "hook"')])
  const env = { MANIFOLD_URL: api().url, MANIFOLD_KEY: api().adminKey }
  const told = JSON.parse((await runCli(api().dataDir, ['doctor', '--json'], { env })).stdout) as {
    readonly findings: readonly { readonly name: string; readonly level: string; readonly detail: string }[]
  }
  expect(told.findings).toContainEqual(
    expect.objectContaining({
      name: 'hub installation hook',
      level: 'fail',
      detail: 'no process runs it; its events wait',
    }),
  )
  await fleet.add('worker')
  await arrived('Finn')
})

test('a host that failed repeatedly is tried at once by whoever runs it when any process is asked to resume', async () => {
  const hookOf = (hub: Hub) =>
    hub.api<{ breakers: readonly { host: string; until: string | null }[] }>('GET', '/api/v2/installations/hook')
  receiver.respond({ status: 500 })
  for (let n = 0; n < 8; n++) await greet(api(), `late ${n}`)
  await until('the breaker to open', () => hookOf(api()), { accept: ({ body }) => body.breakers.length > 0 })
  receiver.respond({ status: 200 })
  const before = names().length
  expect((await otherApi().api('POST', '/api/v2/installations/hook/resume')).status).toBe(200)
  // The first probe by itself would come half a minute later.
  for (let n = 0; n < 8; n++)
    await until(`late ${n} to arrive`, () => names().lastIndexOf(`late ${n}`) >= before || undefined)
  await until('the breaker to close', () => hookOf(api()), { accept: ({ body }) => body.breakers.length === 0 })
})
