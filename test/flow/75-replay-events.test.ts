/** Between the seventh stop and the eighth: handlers see their last events again, as they are now. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { manifold } from '../support/cli.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { CODE, writePlugin } from '../registry/plugin-folder.ts'

interface Replayed {
  readonly events: readonly {
    readonly event_id: string
    readonly deliveries: readonly string[]
    readonly error: { readonly code: string; readonly detail: string } | null
  }[]
  readonly left: number
  readonly code?: string
}

/** Throws at its second sight of a "b". */
const CHANGED = CODE.replace(
  "ctx.enqueue('post', { id: event.id })",
  "{ if (event.data['key'] === 'b') throw new Error('no b')\n    ctx.enqueue('post', { id: event.id, edition: 2 }, { key: event.id }) }",
)

let temp: TempDir
let receiver: Receiver
let hub: Hub
const events: string[] = []
beforeAll(async () => {
  temp = await tempDir('replay-events')
  receiver = await startReceiver()
  await writePlugin(temp.file('mine'), 'echo', {
    code: CODE.replace('{ id: event.id })', '{ id: event.id }, { key: event.id })'),
  })
  const second = { name: 'Second', fields: [{ key: 'key', label: 'Key', type: 'text' }] }
  hub = await startHub({
    config: sceneConfig({
      pluginDirs: [temp.file('mine')],
      forms: { second },
      installations: [
        { id: 'mine', use: 'echo', with: { url: receiver.url } },
        hook('beside', `${receiver.url}/beside`),
      ],
    }),
  })
  for (const [form, key] of [
    [DECK, 'a'],
    [DECK, 'b'],
    ['second', 'c'],
  ] as const) {
    const { body } = await hub.api<{ event_id: string }>('POST', `/api/v2/forms/${form}/responses`, { data: { key } })
    events.push(body.event_id)
  }
  await settled(hub)
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

const replay = (id: string, body: object) => hub.api<Replayed>('POST', `/api/v2/installations/${id}/replay`, body)
interface Row {
  readonly id: string
  readonly event_id: string
}
const rows = (installation: string) => deliveriesOf(hub, installation) as unknown as Promise<readonly Row[]>

test('the events keep their ids, the deliveries are new ones though their keys were taken, others see nothing', async () => {
  const [before, beside] = [await rows('mine'), await rows('beside')]
  const cursor = async () => (await hub.api<{ cursor: number }>('GET', '/api/v2/installations/mine')).body.cursor
  const at = await cursor()
  const { status, body } = await replay('mine', { last: 2 })
  expect([status, body.left, body.events.map(({ event_id: id }) => id)]).toEqual([202, 0, events.slice(1)])
  await settled(hub)
  const after = await rows('mine')
  const made = after.filter(({ id }) => !before.some((row) => row.id === id))
  expect(made.map(({ id }) => id).toSorted()).toEqual(body.events.flatMap(({ deliveries }) => deliveries).toSorted())
  expect(made.map(({ event_id: id }) => id).toSorted()).toEqual(events.slice(1).toSorted())
  expect([await cursor(), await rows('beside')]).toEqual([at, beside])
})

test('a form narrows it; where the manifest enqueues no handler has to run', async () => {
  const one = await replay('beside', { last: 5, form: 'second' })
  expect(one.body.events.map(({ event_id: id, deliveries }) => [id, deliveries.length])).toEqual([[events[2], 1]])
  await settled(hub)
  expect(receiver.requests.filter(({ path }) => path === '/beside').map(({ body }) => JSON.parse(body).key)).toEqual(
    expect.arrayContaining(['c', 'c']),
  )
})

test('the handler of today runs; what it throws is told with its place and stops no other event', async () => {
  await writePlugin(temp.file('mine'), 'echo', { code: CHANGED })
  const loaded = (): boolean => hub.logs.some(({ msg }) => String(msg).startsWith('an installation runs with new code'))
  await until('the new code to run', loaded)
  const { stdout, code } = await manifold(hub, ['replay', '--last', '3', '--installation', 'mine', '--json'])
  const { events: done } = JSON.parse(stdout) as Replayed
  expect([code, done.map(({ event_id: id, deliveries, error }) => [id, deliveries.length, error?.code])]).toEqual([
    0,
    [
      [events[0], 1, undefined],
      [events[1], 0, 'plugin_threw'],
      [events[2], 1, undefined],
    ],
  ])
  expect(done[1]?.error?.detail).toMatch(/^no b \(index\.ts:3:\d+\)$/)
  const { body } = await hub.api<{ input: object }>('GET', `/api/v2/deliveries/${done[0]?.deliveries[0]}`)
  expect(body.input).toEqual({ id: events[0], edition: 2 })
})

test('no more events at once than the limit, and none where there is none', async () => {
  expect([(await replay('mine', { last: 101 })).status, (await replay('mine', { last: 0 })).status]).toEqual([400, 400])
  expect((await replay('mine', { last: 100, form: 'nowhere' })).body).toEqual({ events: [], left: 0 })
  expect((await replay('nobody', { last: 1 })).status).toBe(404)
  await hub.api('POST', '/api/v2/installations/beside/pause')
  expect((await replay('beside', { last: 1 })).body).toMatchObject({ code: 'conflict' })
  const unsaid = await manifold(hub, ['replay', '--last', '3'])
  expect([unsaid.code, unsaid.stderr]).toEqual([2, expect.stringContaining('--last needs --installation')])
  expect((await manifold(hub, ['replay'])).code).toBe(2)
})
