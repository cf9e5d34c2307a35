/** Headline numbers of forms: against the published figures, and over a year with both changes of the clock. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import type { Hub } from '../support/hub.ts'
import { openSurveys } from '../support/surveys.ts'
import { until } from '../support/wait.ts'

let hub: Hub
beforeAll(async () => {
  hub = await openSurveys({
    visits: {
      name: 'Visits',
      fields: [
        { key: 'name', type: 'text', pii: true },
        { key: 'score', type: 'rating', max: 5 },
        { key: 'minutes', type: 'number' },
        { key: 'again', type: 'boolean' },
      ],
    },
  })
})
afterAll(() => hub?.[Symbol.asyncDispose]())

interface Metrics {
  readonly totals: object
  readonly today: object
  readonly time_to_complete: object
  readonly series: { readonly points: readonly { readonly at: string; readonly count: number }[] }
  readonly fields: readonly { readonly key: string; readonly choices: readonly object[] }[]
}
const metricsOf = async (form: string, query = ''): Promise<Metrics> => {
  const { status, body, text } = await hub.api<Metrics>('GET', `/api/v2/analytics/forms/${form}/metrics${query}`)
  expect(status, text).toBe(200)
  return body
}

test('a survey: totals, shares of choices in the order of the form, all of them today', async () => {
  const { totals, today, series, fields } = await metricsOf('comma-survey')
  expect(totals).toEqual({ started: 1129, completed: 1129, partial: 0, completion_rate: 1 })
  expect(today).toEqual({ completed: 1129, week_before: 0, change: null })
  expect(series.points.map(({ count }) => count).reduce((sum, count) => sum + count)).toBe(1129)
  expect(series.points.length).toBeGreaterThanOrEqual(90)
  const heard = fields.find(({ key }) => key === 'heard_of_it')
  expect(heard).toMatchObject({
    answered: 1099,
    choices: [
      { value: 'Yes', label: 'Yes', count: 655, share: 655 / 1099 },
      { value: 'No', label: 'No', count: 444, share: 444 / 1099 },
    ],
  })
})

test('manifold analytics rebuild reads the log anew and proves the numbers equal; it is for admins', async () => {
  const { code, stderr, json } = await manifold(hub, ['analytics', 'rebuild', '--json'])
  expect(code, stderr).toBe(0)
  expect(json()).toMatchObject({ state: 'done', equal: true, error: null })
  const { forms } = json<{ forms: { form_id: string; before: object; after: object }[] }>()
  const survey = forms.find(({ form_id: id }) => id === 'comma-survey')
  expect(survey?.before).toMatchObject({ started: 1129, completed: 1129 })
  expect(survey?.after).toEqual(survey?.before)
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'r', scopes: ['analytics:read'] })
  const { status, text } = await hub.api('POST', '/api/v2/analytics/rebuild', undefined, { key: body.key })
  expect([status, text]).toEqual([403, expect.stringContaining('\\"admin\\"')])
})

test('annotations stand on the time line of their form, and those of all forms on each', async () => {
  const annotate = (body: object, options = {}) =>
    hub.api<{ id: string; at: string }>('POST', '/api/v2/analytics/annotations', body, options)
  const at = new Date(Date.now() - 3_600_000).toISOString()
  const sale = await annotate({ form_id: 'comma-survey', at, until: new Date().toISOString(), text: 'Campaign / "A"' })
  const all = await annotate({ at, text: 'New site' })
  await annotate({ form_id: 'visits', at, text: 'Of another form' })
  const old = await annotate({ at: '2025-10-26T02:30', timezone: 'Europe/Berlin', text: 'Long ago' })
  expect([sale.status, all.status, old.body.at]).toEqual([201, 201, '2025-10-26T00:30:00.000Z'])
  const leapt = await annotate({ at: '2025-03-30T02:30', timezone: 'Europe/Berlin', text: 'Leapt over' })
  expect(leapt.body.at).toBe('2025-03-30T01:30:00.000Z')
  expect((await annotate({ at: '2025-07-01', timezone: 'Europe/Berlin', text: 'A day' })).body.at).toBe(
    '2025-06-30T22:00:00.000Z',
  )
  const shown = async (): Promise<unknown[]> =>
    ((await metricsOf('comma-survey')) as unknown as { annotations: { text: string }[] }).annotations.map(
      ({ text }) => text,
    )
  expect((await shown()).toSorted()).toEqual(['Campaign / "A"', 'New site'])
  for (const wrong of [
    { at: 'soon', text: 'x' },
    { at, text: ' ' },
    { at, until: '2000-01-01', text: 'x' },
    { text: 'x' },
  ])
    expect((await annotate(wrong)).status).toBe(422)
  const nowhere = await annotate({ form_id: 'nope', at, text: 'x' })
  expect([nowhere.status, nowhere.text.includes('/form_id')]).toEqual([404, true])
  const key = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'n', scopes: ['analytics:read'] })
  expect((await annotate({ at, text: 'x' }, { key: key.body.key })).status).toBe(403)
  expect((await hub.api('DELETE', `/api/v2/analytics/annotations/${sale.body.id}`)).status).toBe(204)
  expect((await hub.api('DELETE', `/api/v2/analytics/annotations/${sale.body.id}`)).status).toBe(404)
  expect(await shown()).toEqual(['New site'])
})

test('a link shows the numbers of its form to everybody, counts who looks, and ends', async () => {
  interface Shared {
    readonly id: string
    readonly path: string
    readonly views: number
    readonly expires_at: string | null
  }
  const share = (expires: string) => hub.api<Shared>('POST', '/api/v2/analytics/shares', { form_id: 'visits', expires })
  expect((await hub.api('POST', '/api/v2/forms/visits/responses', { data: { name: 'Ada', score: 5 } })).status).toBe(
    201,
  )
  const { status, body } = await share('7d')
  expect([status, Math.round((Date.parse(body.expires_at ?? '') - Date.now()) / 86_400_000)]).toEqual([201, 7])
  const open = (path: string) => hub.api<Metrics & { form_name: string }>('GET', path, undefined, { key: null })
  const shown = await open(body.path)
  expect([shown.status, shown.body.form_name, shown.body.fields.map(({ key }) => key)]).toEqual([
    200,
    'Visits',
    ['score', 'minutes', 'again'],
  ])
  expect(shown.headers).toMatchObject({
    'x-robots-tag': 'noindex, nofollow',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; sandbox",
  })
  expect(shown.text).not.toContain('Ada')
  const list = async () =>
    (await hub.api<{ items: Shared[] }>('GET', '/api/v2/analytics/shares')).body.items.map(({ id, views }) => [
      id,
      views,
    ])
  expect(await list()).toEqual([[body.id, 1]])
  const forever = await share('never')
  expect(forever.body.expires_at).toBeNull()
  expect((await share('1s')).status).toBe(422)
  const other = body.path.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  expect([(await open(other)).status, (await open('/share/nobody.x')).status, (await open('/share/x')).status]).toEqual(
    [404, 404, 404],
  )
  expect((await hub.api('DELETE', `/api/v2/analytics/shares/${body.id}`)).status).toBe(204)
  expect([(await open(body.path)).status, (await open(forever.body.path)).status]).toEqual([404, 200])
})

test('a link is good as long as is said, and what is said wrongly is told where', async () => {
  const share = (body: object) =>
    hub.api<{ id: string; created_at: string; expires_at: string | null; errors?: { pointer: string }[] }>(
      'POST',
      '/api/v2/analytics/shares',
      body,
    )
  const lives: (number | null)[] = []
  for (const expires of ['1m', '12h', '366d', 'never']) {
    const { body } = await share({ form_id: 'comma-survey', expires })
    const { created_at: from, expires_at: until } = body
    lives.push(until === null ? null : (Date.parse(until) - Date.parse(from)) / 60_000)
    await hub.api('DELETE', `/api/v2/analytics/shares/${body.id}`)
  }
  expect(lives).toEqual([1, 720, 366 * 1_440, null])
  for (const [wrong, pointer] of [
    [{ form_id: 'comma-survey', expires: 'soon' }, '/expires'],
    [{ form_id: 'comma-survey', expires: '2s' }, '/expires'],
    [{ form_id: 'comma-survey', expires: '9999d' }, '/expires'],
    [{ form_id: 'comma-survey' }, '/expires'],
    [{ form_id: 'comma-survey', saved_id: 'sav_1', expires: '7d' }, ''],
    [{ form_id: 'comma-survey', expires: '7d', bla: 1 }, '/bla'],
  ] as const) {
    const { status, body, text } = await share(wrong)
    expect([status, body.errors?.map((error) => error.pointer)], text).toEqual([422, [pointer]])
  }
})

test('links, notes and saved questions of a form that is deleted are not those of the next one of its id', async () => {
  const form = { id: 'again', name: 'Again', fields: [{ key: 'age', type: 'number' }] }
  const begin = async (): Promise<void> => {
    expect((await hub.api('POST', '/api/v2/forms', form)).status).toBe(201)
    expect((await hub.api('POST', '/api/v2/forms/again/responses', { data: { age: 1 } })).status).toBe(201)
  }
  const link = async () =>
    (await hub.api<{ path: string }>('POST', '/api/v2/analytics/shares', { form_id: 'again', expires: 'never' })).body
      .path
  const open = async (path: string) => (await hub.api('GET', path, undefined, { key: null })).status
  const notes = async () => (await hub.api<{ items: [] }>('GET', '/api/v2/analytics/annotations?form=again')).text
  const save = async (formId: string): Promise<{ id: string; path: string }> => {
    const question = { form_id: formId, aggregate: 'avg', field: 'age' }
    const saved = await hub.api<{ id: string }>('POST', '/api/v2/analytics/saved', {
      name: 'Age',
      kind: 'query',
      question,
    })
    const body = { saved_id: saved.body.id, expires: 'never' }
    const { path } = (await hub.api<{ path: string }>('POST', '/api/v2/analytics/shares', body)).body
    return { id: saved.body.id, path }
  }
  const isSaved = async ({ id }: { readonly id: string }) =>
    (await hub.api('GET', `/api/v2/analytics/saved/${id}`)).status === 200
  await begin()
  const old = await link()
  const [oldSaved, elsewhere] = [await save('again'), await save('comma-survey')]
  expect([await isSaved(oldSaved), await open(oldSaved.path)]).toEqual([true, 200])
  const note = { at: '2026-11-27T09:30:00Z', text: 'of the first one', form_id: 'again' }
  expect((await hub.api('POST', '/api/v2/analytics/annotations', note)).status).toBe(201)
  expect([await open(old), (await notes()).includes(note.text)]).toEqual([200, true])
  expect((await hub.api('DELETE', '/api/v2/forms/again')).status).toBe(204)
  await begin()
  const fresh = await link()
  const freshSaved = await save('again')
  expect((await hub.api('POST', '/api/v2/analytics/annotations', { ...note, text: 'of the next one' })).status).toBe(
    201,
  )
  await until('the old link to be gone', async () => (await open(old)) === 404)
  await until('the old note to be gone', async () => !(await notes()).includes(note.text))
  await until('the old question to be gone', async () => !(await isSaved(oldSaved)))
  expect(await open(oldSaved.path)).toBe(404)
  expect([await open(fresh), await isSaved(freshSaved), await open(freshSaved.path)]).toEqual([200, true, 200])
  expect(await notes()).toContain('of the next one')
  expect(await isSaved(elsewhere)).toBe(true)
})

test('a field that is marked pii later is gone from answers, from SQL, from events and from links', async () => {
  const later = (pii: boolean) => ({
    id: 'later',
    name: 'Later',
    fields: [
      { key: 'city', type: 'text', pii },
      { key: 'age', type: 'number' },
    ],
  })
  expect((await hub.api('POST', '/api/v2/forms', later(false))).status).toBe(201)
  const data = { city: 'Atlantis', age: 40 }
  expect((await hub.api('POST', '/api/v2/forms/later/responses', { data })).status).toBe(201)
  const event = { type: 'search', form_id: 'later', properties: { query: 'x', city: 'Atlantis' } }
  expect((await hub.api('POST', '/api/v2/events/track', event)).status).toBe(201)
  const link = await hub.api<{ path: string }>('POST', '/api/v2/analytics/shares', { form_id: 'later', expires: '7d' })
  const opened = async (): Promise<string[]> =>
    (await hub.api<Metrics>('GET', link.body.path, undefined, { key: null })).body.fields.map(({ key }) => key)
  const asked = (question: object) => hub.api('POST', '/api/v2/analytics/query', question)
  const byCity = { form_id: 'later', aggregate: 'count', group_by: 'city' }
  const ofEvents = { data_set: 'events', aggregate: 'count', group_by: 'properties.city', filter: { form_id: 'later' } }
  const views = async (): Promise<string> => (await hub.api('GET', '/api/v2/analytics/sql')).text
  expect([(await asked(byCity)).body, (await asked(ofEvents)).body]).toEqual([{ Atlantis: 1 }, { Atlantis: 1 }])
  expect([await opened(), (await views()).includes('"city"')]).toEqual([['city', 'age'], true])

  expect((await hub.api('PUT', '/api/v2/forms/later', later(true))).status).toBe(200)
  expect([await opened(), (await views()).includes('"city"')]).toEqual([['age'], false])
  const refused = await asked(byCity)
  expect([refused.status, refused.body['detail']]).toEqual([422, expect.stringContaining('is marked pii')])
  expect((await asked(ofEvents)).body).toEqual({ null: 1 })
  // The mark taken back brings nothing back.
  expect((await hub.api('PUT', '/api/v2/forms/later', later(false))).status).toBe(200)
  expect((await hub.api('POST', '/api/v2/forms/later/responses', { data })).status).toBe(201)
  expect([await opened(), (await asked(byCity)).status]).toEqual([['age'], 422])
  expect((await asked({ form_id: 'later', aggregate: 'avg', field: 'age' })).text).toContain('40')
  // Read anew from the log it is the same.
  expect((await hub.api('POST', '/api/v2/analytics/rebuild')).status).toBe(202)
  const rebuilt = await until(
    'the rebuild to end',
    async () => (await hub.api('GET', '/api/v2/analytics/rebuild')).body,
    {
      accept: ({ state }) => state !== 'running',
    },
  )
  expect(rebuilt).toMatchObject({ state: 'done', equal: true })
})

test('manifold analytics asks what the API answers', async () => {
  const sql = await manifold(hub, ['analytics', 'sql', 'SELECT count(*) AS n FROM "comma-survey"', '--json'])
  expect(sql.json(), sql.stderr).toMatchObject({ columns: [{ name: 'n' }], rows: [[1129]] })
  const question = '{"form_id":"comma-survey","aggregate":"count","group_by":"heard_of_it"}'
  const query = await manifold(hub, ['analytics', 'query', question])
  expect(query.json(), query.stderr).toMatchObject({ Yes: 655, No: 444 })
  const metrics = await manifold(hub, ['analytics', 'metrics', 'comma-survey', '--bucket', 'month'])
  expect(metrics.json(), metrics.stderr).toMatchObject({ totals: { completed: 1129 }, series: { bucket: 'month' } })
  const share = await manifold(hub, ['analytics', 'share', 'comma-survey', '--json'])
  const { path } = share.json<{ path: string }>()
  expect((await hub.api('GET', path, undefined, { key: null })).status).toBe(200)
  expect((await manifold(hub, ['analytics', 'sql', 'DROP TABLE forms'])).code).not.toBe(0)
})

test('every route of the area is described, and each example is a question that can be asked', async () => {
  type Operation = {
    summary: string
    security: object[]
    requestBody?: { content: { [type: string]: { example: object } } }
  }
  const { body } = await hub.api<{ paths: { [path: string]: { [method: string]: Operation } } }>('GET', '/openapi.json')
  const manifest = JSON.parse(
    readFileSync(new URL('../../plugins/analytics/plugin.json', import.meta.url), 'utf8'),
  ) as {
    routes: { [route: string]: object }
  }
  const described = Object.keys(manifest.routes).filter((route) => !/^GET \/(live|share)\//.test(route))
  for (const route of described) {
    const [method = '', path = ''] = route.split(' ')
    const operation = body.paths[`/api/v2/analytics${path}`]?.[method.toLowerCase()]
    expect(operation, route).toMatchObject({ security: [{ apiKey: [] }], summary: expect.any(String) })
    const example = operation?.requestBody?.content['application/json']?.example
    expect(example !== undefined, route).toBe(method === 'POST' && route !== 'POST /rebuild')
    // There is no form "contact" here.
    const text = JSON.stringify(example)?.replace('"contact"', '"visits"').replace('"data.department"', '"data.score"')
    const asked = text && (JSON.parse(text) as object)
    if (asked)
      expect([200, 201, 404], route).toContain((await hub.api(method, `/api/v2/analytics${path}`, asked)).status)
  }
  const slow = body.paths['/api/v2/analytics/slow']?.['get']
  expect(slow).toMatchObject({
    description: expect.stringMatching(/Needs `admin`, too\.\s+Needs the scope `analytics:read`/),
  })
})

test('questions that took long are told without what they asked, and listed with it for admins; /metrics has the caches', async () => {
  const asked = { sql: `SELECT count(*) FROM range(300000) t(x) WHERE x % 7 = 3 AND 'ada@example.org' <> ''` }
  expect((await hub.api('POST', '/api/v2/analytics/sql', asked)).status).toBe(200)
  const slow = await manifold(hub, ['analytics', 'slow', '--json'])
  const { items } = slow.json<{ items: { route: string; took_ms: number; status: number; text: string }[] }>()
  expect(items.find(({ text }) => text.includes('ada@example.org'))).toMatchObject({ route: 'POST /sql', status: 200 })
  expect(items.every(({ took_ms: ms }) => ms >= 1)).toBe(true)
  const told = hub.logs.filter(({ msg }) => msg === 'a question took long')
  expect(told).toContainEqual(expect.objectContaining({ route: 'POST /sql', status: 200 }))
  expect(JSON.stringify(told)).not.toContain('ada@example.org')
  const { body } = await hub.api<{ key: string }>('POST', '/api/v2/keys', { name: 'n', scopes: ['analytics:read'] })
  expect((await hub.api('GET', '/api/v2/analytics/slow', undefined, { key: body.key })).status).toBe(403)

  const cache = (name: string) => hub.metric(`manifold_plugin_analytics_query_cache_${name}`)
  const question = { form_id: 'ipa-survey', aggregate: 'count', group_by: 'no_such' }
  expect((await hub.api('POST', '/api/v2/analytics/query', question)).status).not.toBe(200)
  const [hits, misses] = [await cache('hits'), await cache('misses')]
  const again = { form_id: 'comma-survey', aggregate: 'count', limit: 77 }
  for (let n = 0; n < 3; n += 1) await hub.api('POST', '/api/v2/analytics/query', again)
  expect([(await cache('hits')) - hits, (await cache('misses')) - misses]).toEqual([2, 1])
  expect(await cache('age_seconds')).toBeGreaterThan(0)
})
