/** What did my plugin do with this event, and why did it fail: one call tells, and says no more than it should. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { childrenOf } from '../support/processes.ts'
import { startReceiver } from '../support/receiver.ts'
import { until } from '../support/wait.ts'
import { runCli } from '../cli/run-cli.ts'

const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
const CANARY = 'canary-token-0123456789abcdef'
/** `file:line` of the first line of the witness's trouble that holds this text. */
const placeOf = (text: string): string => {
  const lines = readFileSync(`${PLUGINS}/witness/trouble.ts`, 'utf8').split('\n')
  return `trouble.ts:${lines.findIndex((line) => line.includes(text)) + 1}:`
}

interface Run {
  readonly id: string
  readonly installation: string
  readonly kind: string
  readonly name: string
  readonly attempt: number
  readonly outcome: string
  readonly error_code: string | null
  readonly error: string | null
  readonly more: number
  readonly logs: readonly { readonly message: string }[]
  readonly [part: string]: unknown
}
interface Page {
  readonly items: readonly Run[]
}

const configOf = (url: string, more: object = {}) => ({
  forms: {
    guests: {
      name: 'Guests',
      fields: [
        { key: 'name', type: 'text' },
        { key: 'email', type: 'email', pii: true },
      ],
    },
  },
  network: { allow: ['127.0.0.1/32'] },
  pluginDirs: [PLUGINS],
  installations: [
    { id: 'witness', use: 'witness', with: { url, token: CANARY }, retry: { schedule: ['50ms'] }, ...more },
  ],
})
const answer = async (hub: Hub, name: string) => {
  const sent = await hub.api<{ id: string; event_id: string }>('POST', '/api/v2/forms/guests/responses', {
    data: { name, email: 'ada@private.example' },
  })
  expect(sent.status, sent.text).toBe(201)
  return { response: sent.body.id, event: sent.body.event_id }
}
const operatorKey = async (hub: Hub): Promise<string> =>
  (await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'operator', scopes: ['deliveries:write'] })).body.key
const runsOf = async (hub: Hub, query: string): Promise<readonly Run[]> =>
  (await hub.api<Page>('GET', `/api/v2/runs?${query}`)).body.items

test('a handler that fails: found by its event, with its lines, the place where it threw, and the input it got', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const { event, response } = await answer(hub, 'boom')
  await settled(hub)
  const runs = await runsOf(hub, `event=${event}`)
  const [delivery] = (await hub.api<{ items: { id: string }[] }>('GET', `/api/v2/deliveries?event=${event}`)).body.items
  expect(runs.map(({ attempt }) => attempt)).toEqual([2, 1])
  for (const run of runs) {
    expect(run).toMatchObject({
      installation: 'witness',
      plugin: 'witness',
      version: '2.3.4',
      kind: 'handler',
      name: 'response.submitted',
      outcome: 'failed',
      error_code: 'plugin_threw',
      items: [{ event_id: event, delivery_id: delivery?.id, form_id: 'guests', response_id: response }],
      effects: [],
      logs: [{ level: 'info', message: 'saw boom' }],
    })
    expect(run.error).toContain('RangeError: it exploded at boom')
    expect(run.error).toContain(placeOf('throw new RangeError'))
    expect(run['stack']).toMatch(/^at trouble\.ts:\d+:\d+\nat index\.ts:\d+:\d+/)
  }
  // The input is what the plugin got: the parts its manifest names, without the field it has no grant for.
  const shown = (await hub.api<Run>('GET', `/api/v2/runs/${runs[1]?.id}`)).body
  expect(shown['input']).toEqual({
    id: event,
    type: 'response.submitted',
    v: 1,
    at: expect.any(String),
    data: { name: 'boom' },
    form: expect.objectContaining({ id: 'guests' }),
  })
  expect(JSON.stringify(shown['input'])).not.toContain('ada@private.example')
  expect(shown['withheld']).toEqual(['email'])
  // Whoever may not read answers is not shown them here.
  const key = await operatorKey(hub)
  const { body: bare, text } = await hub.api<Run>('GET', `/api/v2/runs/${runs[1]?.id}`, undefined, { key })
  expect(bare).toMatchObject({
    error: runs[1]?.error,
    input: null,
    input_missing: expect.stringContaining('responses:read'),
  })
  expect(text).not.toContain('"data"')
  // And the terminal of whoever watches names the run.
  const told = hub.logs.filter(({ run }) => run === runs[1]?.id)
  expect(told.map(({ level }) => level)).toEqual(['info', 'warn'])
  expect(told[1]?.['error']).toBe(runs[1]?.error)
})

