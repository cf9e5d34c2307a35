/** Transforms that fail, are late, stand still or cannot run: no response is lost, and no sender waits for long. */
import { expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { startHub } from '../support/hub.ts'
import { config, judge, send, stored, waiting } from '../support/transforms.ts'
import type { Quarantined } from '../support/transforms.ts'
import { until } from '../support/wait.ts'

test('a transform that fails: open stores the response as it was, closed puts it aside; the sender waits no longer than the limit', async () => {
  const both = (how: string) => [
    { ...judge(how), id: `${how}-open`, when: { filter: { 'data.email': 'open@example.com' } } },
    {
      ...judge(how),
      id: `${how}-closed`,
      whenFails: 'closed',
      when: { filter: { 'data.email': 'closed@example.com' } },
    },
  ]
  const installations = [...['throws', 'loops', 'waits', 'spoils'].flatMap(both), judge('geo')]
  await using hub = await startHub({ config: config(installations) })
  for (const [how, text] of [
    ['throws', 'throw'],
    ['loops', 'loop'],
    ['waits', 'wait'],
    ['spoils', 'spoil'],
  ] as const) {
    const data = (policy: string) => ({ data: { email: `${policy}@example.com`, text } })
    const open = await send(hub, text, data('open'), { timeoutMs: 5_000 })
    expect(open.status, open.text).toBe(201)
    const kept = await stored(hub, open.body.id)
    expect(kept.data).toEqual({ email: 'open@example.com', text })
    // The next in the chain has looked at it.
    expect(kept.meta).toMatchObject({ transform_failed: [`${how}-open`], country: 'nowhere' })
    const closed = await send(hub, text, data('closed'), { timeoutMs: 5_000 })
    expect(closed.status, closed.text).toBe(201)
    const held = (await hub.api<Quarantined>('GET', `/api/v2/quarantine/${closed.body.id}`)).body
    expect(held).toMatchObject({ verdict: 'failed', reason: 'transform_failed', installation: `${how}-closed` })
    expect(held.data).toEqual({ email: 'closed@example.com', text })
    // Nobody who did nothing is held up or marked.
    const neighbour = await send(hub, 'fine', { data: { email: 'open@example.com', text: 'fine' } })
    expect(neighbour.status).toBe(201)
  }
  expect((await waiting(hub, '?verdict=failed')).total).toBe(4)
  expect(await hub.metric('manifold_transforms_total', { outcome: 'failed' })).toBeGreaterThanOrEqual(8)
})

test('a response that breaks a transform costs those beside it nothing', async () => {
  await using hub = await startHub({ config: config([judge('fragile')]) })
  const texts = ['fine 1', 'fine 2', 'loop', 'fine 3', 'fine 4', 'fine 5']
  const answers = await Promise.all(texts.map((text) => send(hub, text)))
  expect(answers.map(({ status }) => status)).toEqual(texts.map(() => 201))
  const kept = await Promise.all(answers.map(async ({ body }) => stored(hub, body.id)))
  expect(kept.map(({ data, meta }) => [data['text'], data['seen'] ?? meta['transform_failed']])).toEqual(
    texts.map((text) => [text, text === 'loop' ? ['fragile'] : 1]),
  )
})

test('a transform that stands still is one that fails, by its own policy', async () => {
  const installations = [judge('normalise'), judge('geo', { whenFails: 'closed', paused: true })]
  await using hub = await startHub({ config: config(installations) })
  await hub.api('POST', '/api/v2/installations/normalise/pause')
  const answer = await send(hub, 'hello')
  expect(answer.status, answer.text).toBe(201)
  const { items } = await waiting(hub)
  expect(items).toMatchObject([{ id: answer.body.id, verdict: 'failed', installation: 'geo' }])
  expect(items[0]?.data['email']).toBe('ADA@Example.com')
  await hub.api('POST', '/api/v2/installations/normalise/resume')
  await hub.writeConfig(config([judge('normalise'), judge('geo', { whenFails: 'closed' })]))
  await until('the file to be taken over', async () => (await stored(hub, (await send(hub, 'again')).body.id)).data, {
    accept: (data) => data?.['email'] === 'ada@example.com',
  })
})

test('a transform that fails again and again shows in its health, in words that go with the response', async () => {
  await using hub = await startHub({ config: config([judge('throws')]) })
  interface Health {
    readonly failure_streak: number
    readonly last_success_at: string | null
    readonly last_failure_at: string | null
    readonly last_error: string | null
    readonly last_error_code: string | null
  }
  const health = (accept: (shown: Health) => boolean) =>
    until('its health', async () => (await hub.api<Health>('GET', '/api/v2/installations/throws')).body, { accept })
  await send(hub, 'throw')
  const { id } = (await send(hub, 'throw')).body
  expect(await health(({ failure_streak: streak }) => streak === 2)).toMatchObject({
    last_success_at: null,
    last_failure_at: expect.stringMatching(/^20/) as string,
    last_error: expect.stringContaining('no idea') as string,
    last_error_code: 'plugin_threw',
  })
  const { stdout } = await manifold(hub, ['status'])
  expect(stdout).toMatch(/throws: 2 attempts failed in a row, last .+: plugin_threw: .*no idea/)
  await hub.api('DELETE', `/api/v2/responses/${id}`)
  expect(await health(() => true)).toMatchObject({
    failure_streak: 2,
    last_error: null,
    last_error_code: 'plugin_threw',
  })
  await send(hub, 'hello')
  const well = await health(({ failure_streak: streak }) => streak === 0)
  expect((well.last_success_at ?? '') > (well.last_failure_at ?? '')).toBe(true)
})

test('one whose settings are wrong looks at nothing, and its plugin has said what that means', async () => {
  const wrong = { id: 'wrong', use: 'judge', with: { how: 5 } }
  const elsewhere = { ...wrong, id: 'elsewhere', when: { form: 'other' }, whenFails: 'closed' }
  const unknown = { id: 'unknown', use: 'jugde', when: { form: 'other' }, whenFails: 'closed' }
  await using hub = await startHub({ config: config([judge('normalise'), wrong, unknown, elsewhere]) })
  const answer = await send(hub, 'hello')
  expect(answer.status, answer.text).toBe(201)
  expect(await stored(hub, answer.body.id)).toMatchObject({
    data: { email: 'ada@example.com' },
    meta: { transform_failed: ['wrong'] },
  })
  // The admin's word has been read, although nobody knows which plugin was meant.
  await hub.api('POST', '/api/v2/forms/other/responses', { data: { text: 'hello' } })
  expect((await waiting(hub)).items).toMatchObject([{ verdict: 'failed', installation: 'unknown' }])
  const noTransform = { id: 'hook', use: 'webhooks', with: { url: 'https://x.example/' }, whenFails: 'closed' }
  await hub.writeConfig(config([judge('normalise'), noTransform]))
  const shown = await until('the file to be read', () => hub.api('GET', '/api/v2/installations/hook'), {
    accept: ({ status }) => status === 200,
  })
  expect([shown.body['state'], shown.body['reason']]).toEqual(['invalid', expect.stringContaining('whenFails')])
  await until(
    'the other one to be forgotten',
    async () => (await stored(hub, (await send(hub, 'again')).body.id)).meta,
    {
      accept: (meta) => !Object.hasOwn(meta, 'transform_failed'),
    },
  )
})
