/** Behaviour events at their doors: one or many, from servers and from browsers, each once, and only what may be known. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventSettings } from '../../core/config/event-settings.ts'
import { LIMITS } from '../../core/limits.ts'
import { openDoor } from './door.ts'
import type { Answer, CallOptions, Door } from './door.ts'

let door: Door
beforeAll(async () => {
  door = await openDoor({
    limits: { batchRowsMax: 60, publicRateBurst: 1_000 },
    trustedProxies: ['127.0.0.1/32'],
    events: {
      access: 'key',
      countryHeader: 'x-country',
      families: {
        video: {
          version: 2,
          description: 'A film was watched',
          needs: ['user_id'],
          properties: {
            seconds: { type: 'number', minimum: 0 },
            film: { type: 'string' },
            quality: { type: 'string', enum: ['sd', 'hd'] },
          },
          required: ['seconds'],
          renamed: { length: 'seconds' },
          subject: 'film',
          measure: 'seconds',
        },
      },
    },
  })
  await door.saveForm('contact', { fields: [{ key: 'email', type: 'email', pii: true }] })
  await door.saveForm('inner', { access: 'key', fields: [] })
})
afterAll(() => door[Symbol.asyncDispose]())
beforeEach(() => void (door.heard.length = 0))

const HASH = expect.stringMatching(/^[0-9a-f]{32}$/)
const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'
const send = (path: string, json: unknown, how: CallOptions = {}): Promise<Answer> =>
  door.call('POST', `/api/v2/events/${path}`, { json, ...how })
const asBrowser = (path: string, json: unknown): Promise<Answer> =>
  send(path, json, { key: null, headers: { 'user-agent': BROWSER, origin: 'https://example.org' } })
const told = () =>
  door.heard.map(({ type, data, meta }) => ({ type, data: JSON.parse(data ?? ''), meta: JSON.parse(meta) }))
const errorsOf = ({ body }: Answer) => body['errors'] as { pointer: string; detail: string }[]

test('one event of each door is stored as its family, with what it says and no more', async () => {
  const url = 'https://example.org/pricing?utm_source=news&utm_medium=mail&utm_campaign=may&token=secret#buy'
  const page = await send('page', { user_id: 'u-1', page: { url, title: 'Prices', referrer: 'https://t.example/x?y' } })
  expect([page.status, page.body]).toEqual([
    201,
    { id: expect.stringMatching(/^evt_/), type: 'page_view', received_at: expect.stringMatching(/Z$/) },
  ])
  await send('conversion', { name: 'order', value: 49.9, currency: 'EUR', anonymous_id: 'v-1' })
  await send('custom', { name: 'export', properties: { pages: 3, of: { kind: 'pdf' } } })
  await send('track', {
    type: 'search',
    properties: { query: 'x' },
    context: { channel: 'mobile', organizer: 'o', event: 'gig', country: 'DE' },
  })
  expect(told().map(({ type }) => type)).toEqual([
    'track.page_view',
    'track.conversion',
    'track.custom',
    'track.search',
  ])
  expect(told()[0]?.data).toEqual({
    name: 'page_view',
    occurred_at: page.body['received_at'],
    schema_version: 1,
    user_id: 'u-1',
    consent: 'granted',
    page: { url: 'https://example.org/pricing', path: '/pricing', title: 'Prices', referrer_host: 't.example' },
    context: { channel: 'api' },
    campaign: { source: 'news', medium: 'mail', name: 'may' },
  })
  expect(told()[1]?.data).toMatchObject({ name: 'order', value: 49.9, currency: 'EUR', anonymous_id: 'v-1' })
  expect(told()[2]?.data).toMatchObject({ name: 'export', properties: { pages: 3, of: { kind: 'pdf' } } })
  expect(told()[3]).toMatchObject({
    data: { context: { channel: 'mobile', organizer: 'o', event: 'gig' } },
    meta: { country: 'DE' },
  })
})

test('sent again under its id it is the same event, and strangers cannot use up the ids of others', async () => {
  const event = { event_id: 'once', form_id: 'contact', type: 'conversion' }
  const first = await send('track', event)
  const again = await send('track', { ...event, value: 3 })
  expect([again.status, again.body, again.headers['idempotency-replayed']]).toEqual([200, first.body, 'true'])
  const stranger = await asBrowser('track', event)
  expect([stranger.status, stranger.body['id'] === first.body['id']]).toEqual([201, false])
  expect(told()).toHaveLength(2)
})

test('ids and names that a database would change are refused before they reach it', async () => {
  for (const word of ['half \ud800', 'a\u0000b', 'bell\u0007']) {
    const answer = await send('track', { event_id: word, name: word })
    expect([answer.status, errorsOf(answer).map(({ pointer }) => pointer)]).toEqual([422, ['/event_id', '/name']])
  }
  expect(door.heard).toEqual([])
})

test('many: an object of events, an array or lines; each stands alone', async () => {
  const rows = [
    { event_id: 'm-1', type: 'conversion' },
    { type: 'no such' },
    { event_id: 'm-1', type: 'conversion' },
    { consent: 'denied', type: 'conversion', user_id: 'nobody' },
    { type: 'quiz' },
  ]
  const statuses = ({ body }: Answer) =>
    (body['items'] as { line: number; status: number }[]).map(({ line, status }) => [line, status])
  const expected = [1, 2, 3, 4, 5].map((line, i) => [line, [201, 422, 200, 204, 422][i]])
  const wrapped = await send('track', { events: rows })
  expect([wrapped.status, statuses(wrapped)]).toEqual([200, expected])
  expect(wrapped.body).toMatchObject({ stored: 1, duplicates: 1, denied: 1, failed: 2 })
  expect(told()).toHaveLength(1)
  const array = await send('track', rows)
  expect(array.body).toMatchObject({ stored: 0, duplicates: 2, denied: 1, failed: 2 })
  const lines = await send('track', undefined, {
    body: rows.map((row) => JSON.stringify(row)).join('\n\n'),
    headers: { 'content-type': 'application/x-ndjson' },
  })
  expect(statuses(lines)).toEqual([1, 3, 5, 7, 9].map((line, i) => [line, [200, 422, 200, 204, 422][i]]))
  expect(
    (await send('track', undefined, { body: ' { "events" : [ ] } ', headers: { 'content-type': 'application/json' } }))
      .body,
  ).toMatchObject({ items: [] })
})

test('a browser sends without a key about public forms alone, as a beacon may, and says nothing of others', async () => {
  const view = { form_id: 'contact', type: 'form_view', anonymous_id: 'v-1', consent: 'granted' }
  const beacon = await send('track', undefined, {
    key: null,
    body: JSON.stringify(view),
    headers: { 'content-type': 'text/plain;charset=UTF-8', 'user-agent': BROWSER, origin: 'https://example.org' },
  })
  expect([beacon.status, beacon.headers['access-control-allow-origin']]).toEqual([201, '*'])
  expect(told()).toMatchObject([
    {
      data: { form_id: 'contact', context: { channel: 'web' } },
      meta: { device: 'desktop', browser: 'Firefox', os: 'Linux', user_agent: BROWSER, ip_hash: HASH },
    },
  ])
  expect(JSON.stringify(door.heard)).not.toContain('127.0.0.1')
  // Who somebody is and what something was worth is taken from senders that are known.
  const claims = {
    user_id: 'u-1',
    value: 9,
    currency: 'EUR',
    context: { organizer: 'o', event: 'e', channel: 'mobile' },
  }
  expect((await asBrowser('track', { ...view, ...claims })).status).toBe(201)
  const { data: taken } = told()[1] as { data: Record<string, unknown> }
  expect(taken).toMatchObject({ anonymous_id: 'v-1', consent: 'granted', context: { channel: 'mobile' } })
  for (const part of ['user_id', 'value', 'currency']) expect(taken).not.toHaveProperty(part)
  const learned = { type: 'learning_session', form_id: 'contact', user_id: 'u-1', properties: { duration_s: 3 } }
  expect(errorsOf(await asBrowser('track', { ...learned, consent: 'granted' }))[0]).toEqual({
    pointer: '/user_id',
    detail: 'is required for this family, from a sender with an API key',
  })
  for (const event of [{ type: 'conversion' }, { type: 'conversion', form_id: 'inner' }]) {
    const refused = await asBrowser('track', event)
    expect([refused.status, errorsOf(refused)[0]?.pointer]).toEqual([422, '/form_id'])
  }
  const posing = await asBrowser('track', { ...view, context: { country: 'DE', user_agent: 'x', ip: '192.0.2.7' } })
  expect(errorsOf(posing).map(({ pointer }) => pointer)).toEqual([
    '/context/user_agent',
    '/context/ip',
    '/context/country',
  ])
  const reader = await door.key(['analytics:read'])
  expect((await send('track', view, { key: reader })).status).toBe(403)
})

test.each<[string, unknown, string]>([
  ['track', { type: 'Page View' }, '/type'],
  ['track', { type: 'unheard_of' }, '/type'],
  ['page', { type: 'click', page: { path: '/' } }, '/type'],
  ['page', {}, '/page'],
  ['page', { page: { path: 'pricing' } }, '/page/path'],
  ['page', { page: { url: 'javascript:alert(1)' } }, '/page/url'],
  ['custom', {}, '/name'],
  ['custom', { name: ' ' }, '/name'],
  ['conversion', { value: '3' }, '/value'],
  ['conversion', { currency: 'euro' }, '/currency'],
  ['track', { occurred_at: 'yesterday' }, '/occurred_at'],
  ['track', { form_id: 'nothing', type: 'conversion' }, '/form_id'],
  ['track', { type: 'conversion', element: 'buy' }, '/element'],
  ['track', 'click', ''],
])('%s refuses %j and says where', async (path, event, pointer) => {
  const answer = await send(path, event)
  expect([answer.status, answer.body['code'], errorsOf(answer)[0]?.pointer]).toEqual([422, 'invalid_event', pointer])
  expect(told()).toEqual([])
})

test('properties take the types of their family, and what it says becomes subject, action and measure', async () => {
  const properties = { quiz_id: 7, score: '3', max_score: '4.5', passed: 'true', note: '9' }
  await send('track', { type: 'quiz_attempt', user_id: 'u-1', properties })
  expect(told()[0]?.data).toMatchObject({
    properties: { quiz_id: '7', score: 3, max_score: 4.5, passed: true, note: '9' },
    subject: '7',
    action: 'true',
    measure: 3,
  })
  const wrong = await send('track', {
    type: 'quiz_attempt',
    properties: { score: 'three', max_score: -1, passed: 'perhaps' },
  })
  expect(errorsOf(wrong)).toEqual([
    { pointer: '/user_id', detail: 'is required for this family, from a sender with an API key' },
    { pointer: '/properties/score', detail: 'must be a number' },
    { pointer: '/properties/max_score', detail: 'must be at least 0' },
    { pointer: '/properties/passed', detail: 'must be true or false' },
    { pointer: '/properties/quiz_id', detail: 'is required' },
  ])
})

test('a family of the file: what it needs, older versions under their old names, none that is not known yet', async () => {
  const video = (more: object) => send('track', { type: 'video', user_id: 'u-1', ...more })
  expect((await video({ properties: { seconds: 3, film: 'x', quality: 'hd' } })).status).toBe(201)
  expect((await video({ schema_version: 1, properties: { length: '4' } })).status).toBe(201)
  expect(told().map(({ data }) => [data.schema_version, data.properties.seconds, data.measure])).toEqual([
    [2, 3, 3],
    [2, 4, 4],
  ])
  expect(errorsOf(await video({ properties: { length: 4, quality: '4k' } })).map(({ pointer }) => pointer)).toEqual([
    '/properties/quality',
    '/properties/seconds',
  ])
  expect(errorsOf(await video({ schema_version: 3, properties: { seconds: 1 } }))[0]?.pointer).toBe('/schema_version')
  const { body } = await door.call('GET', '/api/v2/events/families')
  const named = (body['items'] as { name: string; version: number }[]).map(({ name, version }) => `${name} ${version}`)
  expect(named).toEqual(expect.arrayContaining(['page_view 1', 'quiz_attempt 1', 'video 2']))
})

test('where the file says so, strangers may send what is about no form', async () => {
  const { collector } = door.deps
  const settings = eventSettings()
  collector.configure({ ...settings, access: 'public' })
  expect((await asBrowser('page', { page: { path: '/' } })).status).toBe(201)
  expect((await asBrowser('track', { type: 'conversion', form_id: 'inner' })).status).toBe(422)
  collector.configure(settings)
  expect((await asBrowser('page', { page: { path: '/' } })).status).toBe(422)
})

describe('limits', () => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) })
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]))
  const { eventBytesMax, eventPropertiesMax, eventPropertyDepthMax, eventPropertyCharsMax, eventNumberMax } = LIMITS

  test('properties: how many, how deep, how long, how large', async () => {
    for (const [within, beyond] of [
      [many(eventPropertiesMax), many(eventPropertiesMax + 1)],
      [nested(eventPropertyDepthMax), nested(eventPropertyDepthMax + 1)],
      [{ a: 'x'.repeat(eventPropertyCharsMax) }, { a: 'x'.repeat(eventPropertyCharsMax + 1) }],
      [{ a: [eventNumberMax] }, { a: [-eventNumberMax * 2] }],
    ]) {
      expect((await send('track', { type: 'conversion', properties: within })).status).toBe(201)
      const answer = await send('track', { type: 'conversion', properties: beyond })
      expect([answer.status, errorsOf(answer)[0]?.pointer]).toEqual([422, '/properties'])
    }
  })

  test('a value, and a number that comes as text', async () => {
    const answers = [
      await send('track', { type: 'conversion', value: eventNumberMax * 2 }),
      await send('track', { type: 'search', properties: { query: 'x', results: '1e300' } }),
    ]
    expect(answers.map((answer) => errorsOf(answer)[0]?.pointer)).toEqual(['/value', '/properties/results'])
  })

  test('events of an address: by event, and apart from responses', async () => {
    const limits = { publicRatePerSecond: 1, publicRateBurst: 10 }
    await using tight = await openDoor({ limits })
    await tight.saveForm('contact', { fields: [{ key: 'email', type: 'email' }] })
    const views = (count: number) =>
      tight.call('POST', '/api/v2/events/track', {
        json: Array.from({ length: count }, () => ({ type: 'form_view', form_id: 'contact' })),
        key: null,
      })
    expect([(await views(9)).status, (await views(9)).status]).toEqual([200, 200])
    const refused = await views(1)
    expect([refused.status, refused.body['detail']]).toEqual([429, expect.stringContaining('events a second')])
    const json = { data: { email: 'a@example.org' } }
    expect((await tight.call('POST', '/api/v2/forms/contact/responses', { json, key: null })).status).toBe(201)
  })

  test('bytes of an event, rows of a batch, rows without a key', async () => {
    const long = await send(
      'track',
      { type: 'conversion', properties: many(90), name: 'x' },
      { headers: { 'x-pad': '1' } },
    )
    expect(long.status).toBe(201)
    const huge = await send('track', undefined, {
      body: `{"type":"click"${' '.repeat(eventBytesMax)}}`,
      headers: { 'content-type': 'application/json' },
    })
    expect([huge.status, huge.body['code']]).toEqual([413, 'body_too_large'])
    const rows = (count: number) => Array.from({ length: count }, () => ({ type: 'form_view', form_id: 'contact' }))
    expect((await send('track', rows(60))).body).toMatchObject({ stored: 60 })
    expect((await send('track', rows(61))).status).toBe(413)
    expect((await asBrowser('track', rows(LIMITS.publicEventRowsMax))).body).toMatchObject({ failed: 0 })
    expect((await asBrowser('track', { events: rows(LIMITS.publicEventRowsMax + 1) })).status).toBe(413)
  })

  test('a clock that runs ahead is told the time, and strangers cannot write history', async () => {
    const about = { type: 'form_view', form_id: 'contact' }
    const from = (ms: number) => new Date(Date.now() + ms).toISOString()
    const occurred = async (answer: Promise<Answer>) => {
      const { body } = await answer
      return Date.parse(String(told().at(-1)?.data.occurred_at)) - Date.parse(String(body['received_at']))
    }
    expect(await occurred(send('track', { ...about, occurred_at: from(60_000) }))).toBe(0)
    const old = '2015-05-17T10:05:00.000Z'
    await send('track', { ...about, occurred_at: '2015-05-17T12:05:00+02:00' })
    expect(told().at(-1)?.data.occurred_at).toBe(old)
    expect(await occurred(asBrowser('track', { ...about, occurred_at: old }))).toBe(-LIMITS.publicEventAgeMsMax)
  })
})
