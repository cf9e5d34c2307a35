/** Forms that nobody has answered yet: they have numbers, all of them zero; forms that do not exist have none. */
import { SignJWT } from 'jose'
import { WebSocket } from 'ws'
import { afterAll, beforeAll, expect, test } from 'vitest'
import analytics from '../../plugins/analytics/index.ts'
import type { FormPart, NativeServices } from '../../core/contract/index.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { caughtUp } from '../support/surveys.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const SECRET = 'a secret that only this test and its hub know'
const ISSUER = 'https://id.example'
const SCOPES = ['forms:read', 'forms:write', 'responses:read', 'analytics:read']
const FIELDS = [
  { key: 'dept', type: 'select', options: ['IT', 'HR'] },
  { key: 'age', type: 'number' },
  { key: 'name', type: 'text', pii: true },
]

let hub: Hub
/** Of another workspace. */
let stranger: string
beforeAll(async () => {
  hub = await startHub({
    config: {
      forms: { fresh: { name: 'Fresh', fields: FIELDS } },
      auth: { jwt: [{ issuer: ISSUER, audience: 'manifold', secret: SECRET, workspace: 'acme', scopes: SCOPES }] },
      installations: [
        { id: 'analytics', use: 'analytics', with: { timezone: 'Europe/Berlin' } },
        { id: 'analytics', use: 'analytics', workspace: 'acme' },
      ],
    },
  })
  stranger = await new SignJWT({ scope: SCOPES.join(' ') })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(ISSUER)
    .setAudience('manifold')
    .setSubject('ada')
    .setExpirationTime('5m')
    .sign(new TextEncoder().encode(SECRET))
  await caughtUp(hub)
})
afterAll(() => hub?.[Symbol.asyncDispose]())

interface Metrics {
  readonly timezone: string
  readonly totals: object
  readonly completion: object
  readonly fields: readonly { readonly key: string }[]
}
const metricsOf = (form: string, options = {}) =>
  hub.api<Metrics>('GET', `/api/v2/analytics/forms/${form}/metrics`, undefined, options)
const ask = (question: object) => hub.api('POST', '/api/v2/analytics/query', { form_id: 'fresh', ...question })

test('its numbers are zeros, its choices and fields are there, and so is its time zone', async () => {
  const { status, body, text } = await metricsOf('fresh')
  expect(status, text).toBe(200)
  expect(body).toMatchObject({
    timezone: 'Europe/Berlin',
    totals: { started: 0, completed: 0, partial: 0, completion_rate: null },
    completion: { base: 'responses', started: 0, rate: null, snippet: null },
    time_to_complete: { median_s: null },
  })
  const none = { answered: 0, reached: 0, left: 0, drop_off: null }
  expect(body.fields).toMatchObject([
    { key: 'dept', ...none, choices: [{ value: 'IT', count: 0, share: null }, { value: 'HR' }] },
    { key: 'age', ...none, numbers: { sum: null } },
  ])
  // Of a period, too.
  const of = await hub.api('GET', '/api/v2/analytics/forms/fresh/metrics?from=2026-01-01T00:00:00Z&bucket=month')
  expect([of.status, of.text]).toEqual([200, expect.stringContaining('"completed":0')])
})

test('questions about it are answered or refused as about any other', async () => {
  expect((await ask({ aggregate: 'count', group_by: 'dept' })).body).toEqual({})
  const aggregates = { n: { fn: 'count' }, mean: { fn: 'avg', field: 'age' } }
  expect((await ask({ aggregates })).body['items']).toEqual([{ n: 0, mean: null }])
  const byDay = { field: 'response.submitted_at', bucket: 'day', as: 'day' }
  expect((await ask({ aggregates, group_by: byDay, filter: { age: { $gt: 3 } } })).body['items']).toEqual([])
  for (const field of ['name', 'nothing'])
    expect((await ask({ aggregate: 'count', group_by: field })).status, field).toBe(422)
})

