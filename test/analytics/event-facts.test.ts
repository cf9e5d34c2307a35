/** A web server's log and a shop's purchases, sent through the API as behaviour events: the figures that were counted from the files. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseCsv } from '../../core/demo/csv.ts'
import { manifold } from '../support/cli.ts'
import { ROOT, startHub } from '../support/hub.ts'
import type { Answer, Hub } from '../support/hub.ts'
import { caughtUp } from '../support/surveys.ts'

const BATCH_ROWS = 1_000
const read = (file: string): string => readFileSync(`${ROOT}test/data/${file}`, 'utf8')

const visits = (): object[] => {
  const [header = [], ...rows] = parseCsv(read('web_access.csv'))
  return rows.map((cells) => {
    const row = Object.fromEntries(header.map((name, i) => [name, cells[i] ?? '']))
    const { line, visitor, ts, method, path, status, bytes, referrer_host: referrer, user_agent: userAgent } = row
    return {
      event_id: `line-${line}`,
      anonymous_id: visitor,
      occurred_at: ts,
      page: { path, ...(referrer === '' ? {} : { referrer }) },
      context: userAgent === '' ? {} : { user_agent: userAgent },
      properties: { method, status: Number(status), bytes: Number(bytes) },
    }
  })
}

const purchases = (): object[] =>
  read('cdnow_sample.txt')
    .trimEnd()
    .split(/\r?\n/)
    .map((line, n) => {
      const [id = '', , day = '', cds, dollars] = line.trim().split(/ +/)
      return {
        event_id: `purchase-${n}`,
        user_id: id,
        occurred_at: `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}T12:00:00Z`,
        value: Number(dollars),
        currency: 'USD',
        properties: { cds: Number(cds) },
      }
    })

/** Sessions of a shop, unclean as they were published: empty cells and negative durations among them. */
const SHOP_VISIT = {
  properties: {
    month: { type: 'string' },
    visitor_type: { type: 'string' },
    weekend: { type: 'boolean' },
    bought: { type: 'boolean' },
    products: { type: 'integer', minimum: 0 },
    page_values: { type: 'number' },
    seconds: { type: 'number' },
  },
  required: ['month'],
  action: 'visitor_type',
  measure: 'products',
}

/** A visit each, and for those that bought an order a minute later. */
const shopping = (): { readonly visits: object[]; readonly orders: object[] } => {
  const [header = [], ...rows] = parseCsv(read('online_shoppers_intention.csv'))
  const visited: object[] = []
  const orders: object[] = []
  for (const [n, cells] of rows.entries()) {
    const row = new Map(header.map((name, i) => [name, cells[i] ?? '']))
    const of = (name: string): string | null => row.get(name) || null
    const flag = (name: string): string | undefined => row.get(name)?.toLowerCase()
    const visitor = { anonymous_id: `shopper-${n}` }
    const properties = {
      month: of('Month'),
      visitor_type: of('VisitorType'),
      weekend: flag('Weekend'),
      bought: flag('Revenue'),
      products: of('ProductRelated'),
      page_values: of('PageValues'),
      seconds: of('ProductRelated_Duration'),
    }
    visited.push({ ...visitor, type: 'shop_visit', occurred_at: '2019-06-01T10:00:00Z', properties })
    if (flag('Revenue') === 'true') orders.push({ ...visitor, name: 'order', occurred_at: '2019-06-01T10:01:00Z' })
  }
  return { visits: visited, orders }
}

let hub: Hub
beforeAll(async () => {
  const events = { families: { shop_visit: SHOP_VISIT } }
  hub = await startHub({ config: { events, installations: [{ id: 'analytics', use: 'analytics' }] } })
  const shop = shopping()
  await sendAll('track', shop.visits)
  await sendAll('custom', shop.orders)
  await sendAll('page', visits())
  await sendAll('conversion', purchases())
  await caughtUp(hub)
})
afterAll(() => hub?.[Symbol.asyncDispose]())

/** Fails unless each is new and stored. */
async function sendAll(door: string, events: readonly object[]): Promise<void> {
  for (let from = 0; from < events.length; from += BATCH_ROWS) {
    const rows = events.slice(from, from + BATCH_ROWS)
    const { body } = await hub.api('POST', `/api/v2/events/${door}`, { events: rows })
    expect(body, JSON.stringify(body).slice(0, 500)).toMatchObject({ stored: rows.length, failed: 0 })
  }
}

