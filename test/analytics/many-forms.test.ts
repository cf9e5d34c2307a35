/** Headline numbers of many forms in one answer: each form's are those that it has alone, on the API and on the pages. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { periodOf } from '../../core/dashboard/parts/period.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { caughtUp, submitAll } from '../support/surveys.ts'

const MANY = 120
const MINUTE_MS = 60_000

let hub: Hub
beforeAll(async () => {
  const fields = [{ key: 'topic', type: 'select', options: ['Sales', 'Support'] }]
  const silent = Array.from({ length: MANY }, (_, n) => [`silent-${n}`, { name: `Silent ${n}`, fields }] as const)
  hub = await startHub({
    config: {
      forms: {
        mixed: { name: 'Mixed', fields },
        visited: { name: 'Visited', fields },
        watched: { name: 'Watched', fields },
        ...Object.fromEntries(silent),
        // There is no moment at which both have the same day.
        'zone-east': { name: 'East', fields, timezone: 'Pacific/Kiritimati' },
        'zone-west': { name: 'West', fields, timezone: 'Pacific/Niue' },
      },
      installations: [{ id: 'analytics', use: 'analytics', with: { timezone: 'Europe/Berlin' } }],
    },
  })
  const started_at = new Date(Date.now() - MINUTE_MS).toISOString()
  const data = { topic: 'Sales' }
  // Some say when they were begun, and some do not: what is begun in a period is one thing for all pages.
  await submitAll(hub, 'mixed', [
    { data, started_at },
    { data, started_at },
    { data },
    { data, status: 'partial', started_at },
    { data: {}, status: 'partial' },
  ])
  const track = async (form: string, types: readonly string[]): Promise<void> => {
    const events = types.map((type) => ({ type, form_id: form, consent: 'minimal' }))
    expect((await hub.api('POST', '/api/v2/events/track', events)).status).toBeLessThan(300)
  }
  await track('visited', ['form_view', 'form_start', 'form_start', 'form_start', 'form_submit', 'form_submit'])
  await submitAll(hub, 'visited', [{ data }, { data }])
  for (const id of ['zone-east', 'zone-west']) await submitAll(hub, id, [{ data }])
  await track('watched', ['form_view', 'form_start', 'form_abandon'])
  await caughtUp(hub)
})
afterAll(() => hub?.[Symbol.asyncDispose]())

interface Item {
  readonly form_id: string
  readonly name: string
  readonly completion: { readonly base: string; readonly rate: number | null }
  readonly [part: string]: unknown
}
interface Page {
  readonly items: readonly Item[]
  readonly next_cursor: string | null
}
const pageOf = async (query: string): Promise<Page> => {
  const { status, body, text } = await hub.api<Page>('GET', `/api/v2/analytics/forms?${query}`)
  expect(status, text).toBe(200)
  return body
}
const NOW = new Date(Math.ceil(Date.now() / MINUTE_MS) * MINUTE_MS + MINUTE_MS).toISOString()

test.each(['', `to=${NOW}`, `from=2026-01-01&to=${NOW}`, 'from=2020-01-01&to=2020-12-31&timezone=UTC'])(
  'of "%s" each form has what it has alone',
  async (query) => {
    const { items } = await pageOf(`limit=100&${query}`)
    expect(items.slice(0, 2).map(({ form_id: id, name }) => [id, name])).toEqual([
      ['mixed', 'Mixed'],
      ['silent-0', 'Silent 0'],
    ])
    const rest = (await pageOf(`form=watched&${query}`)).items
    const visited = (await pageOf(`form=visited&${query}`)).items
    for (const { form_id: id, name: _name, timezone: _in, ...headline } of [
      ...items.slice(0, 2),
      ...rest,
      ...visited,
    ]) {
      const alone = await hub.api('GET', `/api/v2/analytics/forms/${id}/metrics?${query}`)
      const { form_id, timezone: _zone, series: _series, fields: _fields, annotations: _notes, ...own } = alone.body
      expect([form_id, own], id).toEqual([id, headline])
    }
  },
)

const localDay = (timeZone: string): string => new Intl.DateTimeFormat('en-CA', { timeZone }).format(new Date())

test('a form with a time zone of its own has its days there, whoever asks, unless the question names another', async () => {
  const dayOf = async (id: string, more = {}): Promise<string | undefined> => {
    const group_by = { field: 'submitted_at', bucket: 'day' }
    const question = { form_id: id, aggregate: 'count', group_by, ...more }
    return Object.keys((await hub.api('POST', '/api/v2/analytics/query', question)).body)[0]
  }
  const days: string[] = []
  for (const [id, zone] of [
    ['zone-east', 'Pacific/Kiritimati'],
    ['zone-west', 'Pacific/Niue'],
  ] as const) {
    const today = localDay(zone)
    const { body } = await hub.api('GET', `/api/v2/analytics/forms/${id}/metrics`)
    const { timezone: at, series } = body as { timezone: string; series: { points: { at: string; count: number }[] } }
    const seen = series.points.filter(({ count }) => count > 0).map((point) => point.at.slice(0, 10))
    const [item] = (await pageOf(`form=${id}`)).items
    const of = await pageOf(`form=${id}&from=${today}&to=${today}`)
    const asked = await dayOf(id)
    days.push(asked ?? '')
    // It may have become midnight there meanwhile.
    if (localDay(zone) !== today) continue
    expect([at, item?.['timezone'], seen, asked], id).toEqual([zone, zone, [today], today])
    expect(of.items.map(({ period }) => (period as { completed: number }).completed)).toEqual([1])
  }
  expect(new Set(days).size).toBe(2)
  expect(await dayOf('zone-east', { timezone: 'Pacific/Niue' })).toBe(days[1])
})

test('pages hold all of them once, in the order of their ids; what is asked wrongly is told where', async () => {
  const ids: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const page: Page = await pageOf(`limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`)
    ids.push(...page.items.map(({ form_id: id }) => id))
    cursor = page.next_cursor
  }
  expect(ids).toHaveLength(MANY + 5)
  expect(ids).toEqual([...new Set(ids)].toSorted())
  expect((await pageOf('form=nobody')).items).toEqual([])
  for (const [query, pointer] of [
    ['limit=101', '/limit'],
    ['cursor=x', '/cursor'],
    ['from=soon', '/from'],
    ['from=2026-02-02&to=2026-02-01', '/from'],
    ['timezone=Nowhere', '/timezone'],
  ]) {
    const wrong = await hub.api<{ errors: { pointer: string }[] }>('GET', `/api/v2/analytics/forms?${query}`)
    expect([wrong.status, wrong.body.errors.map((error) => error.pointer)], query).toEqual([422, [pointer]])
  }
})

test('what was imported counts when it was answered, not today', async () => {
  const row = { data: { topic: 'Sales' }, submitted_at: '2021-05-05T22:30:00Z', started_at: '2021-05-05T22:28:00Z' }
  await submitAll(hub, 'silent-1', [row, { ...row, submitted_at: '2021-05-31T21:59:59Z', started_at: null }])
  const of = async (query: string): Promise<unknown> =>
    (await hub.api('GET', `/api/v2/analytics/forms/silent-1/metrics?${query}`)).body
  const may = { period: { completed: 2 }, today: { completed: 0 }, time_to_complete: { median_s: 120 } }
  // On the clock of Berlin the second is still of May, and the first of the sixth.
  expect(await of('from=2021-05-01&to=2021-05-31&bucket=month')).toMatchObject({
    ...may,
    completion: { started: 2, rate: 1 },
    series: { points: [{ at: '2021-05', count: 2 }] },
  })
  expect(await of('')).toMatchObject({ totals: { completed: 2 }, period: { completed: 0 }, today: { completed: 0 } })
  const byDay = { field: 'response.submitted_at', bucket: 'day' }
  const question = { form_id: 'silent-1', aggregate: 'count', group_by: byDay }
  expect((await hub.api('POST', '/api/v2/analytics/query', question)).text).toContain('2021-05-06')
})

test('an answer is kept until one of its forms changes', async () => {
  const to = `to=${NOW}`
  const ask = async () => (await hub.api('GET', `/api/v2/analytics/forms?form=mixed&${to}`)).headers['server-timing']
  await ask()
  // It may have become another minute in between.
  expect([await ask(), await ask()]).toContainEqual(expect.stringContaining('cache;desc=hit'))
  expect((await hub.api('POST', '/api/v2/forms/mixed/responses', { data: { topic: 'Sales' } })).status).toBe(201)
  expect(await ask()).toContain('cache;desc=miss')
  expect((await pageOf(`form=mixed&${to}`)).items).toMatchObject([{ totals: { completed: 4 } }])
})

test('the page of all forms asks once for all of them, and says what the page of each says', async () => {
  const signed = await fetch(`${hub.url}/sign-in`, {
    method: 'POST',
    body: new URLSearchParams({ key: hub.adminKey }),
    redirect: 'manual',
    headers: { origin: hub.url },
  })
  const cookie = String(signed.headers.getSetCookie()[0]).split(';')[0] as string
  const textOf = async (path: string): Promise<string> => {
    const answer = await fetch(hub.url + path, { headers: { cookie } })
    expect(answer.status, path).toBe(200)
    return (await answer.text()).replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
  }
  const asked = async (): Promise<number> => {
    const of = (name: string) => hub.metric(`manifold_plugin_analytics_metrics_cache_${name}`)
    return (await of('hits')) + (await of('misses'))
  }
  const before = await asked()
  const all = await textOf('/analytics')
  // Where days begin, and the page.
  expect((await asked()) - before).toBe(2)
  expect(all).toContain('Silent 34 ')
  // Between the beginnings of the period in two zones: it is of the one and not of the other.
  const beginning = (zone: string): number =>
    Date.parse(periodOf({ query: () => undefined } as never, zone, Date.now()).from)
  for (const [id, zone] of [
    ['zone-east', 'Pacific/Kiritimati'],
    ['zone-west', 'Pacific/Niue'],
  ] as const) {
    const between = Math.min(beginning(zone), beginning('Europe/Berlin')) + MINUTE_MS
    await submitAll(hub, id, [{ data: { topic: 'Sales' }, submitted_at: new Date(between).toISOString() }])
  }
  const last = await textOf('/analytics?cursor=' + Buffer.from('silent-98').toString('base64url'))
  const shown = (text: string, form: string): readonly (string | undefined)[] =>
    new RegExp(`${form} (\\d+) (\\d+) (–|[\\d.]+ %) `).exec(text)?.slice(2) ?? []
  for (const [id, name, text] of [
    ['mixed', 'Mixed', all],
    ['visited', 'Visited', last],
    ['watched', 'Watched', last],
    ['silent-0', 'Silent 0', all],
    ['zone-east', 'East', last],
    ['zone-west', 'West', last],
  ] as const) {
    const own = await textOf(`/analytics/forms/${id}`)
    const [, completed] = /Completed (\d+) /.exec(own) ?? []
    const [, rate] = /Completion rate (–|[\d.]+ %) /.exec(own) ?? []
    expect([completed, rate], name).toEqual(shown(text, name))
    expect(rate, name).toBeDefined()
  }
  expect(shown(all, 'Mixed')).toEqual(['4', '80 %'])
  expect(shown(last, 'Visited')).toEqual(['2', '66.7 %'])
})
