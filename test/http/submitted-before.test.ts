/** What was answered before and elsewhere: senders with a key say when, and everything but numbers goes by the receipt. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDoor } from './door.ts'
import type { Answer, Door } from './door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor()
  await door.saveForm('contact', { fields: [{ key: 'email', type: 'email', required: true }] })
})
afterAll(() => door[Symbol.asyncDispose]())

const PATH = '/api/v2/forms/contact/responses'
const submit = (json: unknown, headers: Record<string, string> = {}) => door.call('POST', PATH, { json, headers })
const count = () => door.store.countResponses('default', 'contact')
const stored = async (answer: Answer) => (await door.call('GET', `/api/v2/responses/${String(answer.body['id'])}`)).body

const long = '2021-05-05T12:00:00+02:00'
const thatTime = '2021-05-05T10:00:00.000Z'
const row = (changes: object = {}) => ({ data: { email: 'old@b.de' }, submitted_at: long, ...changes })

test('keeps its time with a key; the log, lists and pages go by when it was received', async () => {
  const since = new Date().toISOString()
  const answers = [
    await submit(row()),
    await submit(row({ client_id: 'legacy-1' })),
    await submit(row(), { 'idempotency-key': 'legacy-2' }),
  ]
  for (const answer of answers) {
    expect([answer.status, answer.body['submitted_at']]).toEqual([201, thatTime])
    const { submitted_at: submitted, created_at: created } = await stored(answer)
    expect([submitted, String(created) >= since]).toEqual([thatTime, true])
    const event = (await door.call('GET', `/api/v2/events/${String(answer.body['event_id'])}`)).body
    expect([String(event['at']) >= since, event['response']]).toMatchObject([true, { submitted_at: thatTime }])
  }
  expect(door.heard.map(({ response }) => response?.submittedAt)).toEqual([thatTime, thatTime, thatTime])
  // A repeat is told the same.
  expect((await submit(row({ client_id: 'legacy-1' }))).body).toEqual(answers[1]?.body)
  expect((await submit(row(), { 'idempotency-key': 'legacy-2' })).body).toEqual(answers[2]?.body)
  const newest = await door.call('GET', `${PATH}?limit=3&since=${since}`)
  expect((newest.body['items'] as { id: string }[]).map(({ id }) => id)).toEqual(
    answers.map(({ body }) => body['id']).toReversed(),
  )
})

test('comes in batches; a partial one is completed when it was', async () => {
  const partial = await submit({ data: {}, status: 'partial', client_id: 'legacy-3' })
  const batch = await door.call('POST', `${PATH}/batch`, { json: [row({ client_id: 'legacy-3' }), row()] })
  const [completed, fresh] = (batch.body['items'] as { response: { id: string; submitted_at: string } }[]).map(
    ({ response }) => response,
  )
  expect([completed, fresh]).toMatchObject([
    { id: partial.body['id'], submitted_at: thatTime },
    { submitted_at: thatTime },
  ])
  expect((await door.call('GET', `/api/v2/responses/${completed?.id}`)).body).toMatchObject({
    status: 'completed',
    submitted_at: thatTime,
  })
})

test.each([
  ['of a stranger', { submitted_at: long }, null, /needs an API key/],
  ['to come', { submitted_at: '2999-01-01T00:00:00Z' }, undefined, /future/],
  ['before all times', { submitted_at: '1969-12-31T23:59:59Z' }, undefined, /before 1970/],
  ['no time', { submitted_at: '2021-05-05' }, undefined, /must be a time/],
  ['of a partial one', { submitted_at: long, status: 'partial' }, undefined, /completed responses/],
])('a time %s is refused, and nothing is stored', async (_what, changes, key, why) => {
  const before = await count()
  const answer = await door.call('POST', PATH, {
    json: { data: { email: 'a@b.de' }, ...changes },
    ...(key === null ? { key } : {}),
  })
  expect([answer.status, answer.body['errors']]).toEqual([
    422,
    [{ pointer: '/submitted_at', detail: expect.stringMatching(why) }],
  ])
  expect(await count()).toBe(before)
})
