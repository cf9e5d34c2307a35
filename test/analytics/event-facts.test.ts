/** A web server's log and a shop's purchases, sent through the API as behaviour events: the figures that were counted from the files. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseCsv } from '../../core/demo/csv.ts'
import { ROOT, startHub } from '../support/hub.ts'
import type { Answer, Hub } from '../support/hub.ts'
import { caughtUp } from '../support/surveys.ts'

const BATCH_ROWS = 1_000
const read = (file: string): string => readFileSync(`${ROOT}test/fixtures/events/${file}`, 'utf8')

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

let hub: Hub
beforeAll(async () => {
  hub = await startHub({ config: { installations: [{ id: 'analytics', use: 'analytics' }] } })
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
      },
    }),
  ).toEqual([{ n: 10_000, visitors: 1_753, bytes: 2_747_282_740, first: '2015-05-17T10:05:00.000Z' }])
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

test('3,052 sessions, cut where a visitor was gone for more than 30 minutes', async () => {
  const during = { from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' }
  const hits = { hits: { fn: 'sum', field: 'events' } }
  expect(await itemsOf({ data_set: 'sessions', ...during, aggregates: { ...count, ...hits } })).toEqual([
    { n: 3_052, hits: 10_000 },
  ])
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
  expect(all.dollars).toBeCloseTo(244_091.94, 6)
  const first = { field: 'first_seen', bucket: 'month', as: 'month' }
  const shoppers = { data_set: 'users', filter: { conversions: { $gte: 1 } }, aggregates: count }
  expect(await itemsOf({ ...shoppers, group_by: [first], order_by: [{ by: 'month' }] })).toEqual([
    { month: '1997-01', n: 781 },
    { month: '1997-02', n: 857 },
    { month: '1997-03', n: 719 },
  ])
  expect(await itemsOf({ ...shoppers, filter: { conversions: 1 } })).toEqual([{ n: 1_205 }])
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
    filter: { visitor: 'late' },
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

test('a question about a data set names its fields, and one about nothing is refused', async () => {
  const wrong = await ask({ data_set: 'sessions', aggregates: { x: { fn: 'sum', field: 'properties.bytes' } } })
  expect([wrong.status, wrong.body['errors']]).toEqual([
    422,
    [{ pointer: '/aggregates/x/field', detail: '"properties.bytes" is no field of the data set "sessions"' }],
  ])
  for (const about of [{}, { form_id: 'x', data_set: 'events' }]) {
    const refused = await ask({ ...about, aggregate: 'count' })
    expect([refused.status, (refused.body['errors'] as { pointer: string }[])[0]?.pointer]).toEqual([422, '/form_id'])
  }
})