const ask = (question: object): Promise<Answer> => hub.api('POST', '/api/v2/analytics/query', question)
const itemsOf = async (question: object): Promise<unknown> => {
  const { status, body } = await ask(question)
  expect([status, body]).toEqual([200, expect.anything()])
  return (body as { readonly items?: unknown }).items ?? body
}
const count = { n: { fn: 'count' } }
const views = { data_set: 'events', filter: { type: 'page_view' } }

test('10,000 requests of 1,753 visitors, by day and by status', async () => {
  const visitors = { fn: 'count_distinct', field: 'visitor' }
  expect(
    await itemsOf({
      ...views,
      aggregates: {
        ...count,
        visitors,
        bytes: { fn: 'sum', field: 'properties.bytes' },
        first: { fn: 'min', field: 'occurred_at' },
        last: { fn: 'max', field: 'occurred_at' },
      },
    }),
  ).toEqual([
    {
      n: 10_000,
      visitors: 1_753,
      bytes: 2_747_282_740,
      first: '2015-05-17T10:05:00.000Z',
      last: '2015-05-20T21:05:59.000Z',
    },
  ])
  const hours = { ...views, aggregates: count, group_by: [{ field: 'occurred_at', bucket: 'hour' }] }
  expect(await itemsOf(hours)).toHaveLength(84)
  const byDay = { field: 'occurred_at', bucket: 'day', as: 'day' }
  expect(
    await itemsOf({ ...views, aggregates: { ...count, visitors }, group_by: [byDay], order_by: [{ by: 'day' }] }),
  ).toEqual([
    { day: '2015-05-17', n: 1_632, visitors: 341 },
    { day: '2015-05-18', n: 2_893, visitors: 627 },
    { day: '2015-05-19', n: 2_896, visitors: 561 },
    { day: '2015-05-20', n: 2_579, visitors: 505 },
  ])
  expect(await itemsOf({ ...views, aggregate: 'count', group_by: 'properties.status' })).toEqual({
    200: 9_126,
    304: 445,
    404: 213,
    301: 164,
    206: 45,
    500: 3,
    403: 2,
    416: 2,
  })
  expect(await itemsOf({ ...views, aggregate: 'count', group_by: 'device' })).toMatchObject({
    desktop: expect.any(Number),
    bot: expect.any(Number),
  })
})

