/** The desk: how an installation fares, why things died, and sending exactly those again. */
import { expect, test } from 'vitest'
import { deliveriesOf } from '../support/hostility.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { runCli } from '../cli/run-cli.ts'

interface Group {
  readonly cause: string
  readonly installation: string
  readonly code: string
  readonly message: string
  readonly count: number
  readonly example: { readonly id: string }
}
interface Page {
  readonly items: readonly { readonly id: string; readonly installation: string }[]
}

const configOf = (url: string) => ({
  forms: { shop: { name: 'Shop', fields: [{ key: 'item', type: 'text' }] } },
  network: { allow: ['127.0.0.1/32'] },
  installations: ['crm', 'chat'].map((id) => ({
    id,
    use: 'webhooks',
    with: { url: `${url}/${id}` },
    retry: { schedule: ['10ms'] },
  })),
})
const order = async (hub: Hub, item: string): Promise<string> => {
  const answer = await hub.api<{ id: string }>('POST', '/api/v2/forms/shop/responses', { data: { item } })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.id
}

test('what died is grouped by cause; a group is sent again, exactly those that were counted', async () => {
  let isDown = true
  await using receiver = await startReceiver(({ path }) => ({ status: isDown ? (path === '/crm' ? 404 : 400) : 200 }))
  await using hub = await startHub({ config: configOf(receiver.url) })
  const cli = (...args: readonly string[]) => runCli(hub.dataDir, [...args, '--data', hub.dataDir])
  for (const item of ['Käse', 'Brot', 'Wein']) await order(hub, item)
  await settled(hub)

  const grouped = await hub.api<{ items: readonly Group[]; whole: boolean }>('GET', '/api/v2/dead-letters/groups')
  expect(grouped.body.whole).toBe(true)
  expect(grouped.body.items.map(({ installation, code, count }) => [installation, code, count]).toSorted()).toEqual([
    ['chat', 'http_400', 3],
    ['crm', 'http_404', 3],
  ])
  const group = grouped.body.items.find(({ installation }) => installation === 'crm') as Group
  expect(group.message).toBe('The receiver answered #.')
  const ofGroup = await hub.api<Page>('GET', `/api/v2/dead-letters?cause=${group.cause}`)
  expect(new Set(ofGroup.body.items.map(({ installation }) => installation))).toEqual(new Set(['crm']))
  expect(ofGroup.body.items.map(({ id }) => id)).toContain(group.example.id)
  const table = await cli('dead-letters', '--group')
  expect(table.stdout).toMatch(new RegExp(`${group.cause} +3 +crm +http_404`))

  const shown = (await hub.api('GET', '/api/v2/installations/crm')).body
  expect(shown).toMatchObject({
    failure_streak: 6,
    last_error_code: 'http_404',
    last_error: 'The receiver answered 404.',
    last_success_at: null,
    oldest_waiting_at: null,
    credential: { state: 'unknown' },
    deliveries: { pending: 0, retrying: 0, dead: 3 },
  })
  const unknown = await cli('installations', 'fire', 'crm', 'nightly', '--yes')
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/^(?!.*will run)[^]*no schedule "nightly"/)])
  expect((await cli('status')).stdout).toMatch(
    /crm: 6 attempts failed in a row, last .+: http_404: The receiver answered 404\./,
  )

  isDown = false
  receiver.forget()
  const dry = await cli('dead-letters', 'replay', '--cause', group.cause, '--dry-run')
  expect(dry.stdout).toBe('3 would be sent again\n')
  expect(receiver.requests).toHaveLength(0)
  const real = await cli('dead-letters', 'replay', '--cause', group.cause, '--yes', '--json')
  expect(JSON.parse(real.stdout)).toEqual({ dry_run: false, matched: 3, replayed: 3 })
  await settled(hub)
  expect(receiver.requests.map(({ path }) => path)).toEqual(['/crm', '/crm', '/crm'])
  expect((await hub.api('GET', '/api/v2/installations/crm')).body).toMatchObject({ failure_streak: 0 })
  expect(new Set((await deliveriesOf(hub, 'chat')).map(({ state }) => state))).toEqual(new Set(['dead']))

  // By the API: by filter, or these; never both.
  const code = { since: '2020-01-01', code: 'http_400' }
  expect((await hub.api('POST', '/api/v2/replay', { ...code, dry_run: true })).body).toMatchObject({ matched: 3 })
  const ids = (await deliveriesOf(hub, 'chat')).slice(0, 2).map(({ id }) => id)
  expect((await hub.api('POST', '/api/v2/replay', { ...code, ids })).status).toBe(400)
  expect((await hub.api('POST', '/api/v2/replay', { ids })).body).toMatchObject({ replayed: 2 })
  await settled(hub)
  const left = await deliveriesOf(hub, 'chat')
  expect(left.filter(({ state }) => state === 'dead').map(({ id }) => ids.includes(id))).toEqual([false])
})

test('words are found in what was sent, and in answers only by those who may read them', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const wanted = await order(hub, 'a Räuchertofu & more')
  await order(hub, 'something else')
  await settled(hub)
  const search = async (words: string, key?: string) =>
    (
      await hub.api<Page>(
        'GET',
        `/api/v2/deliveries?text=${encodeURIComponent(words)}`,
        undefined,
        key === undefined ? {} : { key },
      )
    ).body.items.length
  expect(await search('räuchertofu'.replace('r', 'R'))).toBe(2)
  expect(await search(wanted)).toBe(2)
  expect(await search('nowhere')).toBe(0)
  const keyWith = async (scopes: readonly string[]) => {
    const made = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: scopes.join(), scopes })
    expect(made.status, made.text).toBe(201)
    return made.body.key
  }
  expect(await search('Räuchertofu', await keyWith(['deliveries:write']))).toBe(0)
  expect(await search('Räuchertofu', await keyWith(['deliveries:write', 'responses:read']))).toBe(2)
  const listed = await runCli(hub.dataDir, [
    'deliveries',
    '--text',
    'Räuchertofu',
    '--installation',
    'crm',
    '--json',
    '--data',
    hub.dataDir,
  ])
  expect((JSON.parse(listed.stdout) as Page).items).toHaveLength(1)
})

test('a test is sent with a real response of the past, down the live path', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const first = await order(hub, 'first')
  await order(hub, 'second')
  await settled(hub)
  receiver.forget()
  const cli = (...args: readonly string[]) =>
    runCli(hub.dataDir, ['installations', 'test', 'crm', ...args, '--data', hub.dataDir])
  expect((await cli('--response', first)).code).toBe(0)
  const [sent] = await receiver.received(1)
  expect(sent?.json()).toMatchObject({ data: { answers: { item: 'first' }, response: { id: first } } })
  expect((await cli('--last')).code).toBe(0)
  await until('the second test', () => receiver.requests, { accept: (list) => list.length === 2 })
  expect(receiver.requests[1]?.json()).toMatchObject({ data: { answers: { item: 'second' } } })
  expect(new Set(receiver.requests.map(({ path }) => path))).toEqual(new Set(['/crm']))
  const none = await cli('--response', 'rsp_none')
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining('There is no response "rsp_none".')])
  expect((await cli('--last', '--response', first)).code).toBe(2)
})
