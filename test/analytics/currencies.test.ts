/** What conversions are worth where they were paid in more than one currency: nothing is added that cannot be. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cohortsCharts } from '../../core/dashboard/screens/analytics/worth.ts'
import type { CohortsAnswer } from '../../core/dashboard/screens/analytics/worth.ts'
import { cohorts } from '../../plugins/analytics/behaviour/retention.ts'
import { segments } from '../../plugins/analytics/behaviour/segments.ts'
import { userPage } from '../../plugins/analytics/behaviour/user.ts'
import { NEVER, openProjected, WIDE } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import type { DataSetName } from '../../plugins/analytics/engine/star.ts'
import { openAsker } from '../../plugins/analytics/query/answer.ts'
import { readQuestion } from '../../plugins/analytics/query/question.ts'
import { dataSetSource } from '../../plugins/analytics/query/source.ts'
import { ask, tellEvents } from '../support/tracked.ts'
import type { Did } from '../support/tracked.ts'

describe('a shop that sells in two currencies', () => {
  const answerTo = async (question: object) => {
    const read = readQuestion(JSON.stringify({ data_set: 'conversions', ...question }))
    const { dataSet } = read.about as { readonly dataSet: DataSetName }
    const asker = openAsker(shop.readers, { timezone: 'UTC' })
    const asked = asker.ask(read, dataSetSource(dataSet, shop.projection), { access: WIDE, signal: NEVER })
    return (await asked).rows
  }
  const bought = (visitor: string, day: number, paid: Pick<Did, 'value' | 'currency'>): Did => ({
    visitor,
    at: Date.UTC(2026, 0, day),
    type: 'conversion',
    name: 'purchase',
    ...paid,
  })
  let shop: Projected
  beforeAll(async () => {
    shop = await openProjected([])
    await tellEvents(shop, [
      bought('both', 1, { value: 10, currency: 'EUR' }),
      bought('both', 1, { value: 1_000, currency: 'JPY' }),
      bought('euro', 2, { value: 3, currency: 'EUR' }),
      bought('euro', 2, { value: 4, currency: 'EUR' }),
      bought('plain', 3, { value: 5 }),
      bought('nothing', 4, {}),
      bought('us', 9, { value: 0.1, currency: 'USD' }),
      bought('us', 9, { value: 0.2, currency: 'USD' }),
    ])
  })
  afterAll(() => shop?.[Symbol.asyncDispose]())

  test('sessions, users and their pages add up what is of one currency and nothing else', async () => {
    for (const view of ['dim_users', 'fact_sessions']) {
      const rows = await shop.readers.run(NEVER, ({ ask: one }) =>
        one(`SELECT visitor, value, currency FROM ${view} ORDER BY 1`),
      )
      expect(rows.map(({ visitor, value, currency }) => [visitor, value, currency])).toEqual([
        ['anonymous:both', null, null],
        ['anonymous:euro', 7, 'EUR'],
        ['anonymous:nothing', null, null],
        ['anonymous:plain', 5, null],
        ['anonymous:us', 0.3, 'USD'],
      ])
    }
    expect(await ask(shop, userPage, {}, { id: 'anonymous:both' })).toMatchObject({
      value: null,
      currency: null,
      values: [
        { currency: 'EUR', value: 10 },
        { currency: 'JPY', value: 1_000 },
      ],
    })
    expect(await ask(shop, userPage, {}, { id: 'anonymous:euro' })).toMatchObject({ value: 7, currency: 'EUR' })
  })

  test('questions of one’s own about several are refused with what to do; by currency and of one they are answered', async () => {
    const sum = { aggregates: { worth: { fn: 'sum', field: 'value' } } }
    await expect(answerTo(sum)).rejects.toMatchObject({
      mistakes: [{ pointer: '/aggregates/worth', detail: expect.stringContaining('add "currency" to group_by') }],
    })
    await expect(answerTo({ aggregate: 'avg', field: 'value' })).rejects.toThrow('several currencies')
    expect(await answerTo({ ...sum, group_by: ['currency'], order_by: [{ by: 'worth' }] })).toEqual([
      { currency: 'USD', worth: 0.3 },
      { currency: null, worth: 5 },
      { currency: 'EUR', worth: 17 },
      { currency: 'JPY', worth: 1_000 },
    ])
    expect(await answerTo({ ...sum, filter: { currency: 'EUR' } })).toEqual([{ worth: 17 }])
    expect(await answerTo({ aggregates: { n: { fn: 'count', field: 'value' } } })).toEqual([{ n: 7 }])
    // Of each visitor it is one, but for the one who paid in both; over visitors they are two all the same.
    const each = { ...sum, group_by: ['visitor'], filter: { visitor: { $nin: ['anonymous:both', 'anonymous:us'] } } }
    await expect(answerTo(each)).rejects.toThrow('several currencies')
    const byVisitor = { order_by: [{ by: 'visitor' }], group_by: ['visitor', 'currency'] }
    expect(await answerTo({ ...each, ...byVisitor })).toEqual([
      { visitor: 'anonymous:euro', currency: 'EUR', worth: 7 },
      { visitor: 'anonymous:nothing', currency: null, worth: null },
      { visitor: 'anonymous:plain', currency: null, worth: 5 },
    ])
  })

  test('days and periods of other currencies are not set against each other; of each currency they are', async () => {
    const sum = { aggregates: { worth: { fn: 'sum', field: 'value' } } }
    const byDay = { ...sum, group_by: [{ field: 'occurred_at', bucket: 'day', as: 'day' }] }
    const days = { filter: { visitor: { $in: ['anonymous:euro', 'anonymous:plain'] } } }
    await expect(answerTo({ ...byDay, ...days })).rejects.toThrow('several currencies')
    await expect(answerTo({ ...byDay, ...days, having: { worth: { $gt: 5 } } })).rejects.toThrow('several currencies')
    expect(await answerTo({ ...byDay, filter: { currency: 'EUR' }, order_by: [{ by: 'day' }] })).toEqual([
      { day: '2026-01-01', worth: 10 },
      { day: '2026-01-02', worth: 7 },
    ])
    // A week later somebody paid in dollars.
    const period = { from: '2026-01-08T00:00:00Z', to: '2026-01-10T00:00:00Z', compare: 'previous' }
    await expect(
      answerTo({ ...sum, ...period, filter: { visitor: { $in: ['anonymous:euro', 'anonymous:us'] } } }),
    ).rejects.toThrow('several currencies')
    const ofEach = { ...sum, ...period, group_by: ['currency'], order_by: [{ by: 'currency' }] }
    expect(await answerTo({ ...ofEach, filter: { visitor: { $in: ['anonymous:euro', 'anonymous:us'] } } })).toEqual([
      { currency: 'EUR', worth: null },
      { currency: 'USD', worth: 0.3 },
    ])
    // Counts and each aggregate's own filter know nothing of it.
    const apart = {
      euros: { fn: 'sum', field: 'value', filter: { currency: 'EUR' } },
      yen: { fn: 'max', field: 'value', filter: { currency: 'JPY' } },
      paid: { fn: 'count', field: 'value' },
    }
    expect(await answerTo({ aggregates: apart })).toEqual([{ euros: 17, yen: 1_000, paid: 7 }])
  })

  test('who paid in several does not vanish from sums over users and sessions: they are refused, or ask without them', async () => {
    for (const data_set of ['users', 'sessions']) {
      const sum = { data_set, aggregates: { worth: { fn: 'sum', field: 'value' } } }
      const among = (...visitors: string[]) => ({
        filter: { visitor: { $in: visitors.map((id) => `anonymous:${id}`) } },
      })
      await expect(answerTo({ ...sum, ...among('both') })).rejects.toThrow('several currencies')
      await expect(answerTo({ ...sum, ...among('both', 'euro') })).rejects.toThrow('{"is_mixed": false}')
      await expect(answerTo({ ...sum, group_by: ['currency'] })).rejects.toThrow('several currencies')
      const rest = { ...sum, group_by: ['currency'], filter: { is_mixed: false }, order_by: [{ by: 'currency' }] }
      expect(await answerTo(rest)).toEqual([
        { currency: 'EUR', worth: 7 },
        { currency: 'USD', worth: 0.3 },
        { currency: null, worth: 5 },
      ])
    }
  })

  test('money adds up to the cent', async () => {
    const euros = { aggregates: { sum: { fn: 'sum', field: 'value' } }, filter: { currency: 'USD' } }
    expect(await answerTo(euros)).toEqual([{ sum: 0.3 }])
    expect(await answerTo({ ...euros, data_set: 'users' })).toEqual([{ sum: 0.3 }])
    expect(await ask(shop, userPage, {}, { id: 'anonymous:us' })).toMatchObject({
      value: 0.3,
      values: [{ currency: 'USD', value: 0.3 }],
    })
  })

  test('cohorts have no values over several, and segments want one to be named', async () => {
    const asked = { period: 'week', following: 0, from: '2025-12-29T00:00:00Z', to: '2026-01-05T00:00:00Z' }
    const all = await ask(shop, cohorts, asked)
    expect([all.currency, all.cohorts[0].value, all.cohorts[0].value_per_visitor]).toEqual([null, [null], [null]])
    const euros = { filter: { $or: [{ currency: 'EUR' }, { value: null }] } }
    const one = await ask(shop, cohorts, { ...asked, ...euros })
    expect([one.currency, one.cohorts[0].value, one.cohorts[0].visitors]).toEqual(['EUR', [17], 3])
    // As a link to it shows it.
    const worth = (answer: CohortsAnswer) => cohortsCharts(answer).find(({ id }) => id === 'worth')
    expect(worth(all)).toMatchObject({ sentence: expect.stringContaining('several currencies'), more: null })
    expect(worth(one)?.sentence).toContain('Up to 5.67 EUR for each visitor')
    expect(worth(one)?.more).toMatchObject({ text: expect.stringContaining('<td class="h9">5.67 EUR</td>') })
    await expect(ask(shop, segments, { method: 'rfm' })).rejects.toThrow('several currencies')
    expect((await ask(shop, segments, { method: 'rfm', ...euros })).visitors).toBe(3)
  })
})
