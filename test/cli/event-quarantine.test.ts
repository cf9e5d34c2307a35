/** `manifold analytics quarantine`: behaviour events that their family did not take, sent again once it does, or discarded. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const network = { allow: ['127.0.0.1/32'] }
const video = { properties: { seconds: { type: 'number' } } }

let hub: Hub
beforeAll(async () => {
  hub = await startHub({ config: { network } })
  const send = (n: number, seconds: unknown) =>
    hub.api('POST', '/api/v2/events/track', { type: 'video', event_id: `v-${n}`, properties: { seconds } })
  for (const [n, seconds] of [1, 2, 'long', 'longer'].entries()) expect((await send(n, seconds)).status).toBe(422)
})
afterAll(() => hub[Symbol.asyncDispose]())

const cli = (...args: string[]) => manifold(hub, ['analytics', 'quarantine', ...args])
const idsOf = async (): Promise<readonly string[]> =>
  (await cli('list', '--json')).json<{ items: { id: string }[] }>().items.map(({ id }) => id)

test('alone it lists: each with its reason; as many as were asked for', async () => {
  expect((await cli()).stdout).toMatch(/^ID +TYPE +REASON[^]*evt_\S+ +video +unknown_family +\S+ +\/type /)
  const some = await cli('list', '--limit', '2')
  expect([some.stdout.match(/evt_/g), some.stderr]).toEqual([['evt_', 'evt_'], '2 shown; --limit shows more\n'])
  expect(await idsOf()).toHaveLength(4)
})

test('what is meant has to be said, and for good is asked', async () => {
  for (const verb of ['replay', 'discard']) {
    expect((await cli(verb)).code).toBe(2)
    expect((await cli(verb, 'evt_1', '--all')).code).toBe(2)
  }
  expect((await cli('discard', '--all')).stderr).toContain('say --yes')
  expect((await cli('discard', '--all', '--dry-run', '--json')).json()).toEqual({
    dry_run: true,
    matched: 4,
    discarded: 0,
  })
})

test('replayed once the family is known, discarded what it will never take', async () => {
  const [first = '', , third = ''] = await idsOf()
  const before = await cli('replay', first)
  expect([before.code, before.stdout]).toEqual([0, '0 stored, 1 not taken still\n'])
  await hub.writeConfig({ network, events: { families: { video } } })
  await until('the family to be known', async () => (await cli('replay', '--all', '--dry-run')).stdout, {
    accept: (said) => said === '2 would be stored, 2 not taken still\n',
  })
  expect((await cli('replay', first, third, '--json')).json()).toEqual({
    dry_run: false,
    matched: 2,
    stored: 1,
    left: 1,
  })
  const gone = await cli('replay', first)
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('1 event of those named')])
  expect((await cli('replay', '--all')).stdout).toBe('1 stored, 2 not taken still\n')
  expect((await cli('discard', third)).code).toBe(2)
  expect((await cli('discard', third, '--yes')).stdout).toBe('1 deleted\n')
  expect((await cli('discard', '--all', '--yes', '--json')).json()).toMatchObject({ discarded: 1 })
  expect(await idsOf()).toEqual([])
})