test('a run that worked, and the action it asked for: effects as keys and sizes, the request, each by its delivery', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const { event } = await answer(hub, 'Ada')
  await settled(hub)
  const [action, handler] = (await runsOf(hub, `event=${event}&outcome=ok`)) as [Run, Run]
  const [delivery] = (await hub.api<{ items: { id: string }[] }>('GET', `/api/v2/deliveries?event=${event}`)).body.items
  expect(handler).toMatchObject({ kind: 'handler', outcome: 'ok', error: null })
  expect(handler['effects']).toEqual([
    { kind: 'enqueue', action: 'post', key: `post ${event}`, delivery_id: delivery?.id },
    { kind: 'kv', key: 'last', bytes: 5 },
    { kind: 'emit', type: 'plugin.witness.seen', event_id: expect.stringMatching(/^evt_/) },
    { kind: 'tally', name: 'seen', by: 1 },
  ])
  expect(action).toMatchObject({
    kind: 'action',
    name: 'post',
    attempt: 1,
    items: [{ event_id: event, delivery_id: delivery?.id, outcome: 'delivered' }],
    requests: [{ method: 'POST', url: `${receiver.url}/Ada`, status: 200, error: null }],
    logs: [{ level: 'warn', message: 'posting' }],
  })
  expect(await runsOf(hub, `delivery=${delivery?.id}`)).toEqual([action])
  const [shownHandler, shownAction] = await Promise.all(
    [handler, action].map(async ({ id }) => (await hub.api<Run>('GET', `/api/v2/runs/${id}`)).body),
  )
  expect(shownHandler?.['effects']).toMatchObject([{ delivery: { id: delivery?.id, state: 'delivered' } }, {}, {}, {}])
  expect(shownAction?.['input']).toEqual([
    {
      input: { name: 'Ada' },
      event: expect.objectContaining({ id: event, data: { name: 'Ada' } }),
      delivery: expect.objectContaining({ id: delivery?.id, attempt: 1 }),
    },
  ])
  // Keys are made of what was answered: who may not read that sees that something was kept, and not under which.
  const operator = await operatorKey(hub)
  for (const path of [`?event=${event}`, `/${handler.id}`]) {
    const { body } = await hub.api<Run & { items?: Run[] }>('GET', `/api/v2/runs${path}`, undefined, { key: operator })
    const seen = body.items?.find(({ id }) => id === handler.id) ?? body
    expect(seen['effects']).toMatchObject([{ kind: 'enqueue', key: null }, { kind: 'kv', key: null, bytes: 5 }, {}, {}])
  }
  // What was sent and answered is for those who may read answers; the others see what became of it.
  type Detail = { readonly input_missing: string | null; readonly attempt_log: unknown }
  const [full, bare] = await Promise.all(
    [hub.adminKey, operator].map((key) =>
      hub.api<Detail>('GET', `/api/v2/deliveries/${delivery?.id}`, undefined, { key }),
    ),
  )
  const exchange = { method: 'POST', status: 200 }
  expect(full?.body).toMatchObject({
    input: { name: 'Ada' },
    input_missing: null,
    attempt_log: [
      {
        exchanges: [
          {
            ...exchange,
            url: expect.stringContaining('?token='),
            request_body: expect.any(String),
            response_body: expect.any(String),
          },
        ],
      },
    ],
  })
  expect(bare?.body).toMatchObject({
    state: 'delivered',
    input: null,
    input_missing: expect.stringContaining('responses:read'),
    attempt_log: [
      { exchanges: [{ ...exchange, url: `${receiver.url}/Ada`, request_body: null, response_body: null }] },
    ],
  })
  // One that is killed under way is made again; what is known of it is told all the same.
  receiver.respond([{ hang: true }, {}])
  const { event: cutOff } = await answer(hub, 'Eve')
  await until('the action to wait for its receiver', () =>
    receiver.requests.some(({ path }) => path.startsWith('/Eve')),
  )
  for (const pid of await childrenOf(hub.pid)) process.kill(pid, 'SIGKILL')
  await settled(hub)
  const [again, killed] = await runsOf(hub, `event=${cutOff}&kind=action`)
  expect(again).toMatchObject({ attempt: 1, outcome: 'ok', items: [{ outcome: 'delivered' }] })
  expect(killed).toMatchObject({
    attempt: 1,
    outcome: 'failed',
    error_code: 'plugin_interrupted',
    items: [{ event_id: cutOff, outcome: null }],
    logs: [{ level: 'warn', message: 'posting' }],
    requests: [],
  })
  expect(killed?.error).toMatch(/the sandbox process ended: .*SIGKILL/)
  expect(hub.logs.filter(({ run }) => run === killed?.id).at(-1)?.['msg']).toBe('a run was cut off')
})

