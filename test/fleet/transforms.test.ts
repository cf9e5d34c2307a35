/** Transforms in a fleet: whoever takes a response asks them, in children of its own; what they put aside is everybody's. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { runCli } from '../cli/run-cli.ts'
import { startFleet } from '../support/fleet.ts'
import type { Fleet } from '../support/fleet.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'

const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
const judge = (how: string) => ({ id: how, use: 'judge', with: { how } })

interface UsageOf {
  readonly usage: {
    readonly points: number
    readonly points_max: number
    readonly by_kind: { readonly transform: { readonly ok: number; readonly failed: number } }
    readonly breaches: { readonly cpu: number }
  }
}
let receiver: Receiver
let fleet: Fleet

beforeAll(async () => {
  receiver = await startReceiver()
  const config = {
    forms: {
      guests: {
        name: 'Guests',
        fields: [
          { key: 'email', type: 'email' },
          { key: 'text', type: 'text' },
        ],
      },
    },
    network: { allow: ['127.0.0.1/32'] },
    pluginDirs: [PLUGINS],
    limits: {
      pluginTransformWallMs: 1_000,
      transformChainMsMax: 5_000,
      pluginPointsMax: 2_000,
      pluginPointsPerSecond: 1,
    },
    installations: [
      judge('normalise'),
      judge('flags'),
      judge('burns'),
      { id: 'hook', use: 'webhooks', with: { url: receiver.url, template: { email: '{{data.email}}' } } },
    ],
  }
  fleet = await startFleet({ config, apis: 2, workers: 1 })
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const api = (n: number): Hub => fleet.apis[n] as Hub
const send = async (hub: Hub, email: string, text: string): Promise<string> => {
  const answer = await hub.api<{ id: string }>('POST', '/api/v2/forms/guests/responses', { data: { email, text } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.id
}
const emails = () => receiver.requests.map((request) => request.json()['email'])

test('processes that only take responses run transforms, and nothing else', async () => {
  await send(api(0), 'ADA@example.com', 'hello')
  await send(api(1), 'BOB@example.com', 'hello')
  await until('both to arrive', () => emails().length === 2)
  expect(emails().toSorted()).toEqual(['ada@example.com', 'bob@example.com'])
  // One child for the transforms of strangers; a worker has another one for what follows from the log.
  expect(await api(0).metric('manifold_sandbox_children')).toBe(1)
  expect(await (fleet.workers[0] as Hub).metric('manifold_sandbox_children')).toBeGreaterThan(1)
})

test('what one process put aside, another releases: once, however many are asked', async () => {
  const id = await send(api(0), 'EVE@example.com', 'spam')
  const hubs = [api(0), api(1), fleet.workers[0] as Hub]
  const answers = await Promise.all(hubs.map((hub) => hub.api('POST', `/api/v2/quarantine/${id}/release`)))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  await until('it to arrive', () => emails().includes('eve@example.com'))
  const events = await fleet.sql('SELECT type FROM events WHERE response_id = $1 ORDER BY seq', [id])
  expect(events).toEqual([{ type: 'response.quarantined' }, { type: 'response.submitted' }])
  expect(await fleet.sql('SELECT id FROM quarantine')).toEqual([])
  const made = await fleet.sql('SELECT count(*)::int AS n FROM deliveries WHERE response_id = $1', [id])
  expect(made).toEqual([{ n: 1 }])
})

test('a transform paused at one process stands still for all', async () => {
  expect((await api(1).api('POST', '/api/v2/installations/normalise/pause')).status).toBe(200)
  const read = async (hub: Hub, id: string) =>
    (
      await hub.api<{ data: { email: string }; meta: { transform_failed?: string[] } }>(
        'GET',
        `/api/v2/responses/${id}`,
      )
    ).body
  const kept = await until(
    'the other to know',
    async () => read(api(0), await send(api(0), 'FINN@example.com', 'hello')),
    {
      accept: ({ meta }) => meta.transform_failed !== undefined,
    },
  )
  expect(kept).toMatchObject({ data: { email: 'FINN@example.com' }, meta: { transform_failed: ['normalise'] } })
  expect((await api(1).api('POST', '/api/v2/installations/normalise/resume')).status).toBe(200)
  await until('it to be asked again', async () => read(api(0), await send(api(0), 'GUS@example.com', 'hello')), {
    accept: ({ data }) => data.email === 'gus@example.com',
  })
})

test('what a transform uses where no worker is, its worker is told, and no stranger uses up its points', async () => {
  const worker = fleet.workers[0] as Hub
  const labels = { installation: 'burns', limit: 'cpu' }
  let sent = 0
  // Each breaks its limit of CPU, unless the machine was too busy to let it run in time.
  const { usage } = await until(
    'the worker to know',
    async () => {
      await send(api(++sent % 2), `burn${sent}@example.com`, 'burn')
      return (await api(0).api<UsageOf>('GET', '/api/v2/installations/burns')).body
    },
    { accept: (shown) => (shown?.usage?.breaches.cpu ?? 0) >= 4, everyMs: 300 },
  )
  expect(usage.breaches.cpu).toBeLessThanOrEqual(sent)
  expect(usage.by_kind.transform.failed).toBeGreaterThanOrEqual(usage.breaches.cpu)
  // What other runs would be charged for this.
  expect(usage.points).toBeGreaterThan(usage.points_max - LIMITS.pluginCpuBreachPoints * usage.breaches.cpu)
  const known = await until('all to be handed over', () => worker.metric('manifold_plugin_breaches_total', labels), {
    accept: (count) => count >= usage.breaches.cpu,
  })
  expect(known).toBeLessThanOrEqual(sent)
  // Nobody counts it a second time.
  for (const hub of fleet.apis) expect(await hub.metric('manifold_plugin_breaches_total', labels)).toBe(0)
  const top = await runCli(api(1).dataDir, ['plugin', 'top', '--json', '--data', api(1).dataDir])
  expect(top.stdout, top.stderr).toContain('"burns"')
  const runs = await fleet.sql<{ n: number }>("SELECT count(*)::int AS n FROM runs WHERE kind = 'transform'")
  expect(runs[0]?.n).toBeGreaterThan(0)
})
