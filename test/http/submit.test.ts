/** Submitting: stored once however often it is sent, partial and then completed, one by one and in batches. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { openDoor } from './door.ts'
import type { Answer, Door } from './door.ts'

let door: Door
let admission: () => Promise<void> | void = () => {}
beforeAll(async () => {
  door = await openDoor({ admission: () => admission(), limits: { batchRowsMax: 50 } })
  await door.saveForm('contact', {
    fields: [
      { key: 'email', type: 'email', required: true },
      { key: 'n', type: 'number' },
    ],
  })
  await door.saveForm('other', { fields: [] })
})
afterAll(() => door[Symbol.asyncDispose]())
beforeEach(() => {
  admission = () => {}
  door.heard.length = 0
})

const PATH = '/api/v2/forms/contact/responses'
const submit = (json: unknown, headers: Record<string, string> = {}) => door.call('POST', PATH, { json, headers })
const count = () => door.store.countResponses('default', 'contact')
const stored = async (answer: Answer) => (await door.call('GET', `/api/v2/responses/${String(answer.body['id'])}`)).body

test('a response is stored with what is known of its sender, and its event is told', async () => {
  const begun = new Date(Date.now() - 60_000)
  const answer = await door.call('POST', PATH, {
    key: null,
    json: {
      data: { email: ' ada@example.com ', n: 3 },
      meta: { source: 'pricing', ip: '6.6.6.6' },
      started_at: begun.toISOString().replace('Z', '+00:00'),
    },
    headers: { 'user-agent': 'tester', referer: 'https://example.com/pricing' },
  })
  expect(answer.status).toBe(201)
  expect(Object.keys(answer.body)).toEqual(['id', 'form_id', 'status', 'submitted_at', 'event_id'])
  expect(answer.headers['location']).toBe(`/api/v2/responses/${String(answer.body['id'])}`)
  expect(await stored(answer)).toMatchObject({
    form_id: 'contact',
    form_version: 1,
    status: 'completed',
    data: { email: 'ada@example.com', n: 3 },
    meta: { source: 'pricing', ip: '127.0.0.1', user_agent: 'tester', referrer: 'https://example.com/pricing' },
    started_at: begun.toISOString(),
    submitted_at: answer.body['submitted_at'],
  })
  expect(door.heard.map(({ type, id }) => [type, id])).toEqual([['response.submitted', answer.body['event_id']]])
  expect((await door.call('GET', `/api/v2/events/${String(answer.body['event_id'])}`)).body).toMatchObject({
    type: 'response.submitted',
    data: { n: 3 },
  })
})

test('strangers begin what they send at a time that can be; a key says what it knows', async () => {
  const [old, later] = ['0001-01-01T01:30:00+02:00', new Date(Date.now() + 3_600_000).toISOString()]
  const begun = async (key: { readonly key?: null }, at: string) => {
    const body = await stored(
      await door.call('POST', PATH, { ...key, json: { data: { email: 'a@b.de' }, started_at: at } }),
    )
    return [body['started_at'], Date.parse(String(body['started_at'])) - Date.parse(String(body['submitted_at']))]
  }
  const stranger = { key: null }
  expect((await begun(stranger, old))[1]).toBe(-LIMITS.publicStartAgeMsMax)
  expect((await begun(stranger, later))[1]).toBe(0)
  expect((await begun({}, old))[0]).toBe('0000-12-31T23:30:00.000Z')
  expect((await begun({}, later))[0]).toBe(later)
})

test('the form can be named in the body', async () => {
  const answer = await door.call('POST', '/api/v2/responses', {
    json: { form_id: 'contact', data: { email: 'a@b.de' } },
  })
  expect([answer.status, answer.body['form_id']]).toEqual([201, 'contact'])
  expect((await door.call('POST', '/api/v2/responses', { json: { data: {} } })).body['errors']).toEqual([
    { pointer: '/form_id', detail: 'is required: the id of the form' },
  ])
  expect((await door.call('POST', '/api/v2/responses', { json: { form_id: 'nix', data: {} } })).status).toBe(404)
  expect((await door.call('POST', '/api/v2/responses', { json: { form_id: '__proto__', data: {} } })).status).toBe(404)
})

test('every answer that does not fit is named', async () => {
  const answer = await submit({ data: { email: 'nobody', n: 'three' } })
  expect(answer.status).toBe(422)
  expect(answer.body).toMatchObject({
    type: 'urn:manifold:problem:invalid_response',
    code: 'invalid_response',
    errors: [{ pointer: '/data/email' }, { pointer: '/data/n' }],
  })
  expect(door.rejected).toContain('invalid_response')
})

test('a changed form counts at once', async () => {
  await door.call('POST', '/api/v2/forms', {
    json: { id: 'moving', name: 'Moving', fields: [{ key: 'a', type: 'text' }] },
  })
  const post = () => door.call('POST', '/api/v2/forms/moving/responses', { json: { data: { a: 'x' } } })
  expect((await post()).status).toBe(201)
  await door.call('PUT', '/api/v2/forms/moving', { json: { name: 'Moving', fields: [{ key: 'a', type: 'number' }] } })
  expect((await post()).status).toBe(422)
  await door.call('DELETE', '/api/v2/forms/moving')
  expect((await post()).status).toBe(404)
})

describe('sent more than once', () => {
  test('fifty times at once with one Idempotency-Key: one stored, fifty equal answers', async () => {
    const before = await count()
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => submit({ data: { email: 'a@b.de' } }, { 'idempotency-key': 'at-once' })),
    )
    expect(await count()).toBe(before + 1)
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const replays = answers.filter(({ status }) => status === 200)
    expect(replays).toHaveLength(49)
    expect(replays.every(({ headers }) => headers['idempotency-replayed'] === 'true')).toBe(true)
    expect(door.heard).toHaveLength(1)
  })

  test('another body under the same key is refused', async () => {
    await submit({ data: { email: 'a@b.de' } }, { 'idempotency-key': 'mixed' })
    const answer = await submit({ data: { email: 'b@b.de' } }, { 'idempotency-key': 'mixed' })
    expect([answer.status, answer.body['code']]).toEqual([422, 'idempotency_mismatch'])
  })

  test('a refused body does not use its key up', async () => {
    expect((await submit({ data: {} }, { 'idempotency-key': 'mended' })).status).toBe(422)
    expect((await submit({ data: { email: 'a@b.de' } }, { 'idempotency-key': 'mended' })).status).toBe(201)
  })

  test('keys of one form, and of strangers, do not get in the way of others', async () => {
    const own = { 'idempotency-key': 'shared', 'content-type': 'application/json' }
    expect(
      (await door.call('POST', PATH, { key: null, json: { data: { email: 'evil@b.de' } }, headers: own })).status,
    ).toBe(201)
    expect((await submit({ data: { email: 'a@b.de' } }, own)).status).toBe(201)
    expect(
      (await door.call('POST', '/api/v2/forms/other/responses', { json: { data: {} }, headers: own })).status,
    ).toBe(201)
  })

  test.each(['', 'x'.repeat(256)])('a key of %j is refused', async (key) => {
    expect((await submit({ data: { email: 'a@b.de' } }, { 'idempotency-key': key })).status).toBe(400)
  })

  test('the same client_id stores once and answers the same', async () => {
    const before = await count()
    const first = await submit({ data: { email: 'a@b.de' }, client_id: 'mine-1' })
    const second = await submit({ data: { email: 'a@b.de' }, client_id: 'mine-1' })
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.text).toBe(first.text)
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(await count()).toBe(before + 1)
  })

  test('other answers under the client_id of a completed response are refused, not dropped', async () => {
    const first = await submit({ data: { email: 'a@b.de', n: 1, x: 2 }, client_id: 'mine-2' })
    const other = await submit({ data: { email: 'a@b.de', n: 2 }, client_id: 'mine-2' })
    expect([other.status, other.body['code']]).toEqual([422, 'idempotency_mismatch'])
    expect((await submit({ data: { x: 2, n: 1, email: 'a@b.de' }, client_id: 'mine-2' })).text).toBe(first.text)
    expect(await stored(first)).toMatchObject({ data: { n: 1 } })
  })

  test("strangers cannot take, complete or answer with a keyed sender's client_id", async () => {
    const stranger = (json: object) => door.call('POST', PATH, { key: null, json })
    const shown = async (answer: Answer) =>
      (await door.call('GET', `/api/v2/responses/${String(answer.body['id'])}`)).body['client_id']
    const evil = await stranger({ data: { email: 'evil@b.de' }, client_id: 'order-1' })
    const real = await submit({ data: { email: 'a@b.de' }, client_id: 'order-1' })
    expect([evil.status, real.status]).toEqual([201, 201])
    expect(await shown(evil)).toBe('order-1')
    expect(await shown(real)).toBe('order-1')

    const partial = await submit({ data: { n: 1 }, status: 'partial', client_id: 'p:order-2' })
    for (const clientId of ['p:order-2', 'order-2', 'k:p:order-2']) {
      const completed = await stranger({ data: { email: 'evil@b.de' }, client_id: clientId })
      expect([clientId, completed.status]).toEqual([clientId, 201])
    }
    expect(await stored(partial)).toMatchObject({ status: 'partial', data: { n: 1 } })
    expect(await shown(partial)).toBe('p:order-2')
  })
})

test('partial, again partial, then completed: one response, its last answers, one event each', async () => {
  const before = await count()
  const partial = await submit({ data: { n: 1 }, status: 'partial', client_id: 'slow' })
  expect([partial.status, partial.body['status'], partial.body['submitted_at']]).toEqual([201, 'partial', null])
  expect((await submit({ data: { n: 2 }, status: 'partial', client_id: 'slow' })).body['id']).toBe(partial.body['id'])
  expect((await submit({ data: { n: 3 }, client_id: 'slow' })).status).toBe(422)
  const completed = await submit({ data: { n: 3, email: 'a@b.de' }, client_id: 'slow' })
  expect([completed.status, completed.body['status'], completed.body['id']]).toEqual([
    200,
    'completed',
    partial.body['id'],
  ])
  expect(completed.headers['idempotency-replayed']).toBeUndefined()
  expect(await stored(completed)).toMatchObject({ status: 'completed', data: { n: 3, email: 'a@b.de' } })
  expect(await count()).toBe(before + 1)
  expect(door.heard.map(({ type }) => type)).toEqual(['response.partial', 'response.partial', 'response.submitted'])
  // The completion sent again is answered as it was then.
  const again = await submit({ data: { n: 3, email: 'a@b.de' }, client_id: 'slow' })
  expect([again.status, again.text, again.headers['idempotency-replayed']]).toEqual([200, completed.text, 'true'])
  // Completed is final.
  expect((await submit({ data: { n: 9 }, status: 'partial', client_id: 'slow' })).body['status']).toBe('completed')
  expect(await stored(completed)).toMatchObject({ data: { n: 3 } })
})

test('admission is asked first, and its refusal carries Retry-After', async () => {
  const before = await count()
  admission = () => Promise.reject(new HubError('overloaded', 'Too much work waits.', { retryAfterMs: 2_300 }))
  const answer = await submit({ data: { email: 'a@b.de' } })
  expect([answer.status, answer.body['code'], answer.headers['retry-after']]).toEqual([503, 'overloaded', '3'])
  expect(await count()).toBe(before)
})

describe('batches', () => {
  const batch = (body: string, headers: Record<string, string> = {}) =>
    door.call('POST', `${PATH}/batch`, { body, headers: { 'content-type': 'application/x-ndjson', ...headers } })
  const row = (n: unknown, more = {}) => JSON.stringify({ data: { email: 'a@b.de', n }, ...more })
  const statuses = (answer: Answer) =>
    (answer.body['items'] as { line: number; status: number }[]).map(({ line, status }) => [line, status])

  test('NDJSON: a bad row is reported by its line and the others are stored', async () => {
    const before = await count()
    const answer = await batch(
      [row(1), '', row('two'), '{"data":', `{"data":${'['.repeat(50)}`, `${row(4)}\r`, '"x"', row(5)].join('\n'),
    )
    expect(answer.status).toBe(200)
    expect(statuses(answer)).toEqual([
      [1, 201],
      [3, 422],
      [4, 400],
      [5, 400],
      [6, 201],
      [7, 422],
      [8, 201],
    ])
    expect(answer.body).toMatchObject({ stored: 3, duplicates: 0, failed: 4 })
    expect((answer.body['items'] as { error?: object }[])[1]?.error).toMatchObject({
      code: 'invalid_response',
      errors: [{ pointer: '/data/n' }],
    })
    expect(await count()).toBe(before + 3)
    expect(door.heard).toHaveLength(3)
  })

  test('an array: the same, by place', async () => {
    const answer = await batch(`[${row(1)}, {nonsense}, ${row('x')}, ${row(2)}]`, {
      'content-type': 'application/json',
    })
    expect(statuses(answer)).toEqual([
      [1, 201],
      [2, 400],
      [3, 422],
      [4, 201],
    ])
  })

  test('sent again with its Idempotency-Key it stores only what was missing', async () => {
    const before = await count()
    const first = await batch([row(1), row('bad'), row(3)].join('\n'), { 'idempotency-key': 'batch-1' })
    const second = await batch([row(1), row(2), row(3)].join('\n'), { 'idempotency-key': 'batch-1' })
    expect(statuses(first)).toEqual([
      [1, 201],
      [2, 422],
      [3, 201],
    ])
    expect(statuses(second)).toEqual([
      [1, 200],
      [2, 201],
      [3, 200],
    ])
    expect(second.body).toMatchObject({ stored: 1, duplicates: 2 })
    expect(await count()).toBe(before + 3)
  })

  test('an Idempotency-Key of full length serves for every row; a longer one is refused whole', async () => {
    const longest = { 'idempotency-key': 'x'.repeat(255) }
    expect(statuses(await batch([row(1), row(2)].join('\n'), longest))).toEqual([
      [1, 201],
      [2, 201],
    ])
    expect((await batch(row(1), longest)).body).toMatchObject({ duplicates: 1 })
    expect((await batch(row(1), { 'idempotency-key': 'x'.repeat(256) })).status).toBe(400)
  })

  test('two rows with one client_id are one response', async () => {
    const before = await count()
    const twin = { client_id: 'twin' }
    expect(statuses(await batch([row(1, twin), row(1, twin), row(2, twin)].join('\n')))).toEqual([
      [1, 201],
      [2, 200],
      [3, 422],
    ])
    expect(await count()).toBe(before + 1)
  })

  test('more rows than one request may carry are refused whole', async () => {
    const before = await count()
    expect((await batch(Array.from({ length: 51 }, () => row(1)).join('\n'))).status).toBe(413)
    expect(
      (await batch(`[${Array.from({ length: 51 }, () => row(1)).join(',')}]`, { 'content-type': 'application/json' }))
        .status,
    ).toBe(413)
    expect((await batch(`${row(1)}`, { 'content-type': 'text/csv' })).status).toBe(415)
    expect((await batch(row(1), { 'content-type': 'application/json' })).status).toBe(400)
    expect(await count()).toBe(before)
  })
})

test('a browser of another site may send to a public form, and only that', async () => {
  const preflight = await door.call('OPTIONS', PATH, {
    key: null,
    headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
  })
  expect([
    preflight.status,
    preflight.headers['access-control-allow-origin'],
    preflight.headers['access-control-allow-methods'],
  ]).toEqual([204, '*', 'POST'])
  const sent = await door.call('POST', PATH, {
    key: null,
    json: { data: { email: 'a@b.de' } },
    headers: { origin: 'https://shop.example' },
  })
  expect([sent.status, sent.headers['access-control-allow-origin']]).toEqual([201, '*'])
  const list = await door.call('OPTIONS', '/api/v2/forms', { key: null, headers: { origin: 'https://shop.example' } })
  expect(list.headers['access-control-allow-origin']).toBeUndefined()
  expect(
    (await door.call('GET', PATH, { headers: { origin: 'https://shop.example' } })).headers[
      'access-control-allow-origin'
    ],
  ).toBeUndefined()
})
