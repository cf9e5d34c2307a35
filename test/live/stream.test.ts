/** `GET /api/v2/stream`: what each key sees, how it goes on after a break, and what ends it. */
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { NewEvent } from '../../core/model.ts'
import { openDoor } from '../http/door.ts'
import type { Door } from '../http/door.ts'
import { startHub } from '../support/hub.ts'
import { openStream } from '../support/stream.ts'
import { until } from '../support/wait.ts'

const FORM = { fields: [{ key: 'name', type: 'text', pii: true }] }
const TIGHT = { liveConnectionsPerKeyMax: 2, liveConnectionsMax: 3, liveHeartbeatMs: 100, liveStalledMsMax: 500 }
let door: Door
beforeAll(async () => {
  door = await openDoor({ limits: TIGHT })
  for (const id of ['one', 'two']) await door.saveForm(id, FORM)
})
afterAll(() => door[Symbol.asyncDispose]())
const submit = async (form: string, name: string): Promise<void> => {
  const answer = await door.call('POST', `/api/v2/forms/${form}/responses`, { json: { data: { name } } })
  expect(answer.status, answer.text).toBe(201)
}
const note = (id: string): NewEvent => ({
  id,
  type: 'note.made',
  at: '2026-01-01T00:00:00.000Z',
  formId: null,
  responseId: null,
  hops: 0,
  data: '{}',
})
const empty = () => until('all places to be free', () => door.deps.live.seats.size() === 0)

test('a key that may read responses gets events whole and filtered, one for numbers gets none of their content', async () => {
  const reader = await door.key(['responses:read'])
  await using all = await openStream(door.url, { key: reader })
  await using two = await openStream(door.url, { key: reader, query: '?form=two,three&type=response.*' })
  await using numbers = await openStream(door.url, { key: await door.key(['analytics:read']) })
  expect([all.status, all.headers.get('cache-control'), all.headers.get('x-accel-buffering')]).toEqual([
    200,
    'no-store',
    'no',
  ])
  await submit('one', 'Ada')
  await submit('two', 'Bob')
  const seen = await all.reached(2)
  expect(seen.map(({ event, data }) => [event, data['form_id'], data['data']])).toEqual([
    ['response.submitted', 'one', { name: 'Ada' }],
    ['response.submitted', 'two', { name: 'Bob' }],
  ])
  expect((await two.reached(1)).map(({ data }) => data['form_id'])).toEqual(['two'])
  const bare = await numbers.reached(2)
  const content = { response_id: null, data: null, meta: {}, response: null }
  expect(bare.map(({ data }) => data)).toEqual([
    expect.objectContaining({ type: 'response.submitted', form_id: 'one', ...content }),
    expect.objectContaining({ type: 'response.submitted', form_id: 'two', ...content }),
  ])
  const single = seen.flatMap(({ data }) => [
    String(data['response_id']).slice('rsp_'.length),
    String(data['id']).slice('evt_'.length),
    (data['data'] as { name: string }).name,
  ])
  for (const told of single) expect(JSON.stringify(bare)).not.toContain(told)
})

test('nothing of another workspace is told', async () => {
  await using other = await openStream(door.url, { key: await door.key(['responses:read'], 'other') })
  await submit('one', 'Ada')
  await door.saveForm('theirs', FORM, 'other')
  await submit('one', 'Bob')
  await door.store.appendEvents('other', [note('evt_other')])
  await submit('one', 'Cy')
  expect((await other.reached(2)).map(({ event }) => event)).toEqual(['form.changed', 'note.made'])
})

test('with Last-Event-ID it goes on where it was: nothing lost, nothing twice, whatever was filtered out', async () => {
  const key = await door.key(['responses:read'])
  const seen: unknown[] = []
  let lastEventId: string | undefined
  for (let round = 0; round < 2; round++) {
    await using stream = await openStream(door.url, {
      key,
      query: '?type=response.submitted',
      ...(lastEventId === undefined ? {} : { lastEventId }),
    })
    await submit('one', `during ${round}`)
    await stream.reached(round === 0 ? 1 : LIMITS.liveReadEventsMax + 2)
    seen.push(...stream.events.map(({ data }) => (data['data'] as { name: string }).name))
    lastEventId = stream.lastId
    for (let n = 0; n <= LIMITS.liveReadEventsMax; n++) {
      await submit('one', `after ${round}, ${n}`)
    }
    const noise = Array.from({ length: 2 * LIMITS.liveReadEventsMax }, (_, n) => note(`evt_${round}_${n}`))
    await door.store.appendEvents('default', noise)
  }
  const after = (round: number) =>
    Array.from({ length: LIMITS.liveReadEventsMax + 1 }, (_, n) => `after ${round}, ${n}`)
  expect(seen).toEqual(['during 0', ...after(0), 'during 1'])
})