test('actions that fail: one that throws with its line, one that says no, one whose receiver fails', async () => {
  await using receiver = await startReceiver({ status: 500 })
  await using hub = await startHub({ config: configOf(receiver.url) })
  const crashed = await answer(hub, 'crash')
  const refused = await answer(hub, 'refuse')
  const failed = await answer(hub, 'Bob')
  await settled(hub)
  const failures = async ({ event }: { event: string }) => await runsOf(hub, `event=${event}&kind=action`)
  const [second, first] = (await failures(crashed)) as [Run, Run]
  expect([first.attempt, second.attempt]).toEqual([1, 2])
  expect(first.error).toContain('the action crashed')
  expect(first.error).toContain(placeOf("throw new Error('the action"))
  expect(await failures(refused)).toMatchObject([
    { outcome: 'failed', error_code: 'not_wanted', error: 'nobody wants this', items: [{ outcome: 'dead' }] },
  ])
  expect(await failures(failed)).toMatchObject([
    { outcome: 'failed', error_code: 'http_500', requests: [{ status: 500 }], items: [{ outcome: 'retry' }] },
    { outcome: 'failed', error_code: 'http_500', requests: [{ status: 500 }], items: [{ outcome: 'retry' }] },
  ])
  expect((await runsOf(hub, 'outcome=failed')).every(({ outcome }) => outcome === 'failed')).toBe(true)
})

test('schedules and routes are runs as well', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const [tick] = await until('the schedule to run', () => runsOf(hub, 'kind=schedule'), {
    accept: (runs) => runs.length > 0,
  })
  expect(tick).toMatchObject({
    name: 'tick',
    outcome: 'ok',
    items: [{ event_id: null }],
    logs: [{ message: 'ticked' }],
  })
  const shown = (await hub.api<Run>('GET', `/api/v2/runs/${tick?.id}`)).body
  expect(shown['input']).toEqual({ at: expect.any(String), missed: 0 })
  expect((await hub.api('GET', '/i/witness/fine')).status).toBe(200)
  const refused = await hub.api('POST', '/i/witness/broken', {})
  expect([refused.status, refused.body]).toMatchObject([502, { code: 'plugin_failed', instance: expect.any(String) }])
  expect(refused.text).not.toMatch(/RangeError|trouble\.ts|no such thing/)
  const [broken, fine] = (await runsOf(hub, 'kind=route')) as [Run, Run]
  expect(fine).toMatchObject({ name: 'GET /fine', outcome: 'ok', effects: [{ kind: 'kv', key: 'asked', bytes: 4 }] })
  expect(broken).toMatchObject({ name: 'POST /broken', outcome: 'failed', error_code: 'plugin_threw', items: [] })
  expect(broken.error).toContain(placeOf('throw new RangeError'))
  const told = hub.stderr.split('\n').filter((line) => line.includes(String(refused.body['instance'])))
  expect(told.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({
      level: 'warn',
      msg: 'a route failed',
      plugin: 'witness',
      run: broken.id,
      error: expect.stringContaining(placeOf('throw new RangeError')),
    }),
  ])
  expect((await hub.api<Run>('GET', `/api/v2/runs/${broken.id}`)).body).toMatchObject({
    input: null,
    input_missing: 'The request of a route is not kept.',
  })
})

test('the history survives a restart', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const { event } = await answer(hub, 'Ada')
  await settled(hub)
  await hub.kill('SIGTERM')
  await hub.restart()
  expect((await runsOf(hub, `event=${event}`)).map(({ kind }) => kind)).toEqual(['action', 'handler'])
})

test('deleting a response takes its runs along', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const [gone, stays] = [await answer(hub, 'private-name-1'), await answer(hub, 'boom')]
  await settled(hub)
  const before = await runsOf(hub, `response=${gone.response}`)
  expect(before.map(({ kind }) => kind)).toEqual(['action', 'handler'])
  expect((await hub.api('DELETE', `/api/v2/responses/${gone.response}`)).status).toBe(204)
  for (const { id } of before) expect((await hub.api('GET', `/api/v2/runs/${id}`)).status).toBe(404)
  expect(JSON.stringify(await allItems(hub, '/api/v2/runs'))).not.toContain('private-name-1')
  expect((await runsOf(hub, `event=${stays.event}`)).length).toBeGreaterThan(0)
})

