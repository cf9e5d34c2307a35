/** Sixth stop: what could not be delivered, why, what exactly was tried, and trying once more. */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { DECK, sceneConfig } from '../support/scene.ts'
import { FAULT_PLUGINS } from '../support/scene.ts'

const SECRET = 'never-to-be-seen-0123456789'
const PATH = `/api/v2/forms/${DECK}/responses`

interface DeadLetter {
  readonly id: string
  readonly installation: string
  readonly reason: string
  readonly error_code: string
  readonly attempts: number
}

interface Detail extends DeadLetter {
  readonly state: string
  readonly attempt_log: readonly {
    readonly n: number
    readonly outcome: string
    readonly error_code: string | null
    readonly exchanges: readonly {
      readonly method: string
      readonly url: string
      readonly status: number | null
      readonly request_headers: Readonly<Record<string, string>>
      readonly request_body: string
      readonly response_headers: Readonly<Record<string, string>>
      readonly response_body: string
      readonly truncated: boolean
      readonly duration_ms: number
    }[]
  }[]
}

test('four ways to die, each with its class; the attempt log shows everything but secrets; one is replayed and lives', async () => {
  await using receiver = await startReceiver(({ path }) =>
    path === '/rejects'
      ? { status: 422, body: `no: ${SECRET}` }
      : { status: 500, body: 'down', headers: { 'x-trace': 't-1' } },
  )
  const installations = [
    {
      id: 'down',
      use: 'webhooks',
      with: { url: `${receiver.url}/down`, secret: SECRET, secretHeaders: { authorization: `Bearer ${SECRET}` } },
      retry: { schedule: ['10ms'] },
    },
    {
      id: 'rejects',
      use: 'webhooks',
      with: { url: `${receiver.url}/rejects`, secretHeaders: { 'x-token': SECRET }, permanent4xx: 'dead' },
    },
    { id: 'unclear', use: 'webhooks', with: { url: `${receiver.url}/unclear`, template: '{{#data.key}}' } },
    { id: 'throws', use: 'throws', retry: { schedule: [] } },
  ]
  await using hub = await startHub({ config: sceneConfig({ installations, pluginDirs: [FAULT_PLUGINS] }) })
  await hub.api('POST', PATH, { data: { key: 'one' } })
  await settled(hub)

  const dead = await hub.api<{ items: readonly DeadLetter[]; causes: readonly { reason: string; count: number }[] }>(
    'GET',
    '/api/v2/dead-letters',
  )
  expect(
    Object.fromEntries(
      dead.body.items.map((item) => [item.installation, [item.reason, item.error_code, item.attempts]]),
    ),
  ).toEqual({
    down: ['receiver_failed', 'http_500', 2],
    rejects: ['permanent_reject', 'http_422', 1],
    unclear: ['config_error', 'config_invalid', 1],
    throws: ['internal_error', 'plugin_threw', 1],
  })
  expect(dead.body.causes.toSorted((a, b) => (a.reason < b.reason ? -1 : 1))).toEqual([
    { reason: 'config_error', count: 1 },
    { reason: 'internal_error', count: 1 },
    { reason: 'permanent_reject', count: 1 },
    { reason: 'receiver_failed', count: 1 },
  ])
  expect((await allItems(hub, '/api/v2/dead-letters?reason=receiver_failed&installation=down')).length).toBe(1)

  const down = dead.body.items.find(({ installation }) => installation === 'down') as DeadLetter
  const detail = await hub.api<Detail>('GET', `/api/v2/deliveries/${down.id}`)
  expect(detail.body.attempt_log.map(({ n, outcome, error_code: code }) => [n, outcome, code])).toEqual([
    [1, 'retry', 'http_500'],
    [2, 'retry', 'http_500'],
  ])
  const exchange = detail.body.attempt_log[0]?.exchanges[0]
  expect(exchange).toMatchObject({
    method: 'POST',
    url: `${receiver.url}/down`,
    status: 500,
    response_body: 'down',
    truncated: false,
  })
  expect(exchange?.response_headers['x-trace']).toBe('t-1')
  expect(exchange?.request_body).toBe(receiver.requests.find(({ path }) => path === '/down')?.body)
  expect(receiver.requests.find(({ path }) => path === '/down')?.headers['authorization']).toBe(`Bearer ${SECRET}`)

  // The secret is in no answer, even when the receiver says it back.
  const rejected = await hub.api(
    'GET',
    `/api/v2/deliveries/${dead.body.items.find(({ installation }) => installation === 'rejects')?.id}`,
  )
  for (const text of [
    detail.text,
    rejected.text,
    dead.text,
    (await hub.api('GET', '/api/v2/installations')).text,
    hub.stderr,
  ]) {
    expect(text).not.toContain(SECRET)
  }
  expect(rejected.text).toContain('no: ')

  receiver.respond({ status: 200 })
  receiver.forget()
  const replayed = await hub.api('POST', `/api/v2/deliveries/${down.id}/replay`)
  expect(replayed.status, replayed.text).toBe(202)
  await settled(hub)
  expect(receiver.requests.map(({ id }) => id)).toEqual([down.id])
  const after = await hub.api<Detail>('GET', `/api/v2/deliveries/${down.id}`)
  expect(after.body).toMatchObject({ state: 'delivered', attempts: 3, reason: null })
  expect(
    (await allItems<DeadLetter>(hub, '/api/v2/dead-letters')).map(({ installation }) => installation),
  ).not.toContain('down')
  // Waiting ones and unknown ones are told apart.
  expect((await hub.api('POST', '/api/v2/deliveries/dlv_00000000-0000-7000-8000-000000000000/replay')).status).toBe(404)
})

test('a dead letter is also an event, and a line in the metrics', async () => {
  await using receiver = await startReceiver({ status: 500 })
  const installations = [
    { id: 'down', use: 'webhooks', with: { url: `${receiver.url}/down` }, retry: { schedule: [] } },
    {
      id: 'watcher',
      use: 'webhooks',
      with: { url: `${receiver.url}/watch` },
      when: { event: 'delivery.dead' },
      retry: { schedule: [] },
    },
  ]
  await using hub = await startHub({ config: sceneConfig({ installations }) })
  await hub.api('POST', PATH, { data: { key: 'one' } })
  const told = await until('the watcher to be told', () => receiver.requests.find(({ path }) => path === '/watch'))
  await settled(hub)
  const alarm = told?.json<{ type: string; data: { payload: object } }>()
  expect(alarm).toMatchObject({
    type: 'delivery.dead',
    data: { payload: { installation: 'down', reason: 'receiver_failed' } },
  })
  expect(await hub.metric('manifold_deliveries', { installation: 'down', state: 'dead' })).toBe(1)
})
