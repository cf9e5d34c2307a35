/** Between receipt and store: transforms change, flag and refuse; what they put aside waits until it is released. */
import { expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import type { Answer } from '../support/hub.ts'
import { settled, startHub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { config, hook, judge, send, stored, waiting } from '../support/transforms.ts'
import type { Quarantined, Receipt } from '../support/transforms.ts'

test('normalise, count, geo: each sees what the former made, in the order of the file', async () => {
  await using receiver = await startReceiver()
  const installations = [
    judge('normalise'),
    judge('count'),
    { ...judge('count'), id: 'count-again' },
    judge('geo', { when: { filter: { 'data.seen': { $gte: 2 } } } }),
    { ...judge('count'), id: 'elsewhere', when: { form: 'other' } },
    hook(receiver.url),
  ]
  await using hub = await startHub({ config: config(installations) })
  const answer = await send(hub, 'hello', { meta: { source: 'page' } }, { headers: { 'cf-ipcountry': 'NZ' } })
  expect(answer.status, answer.text).toBe(201)
  const { data, meta } = await stored(hub, answer.body.id)
  expect(data).toEqual({ email: 'ada@example.com', text: 'hello', seen: 2 })
  expect(meta).toMatchObject({ country: 'NZ', source: 'page', ip: '127.0.0.1' })
  await settled(hub)
  expect(receiver.requests.map((request) => request.json())).toEqual([
    { type: 'response.submitted', id: answer.body.id, text: 'hello', country: 'NZ' },
  ])
  expect(await hub.metric('manifold_transforms_total', { outcome: 'changed' })).toBe(4)
})

test('a flagged one looks stored to its sender, a refused one does not; both wait, and are released or discarded', async () => {
  await using receiver = await startReceiver()
  const events = ['response.submitted', 'response.quarantined']
  const installations = [judge('flags'), judge('rejects'), hook(receiver.url, events)]
  await using hub = await startHub({ config: config(installations) })
  const fine = await send(hub, 'hello')
  const spam = await send(hub, 'spam')
  const refused = await send(hub, 'blocked')
  const shapeOf = ({ status, headers, body }: Answer<Receipt>) => [
    status,
    Object.keys(headers).toSorted(),
    Object.keys(body),
  ]
  expect(shapeOf(spam)).toEqual(shapeOf(fine))
  expect([refused.status, refused.body.code, refused.body.detail]).toEqual([
    422,
    'response_rejected',
    'That word is not taken here.',
  ])
  const { items, total } = await waiting(hub)
  expect(total).toBe(2)
  expect(items).toMatchObject([
    { verdict: 'rejected', reason: 'blocked_word', installation: 'rejects', message: 'That word is not taken here.' },
    { id: spam.body.id, verdict: 'flagged', installation: 'flags', message: 'it says spam' },
  ])
  expect((await hub.api('GET', `/api/v2/responses/${spam.body.id}`)).status).toBe(404)
  await settled(hub)
  expect(receiver.requests.map((request) => request.json()['type']).toSorted()).toEqual([
    'response.quarantined',
    'response.quarantined',
    'response.submitted',
  ])
  expect(await hub.metric('manifold_quarantine_responses', { verdict: 'flagged' })).toBe(1)
  receiver.forget()

  const release = (id: string) => hub.api<Receipt>('POST', `/api/v2/quarantine/${id}/release`)
  const twice = await Promise.all([release(spam.body.id), release(spam.body.id)])
  expect(twice.map(({ status, body }) => [status, body.id])).toEqual([
    [200, spam.body.id],
    [200, spam.body.id],
  ])
  expect((await release('rsp_nobody')).status).toBe(404)
  expect((await hub.api('DELETE', `/api/v2/quarantine/${items[0]?.id}`)).status).toBe(204)
  expect((await hub.api('GET', `/api/v2/quarantine/${items[0]?.id}`)).status).toBe(404)
  await settled(hub)
  expect(receiver.requests.map((request) => request.json())).toEqual([
    { type: 'response.submitted', id: spam.body.id, text: 'spam', country: null },
  ])
  expect((await waiting(hub)).total).toBe(0)
  const { body } = await hub.api<{ submitted_at: string; created_at: string }>(
    'GET',
    `/api/v2/responses/${spam.body.id}`,
  )
  expect(body.submitted_at < body.created_at).toBe(true)
})

test('many are released at once, after they were counted; by form, verdict and installation', async () => {
  await using hub = await startHub({ config: config([judge('flags'), judge('rejects')]) })
  const rows = Array.from({ length: 130 }, (_, n) => ({ data: { email: `a${n}@example.com`, text: 'spam' } }))
  await hub.api('POST', '/api/v2/forms/contact/responses/batch', rows)
  await send(hub, 'blocked')
  const release = async (body: object) => (await hub.api('POST', '/api/v2/quarantine/release', body)).body
  expect(await release({ form: 'other' })).toEqual({ dry_run: false, matched: 0, released: 0 })
  expect(await release({ verdict: 'flagged', dry_run: true })).toEqual({ dry_run: true, matched: 130, released: 0 })
  expect(await release({ installation: 'flags', form: 'contact' })).toEqual({
    dry_run: false,
    matched: 130,
    released: 130,
  })
  expect((await waiting(hub)).items).toMatchObject([{ verdict: 'rejected' }])
  expect((await hub.api('POST', '/api/v2/quarantine/release', { verdikt: 'x' })).status).toBe(400)
})

test('repeats are the same responses, whatever transforms made of the first', async () => {
  await using hub = await startHub({ config: config([judge('stamps'), judge('flags'), judge('rejects')]) })
  for (const [text, first, again] of [
    ['fine', 201, 200],
    ['spam', 201, 200],
    ['blocked', 422, 422],
  ] as const) {
    const key = { headers: { 'idempotency-key': `key-${text}` } }
    const [one, two] = [await send(hub, text, {}, key), await send(hub, text, {}, key)]
    expect([one.status, two.status], text).toEqual([first, again])
    expect([two.body.id, two.body.event_id, two.body.detail]).toEqual([one.body.id, one.body.event_id, one.body.detail])
    expect((await send(hub, `${text}!`, {}, key)).body.code).toBe('idempotency_mismatch')
    const client = { client_id: `client-${text}` }
    const [three, four] = [await send(hub, text, client), await send(hub, text, client)]
    expect([three.status, four.status], text).toEqual([first, again])
    expect([four.body.id, four.body.event_id, four.body.detail]).toEqual([
      three.body.id,
      three.body.event_id,
      three.body.detail,
    ])
  }
  expect((await waiting(hub)).total).toBe(4)
  expect((await hub.api<{ items: unknown[] }>('GET', '/api/v2/responses')).body.items).toHaveLength(2)
  // Other answers under the id of a refused one are a new try.
  expect((await send(hub, 'better', { client_id: 'client-blocked' })).status).toBe(201)
  expect((await send(hub, 'other', { client_id: 'client-spam' })).body.code).toBe('idempotency_mismatch')
})

test('a batch: each row has its own fate; partial ones are looked at unless the manifest says otherwise', async () => {
  await using hub = await startHub({
    config: config([judge('count'), judge('flags'), judge('rejects'), judge('throws')]),
  })
  const rows = ['fine', 'spam', 'blocked', 'throw'].map((text) => ({ data: { email: 'a@example.com', text } }))
  const bad = { data: { email: 'nobody' } }
  const partial = { data: { text: 'spam' }, status: 'partial', client_id: 'p' }
  const { body } = await hub.api<{ items: { status: number; response?: Receipt; error?: Receipt }[] }>(
    'POST',
    '/api/v2/forms/contact/responses/batch',
    [...rows, bad, partial],
  )
  expect(body.items.map(({ status, error }) => [status, error?.code])).toEqual([
    [201, undefined],
    [201, undefined],
    [422, 'response_rejected'],
    [201, undefined],
    [422, 'invalid_response'],
    [201, undefined],
  ])
  const ids = body.items.map(({ response }) => response?.id ?? '')
  expect((await stored(hub, ids[0] ?? '')).data).toMatchObject({ text: 'fine', seen: 1 })
  expect(await stored(hub, ids[3] ?? '')).toMatchObject({ meta: { transform_failed: ['throws'] }, data: { seen: 1 } })
  expect((await waiting(hub)).items.map(({ id, verdict }) => [id, verdict])).toEqual([
    [ids[5], 'flagged'],
    [expect.any(String), 'rejected'],
    [ids[1], 'flagged'],
  ])
})

test('an HTML form: flagged ones are thanked, refused ones see the form again with the reason', async () => {
  await using hub = await startHub({ config: config([judge('flags'), judge('rejects')]) })
  const post = (text: string) =>
    hub.api<string>('POST', '/f/contact', `email=ada%40example.com&text=${text}`, {
      key: null,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
  const [fine, spam, refused] = [await post('fine'), await post('spam'), await post('blocked')]
  expect([fine.status, spam.status, refused.status]).toEqual([200, 200, 422])
  const withoutIds = (text: string) => text.replaceAll(/[a-z]{3}_[0-9a-z-]+/g, '')
  expect(withoutIds(spam.text)).toBe(withoutIds(fine.text))
  expect(refused.text).toContain('That word is not taken here.')
  expect(refused.text).toContain('value="blocked"')
  expect((await waiting(hub)).total).toBe(2)
})

test('a transform sees what its manifest and the admin allow, changes no more, and leaves nothing behind', async () => {
  const installations = [
    { ...judge('peeks'), id: 'peeks-pii', pii: true },
    judge('peeks'),
    judge('tampers'),
    judge('hides'),
    judge('tries'),
  ]
  await using hub = await startHub({ config: config(installations) })
  const answer = await hub.api<Receipt>(
    'POST',
    '/api/v2/forms/other/responses',
    { data: { email: 'ada@example.com', text: 'tamper' }, meta: { transform_failed: ['forged'] } },
    { headers: { 'cf-ipcountry': 'NZ', cookie: 'session=secret' } },
  )
  expect(answer.status, answer.text).toBe(201)
  const kept = await stored(hub, answer.body.id)
  expect(kept.data).toEqual({ email: 'ada@example.com', text: 'tamper' })
  // One changes a private field that it may not see, one the hub's own words.
  expect(kept.meta).toMatchObject({ ip: '127.0.0.1', transform_failed: ['tampers', 'hides'] })
  const lines = hub.logs.filter(({ msg }) => msg === 'seen') as { installation: string; fields: { response: string } }[]
  const seen = (id: string) => JSON.parse(lines.find(({ installation }) => installation === id)?.fields.response ?? '')
  expect(seen('peeks')).toMatchObject({
    status: 'completed',
    data: { text: 'tamper' },
    headers: { 'cf-ipcountry': 'NZ' },
    meta: { ip: '127.0.0.1' },
    form: { id: 'other' },
  })
  expect(Object.keys(seen('peeks').headers)).toEqual(['cf-ipcountry'])
  expect(Object.keys(seen('peeks').data)).toEqual(['text'])
  expect(seen('peeks-pii').data).toEqual({ email: 'ada@example.com', text: 'tamper' })
  expect(seen('peeks-pii').meta).not.toHaveProperty('transform_failed')
  expect(hub.stderr).not.toContain('session=secret')
  const tried = hub.logs.find(({ msg }) => msg === 'tried') as { fields: Record<string, string> } | undefined
  expect(tried?.fields).toEqual({
    http: 'capability_denied',
    fetch: 'capability_denied',
    enqueue: 'capability_denied',
    emit: 'capability_denied',
    tally: 'capability_denied',
    'kv.set': 'capability_denied',
    'kv.delete': 'capability_denied',
    'kv.get': 'fine',
    'responses.list': 'fine',
  })
  expect(await hub.metric('manifold_plugin_peeks_total')).toBe(2)
})

test('the command line: list, show, release and discard, after counting; status says how many wait', async () => {
  await using hub = await startHub({ config: config([judge('flags'), judge('rejects')]) })
  const ids: string[] = []
  for (const text of ['spam 1', 'spam 2', 'spam 3', 'spam 4']) ids.push((await send(hub, text)).body.id)
  await send(hub, 'blocked')
  const run = async (...args: string[]) => {
    const ended = await manifold(hub, ['quarantine', ...args, '--json'])
    expect(ended.code, `${args.join(' ')}: ${ended.stderr}`).toBe(0)
    return ended.json<Record<string, unknown> & { items: Quarantined[] }>()
  }
  // Whoever sends by hand and may read quarantine learns where a refused one is.
  const refused = await manifold(hub, ['send', 'contact', '--answers', '{"email":"ada@example.com","text":"blocked"}'])
  const [kept] = (await run('list', '--verdict', 'rejected')).items
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`manifold quarantine show ${kept?.id}`)])
  expect(await run('discard', kept?.id ?? '', '--yes')).toMatchObject({ discarded: 1 })
  expect((await run('list', '--verdict', 'flagged')).items.map(({ id }) => id)).toEqual(ids.toReversed())
  expect(await run('show', ids[0] ?? '')).toMatchObject({ verdict: 'flagged', data: { text: 'spam 1' } })
  expect(await run('release', ids[0] ?? '')).toEqual({ released: 1, ids: [ids[0]], before: [] })
  expect(await run('release', ids[0] ?? '')).toEqual({
    released: 0,
    ids: [ids[0]],
    before: [{ id: ids[0], stored_as: ids[0] }],
  })
  const again = await manifold(hub, ['quarantine', 'release', ids[0] ?? ''])
  expect(again.stderr).toBe(
    `${ids[0]} was released before (or never waited there), and is stored as ${ids[0]}\n0 stored\n`,
  )
  expect(await run('release', '--installation', 'flags', '--dry-run')).toMatchObject({ matched: 3, released: 0 })
  expect((await manifold(hub, ['status'])).stdout).toContain('4 responses in quarantine')
  expect(await run('discard', ids[1] ?? '', '--yes')).toMatchObject({ discarded: 1 })
  expect(await run('discard', '--verdict', 'rejected', '--dry-run')).toMatchObject({ matched: 1, discarded: 0 })
  const unmeant = await manifold(hub, ['quarantine', 'discard', '--all'])
  expect([unmeant.code, unmeant.stderr]).toEqual([2, expect.stringContaining('--yes')])
  expect((await manifold(hub, ['quarantine', 'discard'])).code).toBe(2)
  expect(await run('discard', '--verdict', 'rejected', '--yes')).toMatchObject({ discarded: 1 })
  expect(await run('release', '--all')).toMatchObject({ matched: 2, released: 2 })
  expect((await run('list')).items).toEqual([])
})
