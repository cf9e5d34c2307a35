/** Beside a door of the API: deliveries of an installation that is gone, dead letters, and what plugins remember. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { OPERATOR_KEY, openDoor } from '../http/door.ts'
import type { FleetMember } from '../../core/fleet/fleet.ts'
import type { Door } from '../http/door.ts'
import { apply } from '../contract/store/memory.ts'
import { delivery, died, event, later } from '../contract/store/fixtures.ts'
import { runCli } from './run-cli.ts'

let door: Door
/** The other processes of the hub. */
let processes: readonly FleetMember[] = []
beforeAll(async () => {
  door = await openDoor({ deps: { processes: () => processes } })
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
  // Who it was is in the log.
  const by = { key_id: expect.any(String) as string, name: expect.any(String) as string }
  const traces = (await door.call('GET', '/api/v2/events?type=deliveries.discarded')).body as {
    items: { data: object }[]
  }
  expect(traces.items.map(({ data }) => data)).toMatchObject([
    { by, installation: 'gone', states: ['dead'], discarded: 1 },
    { by, installation: 'gone', discarded: 1 },
  ])
  expect(door.heard.filter(({ type }) => type === 'deliveries.discarded')).toHaveLength(2)
  // One that runs delivers what waits by itself.
  const refused = await cli('deliveries', 'discard', '--installation', 'crm', '--state', 'pending', '--yes')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('manifold.yaml has no more')])
  expect((await discard({ installation: 'crm' })).body).toMatchObject({ matched: 0, discarded: 0 })
  expect((await discard({})).status).toBe(400)
  expect((await cli('deliveries', 'discard')).code).toBe(2)
})

test('what dies after it was counted is not among them', async () => {
  const [before, after] = [delivery(), delivery()]
  await apply(door.store, 'default', { deliveries: [before, after] }, 'counted')
  const diesAt = (id: string, at: string) => {
    const end = died(id, { installation: 'counted' })
    return door.store.finishAttempts([{ ...end, attempt: { ...end.attempt, at } }])
  }
  await diesAt(before.id, new Date(Date.now() - 60_000).toISOString())
  const which = { installation: 'counted', states: ['dead'] }
  const counted = (await discard({ ...which, dry_run: true })).body as { matched: number; next_cursor: string }
  expect(counted.matched).toBe(1)
  await diesAt(after.id, new Date(Date.now() + 60_000).toISOString())
  const gone = await discard({ ...which, cursor: counted.next_cursor })
  expect(gone.body).toMatchObject({ matched: 1, discarded: 1, next_cursor: null })
  expect(await door.store.getDelivery('default', before.id)).toBeUndefined()
  expect(await door.store.getDelivery('default', after.id)).toBeDefined()
})

test('what another process runs, or may know of, is not gone', async () => {
  const member = { id: 'a', role: 'all', version: '1.0.0', url: null, asked: true, silentMs: 0 }
  const waits = delivery()
  await apply(door.store, 'default', { deliveries: [waits] }, 'elsewhere')
  const told = async (...all: readonly [config: string, ...installations: string[]][]) => {
    processes = all.map(([config, ...installations]) => ({ ...member, config, installations }))
    const { status, body } = await discard({ installation: 'elsewhere', dry_run: true })
    return status === 200 ? body['matched'] : body['detail']
  }
  expect(await told(['a'], ['a', 'default/elsewhere'])).toContain('Another process of the hub runs "elsewhere"')
  expect(await told(['a'], ['b'])).toContain('different configurations')
  expect(await told(['a'], ['a', 'default/other'])).toBe(1)
  processes = []
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

test('counters of a plugin are read, and by who may read answers the keys that it keeps, with values where they are asked for', async () => {
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
  const key = await door.key(['deliveries:write', 'responses:read'])
  expect((await door.call('GET', `${path}/kv`, { key })).body).toEqual({
    items: [
      { key: 'a/1', bytes: 5 },
      { key: 'b', bytes: 7 },
    ],
    next_cursor: null,
  })
  const poor = await door.key(['deliveries:write'])
  expect((await door.call('GET', `${path}/counters`, { key: poor })).status).toBe(200)
  for (const query of ['', '?values=true'])
    expect((await door.call('GET', `${path}/kv${query}`, { key: poor })).status).toBe(403)
  expect((await door.call('GET', '/api/v2/installations/gone/kv')).status).toBe(404)
})

test('the last alerts are shown, of one installation as well, and that there are earlier ones', async () => {
  const raised = ['crm', 'other', 'crm', 'crm'].map((installation, n) => {
    const data = JSON.stringify({ kind: `kind_${n}`, installation })
    return event({ type: 'alert.raised', at: later(n), data })
  })
  await door.store.appendEvents('default', raised)
  const kinds = async (...args: string[]) => {
    const { stdout, stderr } = await cli('alerts', ...args)
    return [stdout.match(/kind_\d/g), stderr.includes('There are earlier ones')]
  }
  expect(await kinds('--limit', '2')).toEqual([['kind_2', 'kind_3'], true])
  expect(await kinds('--installation', 'crm', '--limit', '2')).toEqual([['kind_2', 'kind_3'], true])
  expect(await kinds('--installation', 'crm', '--limit', '3')).toEqual([['kind_0', 'kind_2', 'kind_3'], false])
})

test('an installation is shown with what it is not shown; a schedule of its plugin is fired by hand', async () => {
  const fields = ['email', 'phone', 'n'].map((key) => ({ key, pii: key !== 'n' }))
  await door.saveForm('people', { name: 'People', fields })
  expect((await cli('installations', 'show', 'crm')).stdout).toMatch(/^not shown to it: people\.phone \(marked pii/m)
  const fired = await cli('installations', 'fire', 'crm', 'nightly', '--yes')
  expect([fired.stdout, fired.stderr]).toEqual(['dlv_1\n', expect.stringContaining('manifold runs --delivery dlv_1')])
  const asked = { workspace: 'default', installation: 'crm', schedule: 'nightly' }
  // Looked for before anybody is asked to mean it.
  expect(door.engineCalls.slice(-2)).toEqual([true, false].map((dryRun) => ['fire', { ...asked, dryRun }]))
})
