/** The operator's side: forms, lists and their cursors, deliveries, dead letters, replay, installations, health, pages. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../core/ids.ts'
import type { FinishedAttempt } from '../../core/storage/store.ts'
import { openDoor, raw } from './door.ts'
import type { Answer, Door } from './door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: { formsPerWorkspaceMax: 6 } })
})
afterAll(() => door[Symbol.asyncDispose]())

const get = (path: string) => door.call('GET', path)
const post = (path: string, json: unknown) => door.call('POST', path, { json })
const items = (answer: Answer) => answer.body['items'] as Record<string, unknown>[]

describe('forms', () => {
  test('are created, read, listed, changed with their versions kept, and deleted', async () => {
    const made = await post('/api/v2/forms', {
      id: 'one',
      name: 'One',
      fields: [{ key: 'a', type: 'select', options: ['x'] }],
    })
    expect([made.status, made.headers['location']]).toEqual([201, '/api/v2/forms/one'])
    expect(made.body).toMatchObject({
      id: 'one',
      version: 1,
      managed_by: 'api',
      unknown_fields: 'keep',
      fields: [{ key: 'a', label: 'a', options: [{ value: 'x', label: 'x' }] }],
    })
    expect((await post('/api/v2/forms', { id: 'one', name: 'Again' })).body['code']).toBe('conflict')
    const nameless = await post('/api/v2/forms', { name: 'Nameless' })
    expect(nameless.body['id']).toMatch(/^frm_/)
    expect(items(await get('/api/v2/forms')).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['one', nameless.body['id']]),
    )
    // Without what the hub owns it is a definition again.
    const { id: _id, version: _v, managed_by: _m, created_at: _c, updated_at: _u, ...definition } = made.body
    expect((await door.call('PUT', '/api/v2/forms/one', { json: definition })).body['version']).toBe(1)
    expect((await door.call('PUT', '/api/v2/forms/one', { json: { ...definition, name: 'Uno' } })).body).toMatchObject({
      version: 2,
      name: 'Uno',
    })
    expect(items(await get('/api/v2/forms/one/versions')).map(({ version }) => version)).toHaveLength(2)
    expect((await door.call('DELETE', '/api/v2/forms/one')).status).toBe(204)
    expect((await get('/api/v2/forms/one')).status).toBe(404)
    expect((await door.call('PUT', '/api/v2/forms/one', { json: definition })).status).toBe(404)
  })

  test('that are not valid are refused with every place', async () => {
    const answer = await post('/api/v2/forms', { id: 'no good', fields: [{ key: 'a' }, { key: 'a' }] })
    expect([answer.status, answer.body['code']]).toEqual([422, 'invalid_form'])
    expect((answer.body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual(['/id', '/name'])
    expect((await post('/api/v2/forms', [])).status).toBe(422)
  })

  test('of manifold.yaml cannot be changed here', async () => {
    const form = await door.saveForm('filed', {})
    await door.store.saveForm({
      workspace: 'default',
      id: 'filed',
      definition: { ...form, name: 'From the file' },
      managedBy: 'file',
      at: new Date().toISOString(),
      eventId: newId('event'),
      mode: 'upsert',
    })
    expect((await door.call('PUT', '/api/v2/forms/filed', { json: { name: 'x' } })).body['code']).toBe(
      'managed_by_file',
    )
    expect((await door.call('DELETE', '/api/v2/forms/filed')).body['code']).toBe('managed_by_file')
  })

  test('are limited in number', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 7; i++) statuses.push((await post('/api/v2/forms', { name: `f${i}` })).status)
    expect(statuses).toContain(201)
    expect(statuses.at(-1)).toBe(409)
    const spare = items(await get('/api/v2/forms')).find(({ name }) => name === 'f0')
    await door.call('DELETE', `/api/v2/forms/${String(spare?.['id'])}`)
    expect((await post('/api/v2/forms', { name: 'fits again' })).status).toBe(201)
  })
})

describe('lists', () => {
  test('come in pages that meet without overlap, and refuse cursors that are none', async () => {
    await door.saveForm('many', {})
    await door.call('POST', '/api/v2/forms/many/responses/batch', {
      body: Array.from({ length: 25 }, (_, n) => JSON.stringify({ data: { n } })).join('\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    })
    const seen: unknown[] = []
    let cursor: string | null = null
    do {
      const page = await get(`/api/v2/forms/many/responses?limit=10${cursor === null ? '' : `&cursor=${cursor}`}`)
      seen.push(...items(page).map(({ data }) => (data as { n: number }).n))
      cursor = page.body['next_cursor'] as string | null
    } while (cursor !== null)
    expect(seen).toHaveLength(25)
    expect(new Set(seen).size).toBe(25)
    for (const bad of ['nonsense', '!!!', Buffer.from('x').toString('base64url')]) {
      expect((await get(`/api/v2/forms/many/responses?cursor=${bad}`)).body['code'], bad).toBe('invalid_query')
      expect((await get(`/api/v2/deliveries?cursor=${bad}`)).body['code']).toBe('invalid_query')
      expect((await get(`/api/v2/events?cursor=${bad}`)).body['code']).toBe('invalid_query')
    }
  })

  test.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'since=yesterday',
    'until=2026-13-01',
    'status=done',
    'fro=2026-01-01',
    '__proto__=1',
  ])('?%s is refused by name', async (query) => {
    const answer = await get(`/api/v2/responses?${query}`)
    expect([answer.status, answer.body['code']]).toEqual([422, 'invalid_query'])
    expect((answer.body['errors'] as { pointer: string }[])[0]?.pointer).toBe(`/${query.split('=')[0]}`)
  })

  test('of responses take times and states', async () => {
    expect(items(await get('/api/v2/responses?form=many&since=2020-01-01&until=2020-01-02T00:00:00%2B02:00'))).toEqual(
      [],
    )
    expect(items(await get('/api/v2/responses?form=many&since=2020-01-01&status=completed&limit=3'))).toHaveLength(3)
    expect(items(await get('/api/v2/responses?form=many&status=partial'))).toEqual([])
    expect((await get('/api/v2/forms/nix/responses')).status).toBe(404)
  })

  test('of events go forward through the log, by type and form', async () => {
    const submitted = items(await get('/api/v2/events?type=response.submitted&form=many&limit=20'))
    expect(submitted).toHaveLength(20)
    expect(submitted.every(({ type, form_id: form }) => type === 'response.submitted' && form === 'many')).toBe(true)
    const first = await get('/api/v2/events?type=response.submitted&form=many&limit=20')
    const rest = await get(
      `/api/v2/events?type=response.submitted&form=many&limit=20&cursor=${String(first.body['next_cursor'])}`,
    )
    expect([items(rest).length, rest.body['next_cursor']]).toEqual([5, null])
    expect(items(await get('/api/v2/events?until=2020-01-01'))).toEqual([])
  })
})

test('a deleted response is gone, from the log as well', async () => {
  const sent = await post('/api/v2/forms/many/responses', { data: { secret: 'forget-me' } })
  expect((await door.call('DELETE', `/api/v2/responses/${String(sent.body['id'])}`)).status).toBe(204)
  expect((await get(`/api/v2/responses/${String(sent.body['id'])}`)).status).toBe(404)
  expect((await door.call('DELETE', `/api/v2/responses/${String(sent.body['id'])}`)).status).toBe(404)
  expect((await get(`/api/v2/events/${String(sent.body['event_id'])}`)).body['data']).toBeNull()
  expect((await get('/api/v2/events?form=many&type=response.deleted')).text).not.toContain('forget-me')
  expect(door.heard.at(-1)).toMatchObject({ type: 'response.deleted', responseId: sent.body['id'] })
})

describe('deliveries', () => {
  const at = '2026-05-31T09:30:00.000Z'
  beforeAll(async () => {
    await door.store.syncInstallations([{ workspace: 'default', id: 'crm', plugin: 'webhooks', cursor: 0, at }])
    const make = (key: string) => ({
      id: newId('delivery'),
      kind: 'action' as const,
      name: 'post',
      key,
      eventSeq: 1,
      eventId: 'evt_x',
      formId: 'many',
      responseId: null,
      orderKey: null,
      input: '{"text":"hello"}',
      dueAtMs: 0,
    })
    const none = { deliveries: [], kv: [], events: [], tallies: [] }
    const committed = await door.store.commitHandled({
      workspace: 'default',
      installation: 'crm',
      plugin: 'webhooks',
      fromCursor: 0,
      toCursor: 1,
      effects: { ...none, deliveries: [make('a'), make('b'), make('c')] },
    })
    if (committed.kind !== 'committed') throw new Error('not committed')
    const finish = (index: number, more: Partial<FinishedAttempt>): FinishedAttempt => ({
      workspace: 'default',
      deliveryId: committed.deliveries[index]?.id ?? '',
      installation: 'crm',
      plugin: 'webhooks',
      state: 'dead',
      scheduleStep: 1,
      dueAtMs: 0,
      reason: 'receiver_failed',
      errorCode: 'http_500',
      error: 'The receiver answered 500.',
      host: 'crm.example',
      attempt: {
        at,
        durationMs: 12,
        outcome: 'retry',
        errorCode: 'http_500',
        error: 'The receiver answered 500.',
        logs: [],
        exchanges: [
          {
            method: 'POST',
            url: 'https://crm.example/',
            requestHeaders: { authorization: '***' },
            requestBody: '{}',
            status: 500,
            responseHeaders: {},
            responseBody: 'no',
            truncated: false,
            durationMs: 11,
            error: null,
          },
        ],
      },
      effects: none,
      ...more,
    })
    await door.store.finishAttempts([finish(0, {}), finish(1, { reason: 'permanent_reject' })])
  })

  test('are listed by state and read with every attempt', async () => {
    expect(items(await get('/api/v2/deliveries?installation=crm'))).toHaveLength(3)
    expect(items(await get('/api/v2/deliveries?state=pending&form=many'))).toHaveLength(1)
    expect(items(await get('/api/v2/deliveries?installation=other'))).toEqual([])
    const dead = items(await get('/api/v2/deliveries?state=dead&reason=receiver_failed'))[0]
    const detail = await get(`/api/v2/deliveries/${String(dead?.['id'])}`)
    expect(detail.body).toMatchObject({
      state: 'dead',
      attempts: 1,
      due_at: null,
      input: { text: 'hello' },
      error_code: 'http_500',
      attempt_log: [
        {
          n: 1,
          duration_ms: 12,
          outcome: 'retry',
          exchanges: [{ status: 500, request_headers: { authorization: '***' }, response_body: 'no' }],
        },
      ],
    })
  })

  test('that are dead are listed with a count for each cause', async () => {
    const answer = await get('/api/v2/dead-letters?installation=crm')
    expect(items(answer)).toHaveLength(2)
    expect(answer.body['causes']).toEqual([
      { reason: 'receiver_failed', count: 1 },
      { reason: 'permanent_reject', count: 1 },
    ])
    expect((await get('/api/v2/dead-letters?reason=permanent_reject')).body['causes']).toEqual([
      { reason: 'permanent_reject', count: 1 },
    ])
  })

  test('are replayed one by one or by time, after a count that changes nothing', async () => {
    const dead = items(await get('/api/v2/dead-letters'))[0]
    const one = await post(`/api/v2/deliveries/${String(dead?.['id'])}/replay`, {})
    expect(one.status).toBe(202)
    expect(door.engineCalls.at(-1)).toEqual([
      'replay',
      { workspace: 'default', deliveryIds: [dead?.['id']], states: ['dead', 'delivered'] },
    ])
    const calls = door.engineCalls.length
    const dry = await post('/api/v2/replay', { since: '2020-01-01', installation: 'crm', dry_run: true })
    const start = expect.any(String)
    expect([dry.status, dry.body]).toEqual([200, { dry_run: true, matched: 2, replayed: 0, next_cursor: start }])
    expect(door.engineCalls).toHaveLength(calls)
    const real = await post('/api/v2/replay', { since: '2020-01-01', reason: 'receiver_failed' })
    expect([real.status, real.body]).toEqual([202, { dry_run: false, matched: 2, replayed: 2, next_cursor: start }])
    const since = '2020-01-01T00:00:00.000Z'
    const asked = { workspace: 'default', since, states: ['dead'], reason: 'receiver_failed', endedBy: start }
    expect(door.engineCalls.at(-1)).toEqual(['replay', asked, 5_000])
    // The next request goes on where that one stopped, and is about what had ended when it came.
    const query = door.engineCalls.at(-1)?.[1] as { readonly endedBy: string } | undefined
    await post('/api/v2/replay', { since, reason: 'receiver_failed', cursor: real.body['next_cursor'], limit: 7 })
    expect(door.engineCalls.at(-1)).toEqual(['replay', { ...asked, endedBy: query?.endedBy, after: 'x~y' }, 7])
    expect((await post('/api/v2/replay', { since: '2020-01-01', cursor: 'else' })).status).toBe(422)
    expect((await post('/api/v2/replay', { installation: 'crm' })).body['errors']).toEqual([
      expect.objectContaining({ pointer: '/since' }),
    ])
  })
})

test('what an installation used is shown, and when it returns', async () => {
  const [shown] = items(await get('/api/v2/installations'))
  expect(shown).toMatchObject({
    returns_at: '2026-03-01T12:30:00.000Z',
    usage: {
      points: 9_876,
      points_max: 10_000,
      // Interrupted ones are run again, so they did not end.
      runs: 7,
      failed: 1,
      failed_by_code: { plugin_cpu: 1 },
      by_kind: { action: { ok: 4, interrupted: 5 } },
      cpu_ms: 620.123,
      host_ops: 8,
      http_calls: 9,
      heap_peak_bytes: 2_000_000,
      last_hour: { runs: 3, cpu_ms: 4.5 },
    },
  })
})

test('installations are shown, paused, resumed, tested and backfilled', async () => {
  expect(items(await get('/api/v2/installations?state=ready'))).toMatchObject([
    { id: 'crm', config: { secret: '***' }, deliveries: { pending: 0 } },
  ])
  expect(items(await get('/api/v2/installations?state=paused'))).toEqual([])
  expect((await post('/api/v2/installations/crm/pause', { reason: 'moving' })).status).toBe(200)
  expect(door.engineCalls.at(-1)).toEqual(['pause', 'default', 'crm', 'moving'])
  // Without a body at all, too.
  expect((await door.call('POST', '/api/v2/installations/crm/resume')).status).toBe(200)
  expect((await door.call('POST', '/api/v2/installations/crm/pause')).status).toBe(200)
  const sent = await post('/api/v2/installations/crm/test-send', { form: 'many' })
  const done = { dry_run: false, event_id: 'evt_1', deliveries: ['dlv_1'], why_not: null }
  expect([sent.status, sent.body]).toEqual([202, done])
  const filled = await post('/api/v2/installations/crm/backfill', { from: 'beginning' })
  expect([filled.status, filled.body]).toEqual([202, { dry_run: false, cursor: 0, events: 3 }])
  expect((await post('/api/v2/installations/crm/backfill', { from: 'last week' })).status).toBe(400)
  expect((await post('/api/v2/installations/nix/pause', {})).status).toBe(404)
})

test('plugins, health, readiness and configuration are shown', async () => {
  expect(items(await get('/api/v2/plugins'))).toMatchObject([
    {
      id: 'webhooks',
      state: 'needs-approval',
      asks: ['kv'],
      granted: [],
      granted_at: '2026-01-01T00:00:00.000Z',
      code: 'c0de',
      needs_approval: {
        from: { version: '0.9.0', code: 'a'.repeat(64), grants: [], granted_at: '2026-01-01T00:00:00.000Z' },
        to: { version: '1.0.0', code: 'b'.repeat(64), grants: ['kv'], hash: 'c'.repeat(64) },
        running: '0.9.0',
        diff: ['+ kv'],
        sources: { files: [{ path: 'index.ts', change: 'changed', added: 1, removed: 1 }], whole: true },
      },
    },
  ])
  expect((await get('/healthz')).body).toEqual({ status: 'ok', version: '0.0.0-test' })
  expect((await get('/readyz')).body).toMatchObject({ ready: true })
  expect((await get('/api/v2/config')).body).toMatchObject({ in_step: true, running_checksum: 'abc' })
})

test('unknown paths and methods are told apart', async () => {
  for (const path of ['/api/v2/nix', '/api/v3/forms', '/nix', '/api/v2/forms/', '/f/', '/..%2f..%2fetc/passwd']) {
    const answer = await door.call('GET', path, { key: null })
    expect([answer.status, answer.headers['content-type']], path).toEqual([404, 'application/problem+json'])
  }
  const patch = await door.call('PATCH', '/api/v2/forms/one')
  expect([patch.status, patch.headers['allow']]).toEqual([405, 'GET, HEAD, PUT, DELETE'])
  expect((await door.call('HEAD', '/healthz')).status).toBe(200)
})

test('pages load nothing from elsewhere and say so in their policy', async () => {
  for (const path of ['/sign-in', '/docs']) {
    const page = await door.call('GET', path, { key: null })
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src '(?:sha256|nonce)-/)
    expect(page.headers['content-security-policy']).not.toMatch(/unsafe|https?:/)
    expect(page.text).not.toMatch(/(?:src|href)="(?:https?:)?\/\/|@import|url\(|style="|onclick/)
  }
  const docs = (await get('/docs')).text
  expect(docs).toContain('/api/v2/forms/{id}/responses')
  expect(docs).toContain('id="problem-invalid_response"')
})

test('closing lets a running request end and refuses new ones', async () => {
  let release = () => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let reached = () => {}
  const started = new Promise<void>((resolve) => {
    reached = resolve
  })
  const other = await openDoor({
    admission: () => {
      reached()
      return held
    },
  })
  await other.saveForm('slow', {})
  const running = other.call('POST', '/api/v2/forms/slow/responses', { json: { data: {} } })
  const idle = raw(other.port, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', { idleMs: 20_000 })
  await started
  const closed = other.serving.close(10_000)
  await expect(other.call('GET', '/healthz')).rejects.toThrow()
  release()
  expect((await running).status).toBe(201)
  await closed
  expect(await idle).toMatch(/^HTTP\/1\.1 200/)
  await other[Symbol.asyncDispose]()
})