test('what the snippet saw of it is told, also where nobody has begun', async () => {
  const watched = { form_id: 'fresh', anonymous_id: 'v' }
  const track = (type: string) => hub.api('POST', '/api/v2/events/track', { type, ...watched, properties: {} })
  expect((await track('form_view')).status).toBe(201)
  const looked = await until('the view to be counted', async () => (await metricsOf('fresh')).body.completion, {
    accept: (completion) => JSON.stringify(completion).includes('"views":1'),
  })
  expect(looked).toMatchObject({ base: 'snippet', views: 1, started: 0, completed: 0, rate: null })
  expect((await track('form_start')).status).toBe(201)
  expect((await metricsOf('fresh')).body.completion).toMatchObject({ base: 'snippet', views: 1, started: 1, rate: 0 })
})

test('links, live numbers and notes on its time line', async () => {
  const shared = await hub.api<{ path: string }>('POST', '/api/v2/analytics/shares', {
    form_id: 'fresh',
    expires: '7d',
  })
  expect(shared.status, shared.text).toBe(201)
  const opened = await hub.api('GET', shared.body.path, undefined, { key: null })
  expect([opened.status, opened.body]).toMatchObject([200, { form_name: 'Fresh', totals: { completed: 0 } }])
  const note = { form_id: 'fresh', at: '2026-11-27', text: 'It began' }
  expect((await hub.api('POST', '/api/v2/analytics/annotations', note)).status).toBe(201)

  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/ws/analytics/live?form=fresh`, [
    'manifold',
    `bearer.${hub.adminKey}`,
  ])
  const told: { type: string; metrics?: object }[] = []
  socket.on('message', (data) => void told.push(JSON.parse((data as Buffer).toString()) as (typeof told)[number]))
  const first = await until('its numbers', async () => told.find(({ type }) => type === 'metric_update'))
  expect(first).toMatchObject({ metrics: { started: 0, completed: 0, today: 0 } })
  socket.close()
})

test('it is nobody else’s, and what does not exist or is deleted is not there', async () => {
  const gone = async (form: string, options = {}): Promise<number[]> => {
    const post = async (path: string, body: object) =>
      (await hub.api('POST', `/api/v2/analytics/${path}`, body, options)).status
    return [
      (await metricsOf(form, options)).status,
      await post('query', { form_id: form, aggregate: 'count' }),
      await post('shares', { form_id: form, expires: '7d' }),
      await post('annotations', { form_id: form, at: '2026-11-27', text: 'x' }),
    ]
  }
  const nowhere = [404, 404, 404, 404]
  await until(
    'the other workspace to have read the log',
    async () => (await metricsOf('x', { key: stranger })).status,
    {
      accept: (status) => status === 404,
    },
  )
  expect([await gone('nope'), await gone('fresh', { key: stranger })]).toEqual([nowhere, nowhere])
  const passing = { id: 'passing', name: 'Passing', fields: FIELDS }
  expect((await hub.api('POST', '/api/v2/forms', passing)).status).toBe(201)
  const changed = { name: 'Passing', fields: [{ key: 'city', type: 'select', options: ['Rome'] }] }
  expect((await metricsOf('passing')).body.fields.map(({ key }) => key)).toEqual(['dept', 'age'])
  expect((await hub.api('PUT', '/api/v2/forms/passing', changed)).status).toBe(200)
  expect((await metricsOf('passing')).body.fields.map(({ key }) => key)).toEqual(['city'])
  expect((await hub.api('DELETE', '/api/v2/forms/passing')).status).toBe(204)
  expect(await gone('passing')).toEqual(nowhere)
})

test('a day in a question is all of that day, in the zone of the question or of the form', async () => {
  const day = 'from=2026-03-29&to=2026-03-29'
  const berlin = { from: '2026-03-28T23:00:00.000Z', to: '2026-03-29T22:00:00.000Z' }
  const path = `/api/v2/analytics/forms/fresh/metrics?${day}&bucket=hour`
  const { body } = await hub.api<{ period: object; series: { points: object[] } }>('GET', path)
  expect([body.period, body.series.points.length]).toMatchObject([berlin, 23])
  const utc = { from: '2026-03-29T00:00:00.000Z', to: '2026-03-30T00:00:00.000Z' }
  expect((await hub.api('GET', `${path}&timezone=UTC`)).body['period']).toMatchObject(utc)
  expect((await hub.api('GET', `/api/v2/analytics/activity?${day}`)).body).toMatchObject(berlin)
  const span = { from: '2026-03-29', to: '2026-03-29' }
  const compared = await ask({ aggregates: { n: { fn: 'count' } }, ...span, compare: '1w' })
  expect(compared.body['meta']).toMatchObject({
    compare: { from: '2026-03-21T23:00:00.000Z', to: '2026-03-22T23:00:00.000Z' },
  })
  const behaviour = { steps: ['a', 'b'], ...span }
  expect((await hub.api('POST', '/api/v2/analytics/funnels', behaviour)).status).toBe(200)
  expect((await hub.api('GET', `/api/v2/analytics/features?${day}`)).status).toBe(200)
  const saved = { name: 'Steps', kind: 'funnels', question: behaviour }
  expect((await hub.api('POST', '/api/v2/analytics/saved', saved)).status).toBe(201)
  const wrong = await hub.api('POST', '/api/v2/analytics/funnels', { ...behaviour, to: '2026-02-30' })
  expect([wrong.status, wrong.body['detail']]).toEqual([422, expect.stringContaining('or a day')])
})

test('its first answer counts as the first', async () => {
  const data = { dept: 'IT', age: 40, name: 'Ada' }
  expect((await hub.api('POST', '/api/v2/forms/fresh/responses', { data })).status).toBe(201)
  expect((await metricsOf('fresh')).body).toMatchObject({ totals: { completed: 1 }, fields: [{ answered: 1 }, {}] })
  expect((await ask({ aggregate: 'count', group_by: 'dept' })).body).toEqual({ IT: 1 })
})

test('notes are written and links are made while the engine still reads the log', async () => {
  await using dir = await tempDir('reading')
  const form: FormPart = { id: 'f', name: 'F', version: 1, fields: [] }
  const around: NativeServices<Parameters<typeof analytics>[0]['config']> = {
    config: {
      timezone: 'UTC',
      memoryMb: 256,
      countsMb: 16,
      queryTimeoutMs: 5_000,
      slowQueryMs: 1_000,
      openFields: [],
      rewriteAfterS: 3_600,
    },
    installation: 'analytics',
    workspace: 'default',
    dir: dir.path,
    grant: 'all',
    cache: { get: async () => null, put: async () => undefined, textBytesMax: async () => 0 },
    // There is much to read, and none of it comes.
    log: { read: async ({ after }) => ({ events: [], next: after }), head: async () => 1_000 },
    forms: { find: async (id) => (id === 'f' ? form : null), list: async () => ({ forms: [form], next: null }) },
    ladder: { read: async () => null, held: async () => null },
    say: () => {},
  }
  const { routes = {}, close } = await analytics(around)
  try {
    const kv = { set: () => {}, delete: () => {}, list: async () => ({ keys: [], next: null }) }
    const ctx = { kv, signal: new AbortController().signal } as never
    const post = async (route: string, body: object) =>
      (await routes[route]?.({ body: JSON.stringify(body) } as never, ctx))?.status
    const note = { at: '2026-11-27', text: 'x' }
    expect([
      await post('POST /annotations', { form_id: 'f', ...note }),
      await post('POST /annotations', { form_id: 'g', ...note }),
      await post('POST /shares', { form_id: 'f', expires: '7d' }),
    ]).toEqual([201, 404, 201])
  } finally {
    await close?.()
  }
})