const of2015 = { from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' }
const behaviour = async <Told extends object>(route: string, question: object): Promise<Told> => {
  const { status, body } = await hub.api<Told>('POST', `/api/v2/analytics/${route}`, question)
  expect([status, body]).toEqual([200, expect.anything()])
  return body
}

test('the front page to the blog to the projects: 215, 30, 7; of the 341 of the first day 78, 59 and 51 came back', async () => {
  const { steps } = await behaviour<{ steps: { visitors: number }[] }>('funnels', {
    ...of2015,
    steps: ['/', '/blog/*', '/projects/*'],
    window: null,
  })
  expect(steps.map(({ visitors }) => visitors)).toEqual([215, 30, 7])
  const { cohorts } = await behaviour<{ cohorts: { visitors: number; returned: number[] }[] }>('retention', {
    ...of2015,
    period: 'day',
    following: 3,
  })
  expect(cohorts.map(({ visitors }) => visitors)).toEqual([341, 549, 460, 403])
  expect(cohorts[0]?.returned).toEqual([341, 78, 59, 51])
})

test('of the 781 customers who began in January: who bought again, and when', async () => {
  const { cohorts } = await behaviour<{ cohorts: { cohort: string; visitors: number; returned: number[] }[] }>(
    'retention',
    {
      from: '1997-01-01T00:00:00Z',
      to: '1997-04-01T00:00:00Z',
      period: 'month',
      following: 17,
    },
  )
  expect(cohorts.map(({ cohort, visitors }) => [cohort, visitors])).toEqual([
    ['1997-01', 781],
    ['1997-02', 857],
    ['1997-03', 719],
  ])
  expect([1, 2, 3, 5, 11, 17].map((after) => cohorts[0]?.returned[after])).toEqual([124, 95, 70, 77, 59, 33])
})

test('3,052 sessions, cut where a visitor was gone for more than 30 minutes: by questions, journeys and people alike', async () => {
  const during = { from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' }
  const hits = { hits: { fn: 'sum', field: 'events' } }
  expect(await itemsOf({ data_set: 'sessions', ...during, aggregates: { ...count, ...hits } })).toEqual([
    { n: 3_052, hits: 10_000 },
  ])
  const journeys = (gap?: string) => behaviour<{ journeys: number }>('journeys', { ...of2015, gap, limit: 1 })
  expect([(await journeys()).journeys, (await journeys('60m')).journeys]).toEqual([3_052, 2_563])
  // Those who came most often, each on a page of their own.
  const most = (await itemsOf({
    data_set: 'users',
    ...during,
    aggregates: { sessions: { fn: 'sum', field: 'sessions' } },
    group_by: ['visitor'],
    limit: 20,
  })) as { visitor: string; sessions: number }[]
  const pages = await Promise.all(
    most.map(({ visitor }) => hub.api<{ sessions: { count: number } }>('GET', `/api/v2/analytics/users/${visitor}`)),
  )
  expect(pages.map(({ body }) => body.sessions.count)).toEqual(most.map(({ sessions }) => sessions))
  expect(most.at(-1)?.sessions).toBeGreaterThan(5)
  // Those who came a single time.
  expect(
    await itemsOf({
      data_set: 'users',
      ...during,
      filter: { events: 1 },
      aggregates: { ...count, sessions: { fn: 'sum', field: 'sessions' } },
    }),
  ).toEqual([{ n: 680, sessions: 680 }])
  expect(
    await itemsOf({
      data_set: 'users',
      ...during,
      aggregates: count,
      group_by: [{ field: 'first_seen', bucket: 'day', as: 'day' }],
      order_by: [{ by: 'day' }],
    }),
  ).toEqual([
    { day: '2015-05-17', n: 341 },
    { day: '2015-05-18', n: 549 },
    { day: '2015-05-19', n: 460 },
    { day: '2015-05-20', n: 403 },
  ])
})

test('6,919 purchases of 2,357 customers, the same twice where they were bought twice', async () => {
  const [all] = (await itemsOf({
    data_set: 'conversions',
    aggregates: {
      ...count,
      customers: { fn: 'count_distinct', field: 'user_id' },
      dollars: { fn: 'sum', field: 'value' },
      cds: { fn: 'sum', field: 'properties.cds' },
      free: { fn: 'count', filter: { value: 0 } },
    },
  })) as [{ dollars: number }]
  expect(all).toMatchObject({ n: 6_919, customers: 2_357, cds: 16_479, free: 8 })
  // To the cent, in whatever order they are added up.
  expect(all.dollars).toBe(244_091.94)
  const first = { field: 'first_seen', bucket: 'month', as: 'month' }
  const shoppers = { data_set: 'users', filter: { conversions: { $gte: 1 } }, aggregates: count }
  expect(await itemsOf({ ...shoppers, group_by: [first], order_by: [{ by: 'month' }] })).toEqual([
    { month: '1997-01', n: 781 },
    { month: '1997-02', n: 857 },
    { month: '1997-03', n: 719 },
  ])
  expect(await itemsOf({ ...shoppers, filter: { conversions: 1 } })).toEqual([{ n: 1_205 }])
})

test('12,330 sessions of a shop, of which 1,908 ended in an order: by month, visitor, weekend, page', async () => {
  const visited = { data_set: 'events', filter: { type: 'shop_visit' } }
  const bought = { bought: { fn: 'count', filter: { 'properties.bought': true } } }
  const aggregates = { ...count, ...bought }
  expect(
    await itemsOf({ ...visited, aggregates: { ...aggregates, products: { fn: 'sum', field: 'measure' } } }),
  ).toEqual([{ n: 12_330, bought: 1_908, products: 391_204 }])
  const by = async (field: string): Promise<unknown> =>
    Object.fromEntries(
      ((await itemsOf({ ...visited, aggregates, group_by: [{ field, as: 'of' }] })) as Record<string, unknown>[]).map(
        ({ of, n, bought: orders }) => [of, [orders, n]],
      ),
    )
  const months = {
    Nov: [760, 2_998],
    May: [365, 3_364],
    Dec: [216, 1_727],
    Mar: [192, 1_907],
    Oct: [115, 549],
    Sep: [86, 448],
    Aug: [76, 433],
    Jul: [66, 432],
    June: [29, 288],
    Feb: [3, 184],
  }
  expect(await by('properties.month')).toEqual(months)
  expect(await by('action')).toEqual({
    Returning_Visitor: [1_470, 10_551],
    New_Visitor: [422, 1_694],
    Other: [16, 85],
  })
  expect(await by('properties.weekend')).toMatchObject({ true: [499, 2_868] })
  for (const [field, counted] of [
    ['properties.products', { n: 12_281, bought: 1_902 }],
    ['properties.page_values', { n: 2_730, bought: 1_538 }],
  ] as const)
    expect(await itemsOf({ ...visited, filter: { ...visited.filter, [field]: { $gt: 0 } }, aggregates })).toEqual([
      counted,
    ])
  const { body } = await hub.api<{
    steps: { visitors: number }[]
    breakdown: { value: string; visitors: number[] }[]
  }>('POST', '/api/v2/analytics/funnels', {
    steps: [{ type: 'shop_visit' }, 'order'],
    window: '1h',
    breakdown: 'properties.month',
  })
  expect(body.steps.map(({ visitors }) => visitors)).toEqual([12_330, 1_908])
  const funnels = body.breakdown.map(({ value, visitors }) => [value, visitors.toReversed()])
  expect(Object.fromEntries(funnels)).toMatchObject(months)
})

test('what is sent again changes nothing, and what comes late joins the session it belongs to', async () => {
  const again = await hub.api('POST', '/api/v2/events/conversion', purchases().slice(0, BATCH_ROWS))
  expect(again.body).toMatchObject({ stored: 0, duplicates: BATCH_ROWS })
  const view = (minute: number) => ({
    anonymous_id: 'late',
    occurred_at: new Date(Date.UTC(2020, 0, 1, 12, minute)).toISOString(),
    page: { path: `/${minute}` },
  })
  const sessions = {
    data_set: 'sessions',
    filter: { visitor: 'anonymous:late' },
    aggregates: { ...count, seconds: { fn: 'max', field: 'duration_s' } },
    group_by: ['entry_path', 'exit_path'],
  }
  await hub.api('POST', '/api/v2/events/page', [view(0), view(40)])
  expect(await itemsOf({ ...sessions, order_by: [{ by: 'entry_path' }] })).toEqual([
    { entry_path: '/0', exit_path: '/0', n: 1, seconds: 0 },
    { entry_path: '/40', exit_path: '/40', n: 1, seconds: 0 },
  ])
  await hub.api('POST', '/api/v2/events/page', view(20))
  expect(await itemsOf(sessions)).toEqual([{ entry_path: '/0', exit_path: '/40', n: 1, seconds: 2_400 }])
})

test('manifold analytics status says what is held of behaviour events, one by one and on the ladder', async () => {
  const { json, stdout, stderr } = await manifold(hub, ['analytics', 'status', '--json'])
  const told = json<{ events: { count: number; from: string; to: string }; rungs: unknown[] }>()
  const [all] = (await itemsOf({ data_set: 'events', aggregates: count })) as [{ n: number }]
  expect(told, stderr).toMatchObject({ events: { count: all.n, from: '1997-01-01T12:00:00.000Z' }, rungs: [] })
  expect(stdout).not.toBe('')
  const table = await manifold(hub, ['analytics', 'status'])
  expect([table.code, table.stdout]).toEqual([
    0,
    expect.stringMatching(new RegExp(`one by one +${all.n} +${all.n} +1997-01-01`)),
  ])
})

test('a question about a data set names its fields, and one about nothing is refused', async () => {
  const wrong = await ask({ data_set: 'sessions', aggregates: { x: { fn: 'sum', field: 'properties.bytes' } } })
  expect([wrong.status, wrong.body['errors']]).toEqual([
    422,
    [{ pointer: '/aggregates/x/field', detail: '"properties.bytes" is no field of the data set "sessions"' }],
  ])
  const near = { data_set: 'events', aggregate: 'count', group_by: 'referrer', having: { zz: 1 } }
  expect((await ask(near)).body['errors']).toEqual([
    { pointer: '/group_by/0', detail: '"referrer" is no field of the data set "events"; its host is "referrer_host"' },
    { pointer: '/having/zz', detail: '"zz" is neither a group nor an aggregate' },
  ])
  for (const about of [{}, { form_id: 'x', data_set: 'events' }]) {
    const refused = await ask({ ...about, aggregate: 'count' })
    expect([refused.status, (refused.body['errors'] as { pointer: string }[])[0]?.pointer]).toEqual([422, '/form_id'])
  }
})
