/** First stop of the tour: how forms are made and how submissions enter. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHub } from '../support/hub.ts'
import type { Answer, Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'

interface Receipt {
  readonly id: string
  readonly form_id: string
  readonly status: 'partial' | 'completed'
  readonly submitted_at: string | null
  readonly event_id: string
}

interface Problem {
  readonly type: string
  readonly detail: string
  readonly errors?: readonly { pointer: string; detail: string }[]
}

const CONTACT = {
  id: 'contact',
  name: 'Contact us',
  fields: [
    { key: 'email', label: 'E-mail', type: 'email', required: true, pii: true },
    { key: 'budget', type: 'number', min: 0 },
    { key: 'topic', type: 'select', options: ['Sales', 'Support'] },
    { key: 'wants', type: 'multi_select', options: ['a', 'b', 'c'] },
    { key: 'message', type: 'long_text' },
  ],
}

let hub: Hub
beforeAll(async () => {
  hub = await startHub()
})
afterAll(() => hub[Symbol.asyncDispose]())

const submit = <T = Receipt>(body: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> =>
  hub.api<T>('POST', '/api/v2/forms/contact/responses', body, { headers })
const storedCount = async (): Promise<number> => (await allItems(hub, '/api/v2/forms/contact/responses')).length

describe('forms', () => {
  test('a form is created, read, listed, changed with its versions kept, and deleted', async () => {
    const created = await hub.api('POST', '/api/v2/forms', CONTACT)
    expect(created.status, created.text).toBe(201)
    expect(created.headers['location']).toBe('/api/v2/forms/contact')
    expect(created.body).toMatchObject({ id: 'contact', version: 1, managed_by: 'api' })
    expect((await hub.api('GET', '/api/v2/forms/contact')).body).toEqual(created.body)
    expect((await allItems<{ id: string }>(hub, '/api/v2/forms')).map(({ id }) => id)).toEqual(['contact'])

    const { id: _id, ...definition } = CONTACT
    const changed = await hub.api('PUT', '/api/v2/forms/contact', { ...definition, name: 'Write to us' })
    expect(changed.body).toMatchObject({ version: 2, name: 'Write to us' })
    const same = await hub.api('PUT', '/api/v2/forms/contact', { ...definition, name: 'Write to us' })
    expect(same.body).toMatchObject({ version: 2 })
    const versions = await hub.api<{ items: readonly { version: number; name: string }[] }>(
      'GET',
      '/api/v2/forms/contact/versions',
    )
    expect(versions.body.items.map(({ version, name }) => [version, name]).toSorted()).toEqual([
      [1, 'Contact us'],
      [2, 'Write to us'],
    ])

    await hub.api('POST', '/api/v2/forms', { ...CONTACT, id: 'short-lived' })
    expect((await hub.api('DELETE', '/api/v2/forms/short-lived')).status).toBe(204)
    expect((await hub.api('GET', '/api/v2/forms/short-lived')).status).toBe(404)
  })

  test('a wrong definition is told with every mistake and its place', async () => {
    const answer = await hub.api<Problem>('POST', '/api/v2/forms', {
      name: '',
      fields: [
        { key: 'a', type: 'select' },
        { key: 'a', type: 'colour' },
      ],
    })
    expect(answer.status).toBe(422)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.body.errors?.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/name', '/fields/1/type']),
    )
    expect((await hub.api('POST', '/api/v2/forms', CONTACT)).status).toBe(409)
  })
})

describe('responses as JSON', () => {
  test('one response: 201, its receipt, and the same again when read', async () => {
    const answer = await submit({
      data: { email: 'ada@example.com', budget: 5, wants: ['a', 'c'] },
      meta: { source: 'tour' },
    })
    expect(answer.status, answer.text).toBe(201)
    expect(answer.body).toMatchObject({ form_id: 'contact', status: 'completed' })
    expect(answer.body.id).toMatch(/^rsp_/)
    expect(answer.body.event_id).toMatch(/^evt_/)
    const read = await hub.api('GET', `/api/v2/responses/${answer.body.id}`)
    expect(read.body).toMatchObject({
      id: answer.body.id,
      form_id: 'contact',
      status: 'completed',
      data: { email: 'ada@example.com', budget: 5, wants: ['a', 'c'] },
      meta: { source: 'tour' },
    })
    const other = await hub.api<Receipt>('POST', '/api/v2/responses', {
      form_id: 'contact',
      data: { email: 'bob@example.com' },
    })
    expect(other.status).toBe(201)
    expect((await hub.api('DELETE', `/api/v2/responses/${other.body.id}`)).status).toBe(204)
    expect((await hub.api('GET', `/api/v2/responses/${other.body.id}`)).status).toBe(404)
  })

  test('wrong answers: 422 with a pointer for each, and nothing stored', async () => {
    const before = await storedCount()
    const answer = await submit<Problem>({ data: { budget: '12', topic: 'Weather', wants: ['z'] } })
    expect(answer.status).toBe(422)
    expect(answer.body.type).toBe('urn:manifold:problem:invalid_response')
    expect(answer.body.errors?.map(({ pointer }) => pointer).toSorted()).toEqual([
      '/data/budget',
      '/data/email',
      '/data/topic',
      '/data/wants',
    ])
    expect(await storedCount()).toBe(before)
  })

  test('a batch, as array and as NDJSON: each row has its own result, good rows are stored', async () => {
    const before = await storedCount()
    const rows = [
      { data: { email: 'one@example.com' } },
      { data: { email: 'nonsense' } },
      { data: { email: 'three@example.com' } },
    ]
    interface Batch {
      readonly items: readonly { line: number; status: number; response?: Receipt; error?: Problem }[]
      readonly stored: number
      readonly failed: number
    }
    const array = await hub.api<Batch>('POST', '/api/v2/forms/contact/responses/batch', rows)
    expect(array.status, array.text).toBe(200)
    expect(array.body).toMatchObject({ stored: 2, failed: 1 })
    expect(array.body.items.map(({ line, status }) => [line, status])).toEqual([
      [1, 201],
      [2, 422],
      [3, 201],
    ])
    const lines = [...rows.map((row) => JSON.stringify(row)), '', '{"data":', ''].join('\n')
    const ndjson = await hub.api<Batch>('POST', '/api/v2/forms/contact/responses/batch', lines, {
      headers: { 'content-type': 'application/x-ndjson' },
    })
    expect(ndjson.body.items.map(({ line, status }) => [line, status])).toEqual([
      [1, 201],
      [2, 422],
      [3, 201],
      [5, 400],
    ])
    expect(await storedCount()).toBe(before + 4)
  })

  test('a partial response is completed later under the same client id, and stays one', async () => {
    const before = await storedCount()
    const partial = await submit({ status: 'partial', client_id: 'visit-7', data: { budget: 3 } })
    expect(partial.status, partial.text).toBe(201)
    expect(partial.body).toMatchObject({ status: 'partial', submitted_at: null })
    const completed = await submit({ client_id: 'visit-7', data: { email: 'late@example.com', budget: 4 } })
    expect(completed.status).toBe(200)
    expect(completed.body).toMatchObject({ id: partial.body.id, status: 'completed' })
    const again = await submit({ client_id: 'visit-7', data: { email: 'late@example.com', budget: 4 } })
    expect(again.body.id).toBe(partial.body.id)
    expect((await hub.api('GET', `/api/v2/responses/${partial.body.id}`)).body).toMatchObject({
      status: 'completed',
      data: { budget: 4 },
    })
    expect(await storedCount()).toBe(before + 1)
  })

  test('an Idempotency-Key stores once and answers the same; with another body it is refused', async () => {
    const before = await storedCount()
    const headers = { 'idempotency-key': 'order-17' }
    const first = await submit({ data: { email: 'once@example.com' } }, headers)
    const second = await submit({ data: { email: 'once@example.com' } }, headers)
    expect([first.status, second.status]).toEqual([201, 200])
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.body).toEqual(first.body)
    const other = await submit<Problem>({ data: { email: 'twice@example.com' } }, headers)
    expect(other.status).toBe(422)
    expect(other.body.type).toBe('urn:manifold:problem:idempotency_mismatch')
    expect(await storedCount()).toBe(before + 1)
  })
})

describe('plain HTML forms', () => {
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

  test('the page shows the form; sending it urlencoded or multipart stores it and thanks', async () => {
    const before = await storedCount()
    const page = await hub.api<string>('GET', '/f/contact', undefined, { key: null })
    expect(page.headers['content-type']).toContain('text/html')
    expect(page.text).toContain('name="email"')
    const sent = await hub.api('POST', '/f/contact', 'email=grace%40example.com&budget=12&wants=a&wants=b', {
      key: null,
      headers: FORM,
    })
    expect(sent.status, sent.text).toBeLessThan(400)
    const boundary = 'tour-boundary'
    const parts = [
      ['email', 'multi@example.com'],
      ['message', 'a\nb'],
    ]
      .map(([name, value]) => `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`)
      .join('')
    const multipart = await hub.api('POST', '/f/contact', `${parts}--${boundary}--\r\n`, {
      key: null,
      headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    })
    expect(multipart.status, multipart.text).toBeLessThan(400)
    expect(await storedCount()).toBe(before + 2)
    const all = await allItems<{ data: Record<string, unknown> }>(hub, '/api/v2/forms/contact/responses')
    expect(all.map(({ data }) => data)).toContainEqual({ email: 'grace@example.com', budget: 12, wants: ['a', 'b'] })
  })

  test('a filled honeypot is thanked and thrown away; a wrong answer comes back to the page', async () => {
    const before = await storedCount()
    const spam = await hub.api('POST', '/f/contact', 'email=spam%40example.com&_gotcha=buy', {
      key: null,
      headers: FORM,
    })
    expect(spam.status).toBeLessThan(400)
    const wrong = await hub.api<string>('POST', '/f/contact', 'email=nonsense', { key: null, headers: FORM })
    expect(wrong.status).toBe(422)
    expect(wrong.text).toContain('nonsense')
    expect(await storedCount()).toBe(before)
  })

  test('a form with a redirect sends the browser there', async () => {
    await hub.api('POST', '/api/v2/forms', {
      id: 'away',
      name: 'Away',
      redirect_url: 'https://example.com/thanks',
      fields: [{ key: 'x', type: 'text' }],
    })
    const sent = await hub.api('POST', '/f/away', 'x=1', { key: null, headers: FORM })
    expect(sent.status).toBe(303)
    expect(sent.headers['location']).toBe('https://example.com/thanks')
  })
})

test('who may do what: no key reads nothing, a form for keys takes none from strangers', async () => {
  expect((await hub.api('GET', '/api/v2/forms', undefined, { key: null })).status).toBe(401)
  expect((await hub.api('GET', '/api/v2/forms', undefined, { key: 'wrong' })).status).toBe(401)
  await hub.api('POST', '/api/v2/forms', {
    id: 'members',
    name: 'Members',
    access: 'key',
    fields: [{ key: 'x', type: 'text' }],
  })
  const stranger = await hub.api('POST', '/api/v2/forms/members/responses', { data: { x: '1' } }, { key: null })
  expect(stranger.status).toBe(401)
  expect((await hub.api('POST', '/api/v2/forms/members/responses', { data: { x: '1' } })).status).toBe(201)
  expect(
    (await hub.api('POST', '/api/v2/forms/contact/responses', { data: { email: 'pub@example.com' } }, { key: null }))
      .status,
  ).toBe(201)
})