test('a secret never shows, wherever the plugin puts it', async () => {
  await using receiver = await startReceiver(({ headers, path }) => ({ body: `${headers['authorization']} ${path}` }))
  // The same value where it is no secret: what the plugin says of it is masked all the same.
  const careless = { with: { url: `${receiver.url}/${CANARY}`, token: CANARY, careless: CANARY } }
  await using hub = await startHub({ config: configOf(receiver.url, careless) })
  for (const name of ['Ada', 'boom', 'crash', CANARY]) await answer(hub, name)
  await settled(hub)
  const list = await hub.api('GET', '/api/v2/runs?limit=200')
  const sent = JSON.stringify(receiver.requests.map(({ path, headers }) => [path, headers]))
  expect(sent).toContain(CANARY)
  expect(list.text).toContain('[secret]')
  const table = await runCli(hub.dataDir, ['runs', '--data', hub.dataDir, '--json'])
  const ran = (list.body as unknown as Page).items.filter(({ kind }) => kind !== 'schedule')
  const shown = await Promise.all(
    ran.map(async ({ id }) => (await runCli(hub.dataDir, ['runs', 'show', id, '--data', hub.dataDir])).stdout),
  )
  // The input is what was sent in: a sender who knows the secret may say it.
  const texts = [list.text, table.stdout, ...shown.map((text) => text.replace(/^input:\n.*$/m, '')), hub.stderr]
  for (const text of texts) expect(text.includes(CANARY), text.slice(0, 2_000)).toBe(false)
})

test('manifold runs: a table to find it, and a page that explains it', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const { event } = await answer(hub, 'boom')
  await answer(hub, 'Ada')
  await settled(hub)
  const cli = (...args: readonly string[]) => runCli(hub.dataDir, ['runs', ...args, '--data', hub.dataDir])
  const table = await cli('--event', event, '--failed')
  expect(table.code, table.stderr).toBe(0)
  expect(table.stdout.split('\n').filter((line) => line.startsWith('run_'))).toHaveLength(2)
  expect(table.stdout).toContain(placeOf('throw new RangeError'))
  const [run] = JSON.parse((await cli('list', '--event', event, '--json')).stdout).items as Run[]
  const page = await cli('show', String(run?.id))
  expect(page.code, page.stderr).toBe(0)
  for (const part of [
    'error: plugin_threw',
    placeOf('throw new RangeError'),
    '"name":"boom"',
    'saw boom',
    'without email',
    event,
  ])
    expect(page.stdout).toContain(part)
  const ok = await cli('--installation', 'witness', '--kind', 'handler', '--json')
  const worked = (JSON.parse(ok.stdout).items as Run[]).find(({ outcome }) => outcome === 'ok')
  const effects = (await cli('show', String(worked?.id))).stdout
  for (const part of [
    'enqueue post as post evt_',
    ' delivered',
    'kv set last (5 bytes)',
    'emit plugin.witness.seen',
    'tally seen 1',
  ])
    expect(effects).toContain(part)
  const none = await cli('--event', 'evt_none')
  expect([none.code, none.stderr.includes('manifold deliveries --event evt_none')]).toEqual([0, true])
  const missing = await cli('show', 'run_none')
  expect([missing.code !== 0, missing.stderr.includes('There is no run "run_none"')]).toEqual([true, true])
})

test('2,000 events in a burst: a bounded number of runs is recorded, and the rest is counted', async () => {
  await using receiver = await startReceiver()
  await using hub = await startHub({ config: configOf(receiver.url) })
  const rows = Array.from({ length: 500 }, (_, n) => ({ data: { name: `guest ${n}` } }))
  const startedMs = performance.now()
  for (let n = 0; n < 4; n++) await hub.api('POST', '/api/v2/forms/guests/responses/batch', rows)
  await settled(hub, 60_000)
  const seconds = Math.ceil((performance.now() - startedMs) / 1_000)
  const runs = await allItems<Run>(hub, '/api/v2/runs')
  for (const kind of ['handler', 'action']) {
    const some = runs.filter((run) => run.kind === kind)
    expect(
      some.reduce((sum, { more }) => sum + 1 + more, 0),
      kind,
    ).toBe(2_000)
  }
  // 20 at once and 2 a second, schedules included; the first of each kind in any case.
  expect(runs.length).toBeLessThanOrEqual(20 + 2 * seconds + 3)
})
