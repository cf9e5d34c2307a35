/** Headline numbers of forms: against the published figures, and over a year with both changes of the clock. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import type { Hub } from '../support/hub.ts'
import { openSurveys } from '../support/surveys.ts'

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
  expect((await share('1d')).status).toBe(422)
  const other = body.path.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
  expect([(await open(other)).status, (await open('/share/nobody.x')).status, (await open('/share/x')).status]).toEqual(
    [404, 404, 404],
  )
  expect((await hub.api('DELETE', `/api/v2/analytics/shares/${body.id}`)).status).toBe(204)
  expect([(await open(body.path)).status, (await open(forever.body.path)).status]).toEqual([404, 200])
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
