/** Beside a door of the API: deliveries of an installation that is gone, dead letters, and what plugins remember. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OPERATOR_KEY, openDoor } from '../http/door.ts'
import type { Door } from '../http/door.ts'
import { apply } from '../contract/store/memory.ts'
import { delivery, died } from '../contract/store/fixtures.ts'
import { runCli } from './run-cli.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
afterAll(() => door[Symbol.asyncDispose]())

const cli = (...args: string[]) => runCli('/', [...args, '--url', door.url, '--key', OPERATOR_KEY])
const discard = (body: object) => door.call('POST', '/api/v2/deliveries/discard', { json: body })

test('of an installation that is gone all that nobody will deliver is listed, counted, and deleted when it is meant', async () => {
  const [waits, dead, crm] = [delivery(), delivery(), delivery()]
  await apply(door.store, 'default', { deliveries: [waits, dead] }, 'gone')
  await apply(door.store, 'default', { deliveries: [crm] }, 'crm')
  await door.store.finishAttempts([died(dead.id, { installation: 'gone' })])
  const listed = await cli('deliveries', '--installation', 'gone')
  for (const { id } of [waits, dead]) expect(listed.stdout).toMatch(new RegExp(`^${id} +gone `, 'm'))
  const left = [{ id: 'gone', deliveries: { pending: 1, retrying: 0, dead: 1 } }]
  expect((await door.call('GET', '/api/v2/installations')).body).toMatchObject({ gone: left })
  const told = /gone is in manifold\.yaml no more.*1 waiting, 1 dead\n.*manifold deliveries discard --installation gone/
  expect((await cli('status')).stdout).toMatch(told)
  const shown = await cli('installations', 'show', 'gone')
  expect([shown.code, shown.stderr]).toEqual([
    1,
    expect.stringContaining('"gone" is in manifold.yaml no more. 1 of its'),
  ])
  expect(shown.stderr).toContain('manifold deliveries discard --installation gone')
  const which = ['deliveries', 'discard', '--installation', 'gone']
  expect((await cli(...which, '--dry-run')).stdout).toBe('2 would be deleted\n')
  const unmeant = await cli(...which)
  expect([unmeant.code, unmeant.stderr]).toEqual([
    2,
    expect.stringMatching(/^2 deliveries will be deleted for good\.\n[^]*--yes/),
  ])
  expect((await cli(...which, '--state', 'dead', '--yes')).stdout).toBe('1 deleted\n')
  expect(JSON.parse((await cli(...which, '--yes', '--json')).stdout)).toEqual({
    dry_run: false,
    matched: 1,
    discarded: 1,
  })
  expect(await door.store.getDelivery('default', waits.id)).toBeUndefined()
  // One that runs delivers what waits by itself.
  const refused = await cli('deliveries', 'discard', '--installation', 'crm', '--state', 'pending', '--yes')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('manifold.yaml has no more')])
  expect((await discard({ installation: 'crm' })).body).toMatchObject({ matched: 0, discarded: 0 })
  expect((await discard({})).status).toBe(400)
  expect((await cli('deliveries', 'discard')).code).toBe(2)
})

test('dead letters are discarded by id, or by the filters of a replay', async () => {
  const [one, two, three] = [delivery(), delivery(), delivery()]
  await apply(door.store, 'default', { deliveries: [one, two, three] }, 'crm')
  await door.store.finishAttempts([died(one.id), died(two.id), died(three.id, { errorCode: 'http_404' })])
  expect((await cli('dead-letters', 'discard', one.id, '--yes')).stdout).toBe('1 deleted\n')
  expect((await cli('dead-letters', 'discard', '--code', 'http_404', '--yes')).stdout).toBe('1 deleted\n')
  expect((await cli('dead-letters', 'discard', '--all', '--dry-run')).stdout).toBe('1 would be deleted\n')
  expect(await door.store.countDeliveries('default', { installation: 'crm', state: 'dead' })).toBe(1)
})

test('counters and keys of a plugin are read, values only where they are asked for by who may read answers', async () => {
  const set = (key: string, value: string) => ({ key, value, expiresAtMs: null })
  const tallies = [
    { name: '10', by: 1 },
    { name: '9', by: 2 },
    { name: 'seen', by: 3 },
  ]
  await apply(door.store, 'default', { kv: [set('a/1', '"one"'), set('b', '{"n":2}')], tallies }, 'crm')
  const shown = await cli('installations', 'kv', 'crm')
  expect(shown.code, shown.stderr).toBe(0)
  expect(shown.stdout).toMatch(/COUNTER +VALUE\n10 +1\n9 +2\nseen +3\nKEY +BYTES\na\/1 +5\nb +7\n$/)
  const whole = await cli('installations', 'kv', 'crm', '--prefix', 'a', '--values', '--json')
  expect(JSON.parse(whole.stdout)).toEqual({ counters: [], kv: [{ key: 'a/1', bytes: 5, value: 'one' }] })
  const path = '/api/v2/installations/crm'
  const first = (await door.call('GET', `${path}/counters?limit=2`)).body as { next_cursor: string }
  expect(first).toMatchObject({ items: [{ name: '10' }, { name: '9' }] })
  expect((await door.call('GET', `${path}/counters?limit=2&cursor=${first.next_cursor}`)).body).toEqual({
    items: [{ name: 'seen', value: 3 }],
    next_cursor: null,
  })
  const key = await door.key(['deliveries:write'])
  expect((await door.call('GET', `${path}/kv`, { key })).body).toEqual({
    items: [
      { key: 'a/1', bytes: 5 },
      { key: 'b', bytes: 7 },
    ],
    next_cursor: null,
  })
  expect((await door.call('GET', `${path}/kv?values=true`, { key })).status).toBe(403)
  expect((await door.call('GET', '/api/v2/installations/gone/kv')).status).toBe(404)
})