test('a quiet stream says so, and that moves its place on past what it does not show', async () => {
  await using stream = await openStream(door.url, {
    key: await door.key(['responses:read']),
    query: '?type=response.submitted',
  })
  await door.saveForm('quiet', FORM)
  await until('two heartbeats', () => stream.comments.filter((comment) => comment === 'heartbeat').length >= 2)
  expect([stream.lastId, stream.events]).toEqual([String(await door.store.headSeq()), []])
})

test('without a key, a place in the log or a filter that it knows it is refused', async () => {
  await empty()
  const reader = await door.key(['responses:read'])
  const cases = [
    [401, { key: 'mfk_none' }],
    [422, { key: reader, lastEventId: '999999' }],
    [422, { key: reader, lastEventId: 'x' }],
    [422, { key: reader, query: '?forms=one' }],
    [422, { key: reader, query: `?form=${'a,'.repeat(LIMITS.liveNamesMax)}a` }],
  ] as const
  for (const [status, options] of cases) {
    await using stream = await openStream(door.url, options)
    expect([stream.status, stream.headers.get('content-type')]).toEqual([status, 'application/problem+json'])
  }
  expect(door.deps.live.seats.size()).toBe(0)
})

test('a key that is revoked ends its streams', async () => {
  const key = await door.key(['responses:read'])
  await using stream = await openStream(door.url, { key })
  const row = (await door.store.listKeys('default')).at(-1)
  await door.keys.revoke('default', row?.id ?? '')
  await stream.ended
  await empty()
})

test('so many at a time of one key and of all; one that goes makes room', async () => {
  await empty()
  const [one, two] = [await door.key(['responses:read']), await door.key(['responses:read'])]
  const open = (key: string) => openStream(door.url, { key })
  const first = await open(one)
  await using _second = await open(one)
  await using tooMany = await open(one)
  expect([tooMany.status, tooMany.refusal]).toEqual([429, expect.stringContaining('This key has 2 live connections')])
  await using _other = await open(two)
  await using full = await open(two)
  expect([full.status, full.headers.get('retry-after')]).toEqual([429, '5'])
  await first[Symbol.asyncDispose]()
  await until('a free place', () => door.deps.live.seats.size() === 2)
  await using again = await open(two)
  expect(again.status).toBe(200)
})

test('whoever reads nothing holds little and is cut off, while others hear all', async () => {
  await empty()
  const key = await door.key(['responses:read'])
  const socket = connect(door.port, '127.0.0.1')
  socket.pause()
  socket.write(`GET /api/v2/stream HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${key}\r\n\r\n`)
  await until('it to be there', () => door.deps.live.seats.size() === 1)
  await using reader = await openStream(door.url, { key })
  const name = 'x'.repeat(200_000)
  for (let n = 0; n < 40; n++) await submit('one', name)
  await reader.reached(40)
  await until('the other one to be cut off', () => door.deps.live.seats.size() === 1)
  expect(socket.bytesRead).toBeLessThan(40 * name.length)
  socket.destroy()
})

test('a hub that is killed under load: the reader goes on at the next one and has each response once', async () => {
  await using hub = await startHub({ config: { forms: { one: { name: 'One', ...FORM } } } })
  const accepted: unknown[] = []
  const send = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) {
      const body = { data: { name: `n${accepted.length}` } }
      const answer = await hub.api<{ id: string }>('POST', '/api/v2/forms/one/responses', body).catch(() => null)
      if (answer?.status === 201) accepted.push(answer.body.id)
    }
  }
  const first = await openStream(hub.url, { key: hub.adminKey, query: '?type=response.submitted' })
  await send(10)
  await first.reached(1)
  await Promise.all([send(20), hub.kill('SIGKILL')])
  await first.ended
  const seen = first.events.map(({ data }) => data['response_id'])
  await hub.restart()
  await using last = await openStream(hub.url, { key: hub.adminKey, lastEventId: first.lastId })
  await send(1)
  await until('the last response', () => last.events.some(({ data }) => data['response_id'] === accepted.at(-1)))
  seen.push(...last.events.flatMap(({ event, data }) => (event === 'response.submitted' ? [data['response_id']] : [])))
  const stored = await hub.api<{ items: { id: string }[] }>('GET', '/api/v2/forms/one/responses?limit=200')
  expect(new Set(seen).size).toBe(seen.length)
  expect(seen.toSorted()).toEqual(stored.body.items.map(({ id }) => id).toSorted())
  expect(seen).toEqual(expect.arrayContaining(accepted))
})
