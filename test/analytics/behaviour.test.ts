/** Funnels, cohorts, journeys and people: against published figures of real data, and against slow but plain oracles. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { experiments } from '../../plugins/analytics/behaviour/experiments-question.ts'
import { funnels } from '../../plugins/analytics/behaviour/funnels.ts'
import { journeys } from '../../plugins/analytics/behaviour/journeys-question.ts'
import { cohorts, retention } from '../../plugins/analytics/behaviour/retention.ts'
import { segments } from '../../plugins/analytics/behaviour/segments.ts'
import { features, heatmap } from '../../plugins/analytics/behaviour/usage.ts'
import { userPage } from '../../plugins/analytics/behaviour/user.ts'
import { openProjected } from '../support/projected.ts'
import type { Projected } from '../support/projected.ts'
import { seeded } from '../support/seeded.ts'
import { ask, cdnow, tellEvents, webAccess } from '../support/tracked.ts'
import type { Did } from '../support/tracked.ts'

const DAY_MS = 86_400_000

describe('a web server of 2015', () => {
  let web: Projected
  beforeAll(async () => {
    web = await openProjected([])
    await tellEvents(web, webAccess())
  })
  afterAll(() => web?.[Symbol.asyncDispose]())

  test('a funnel without end: 215 came by the front page, 30 of them to the blog, 7 to the projects', async () => {
    const { steps, entered, converted, rate } = await ask(web, funnels, {
      steps: ['/', { page: '/blog/*', label: 'Blog' }, '/projects/*'],
      window: null,
    })
    expect(steps.map(({ label, visitors, lost }: { [part: string]: unknown }) => [label, visitors, lost])).toEqual([
      ['/', 215, 0],
      ['Blog', 30, 185],
      ['/projects/*', 7, 23],
    ])
    expect([entered, converted, rate]).toEqual([215, 7, 7 / 215])
    expect(steps.slice(1).every(({ median_s: s }: { median_s: number }) => s > 0)).toBe(true)
  })

  test('each day had 341, 627, 561, 505 visitors; of the first day 78, 59 and 51 came back', async () => {
    const asked = { period: 'day', from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' }
    const first = await ask(web, retention, asked, { nowMs: Date.parse('2015-05-21T00:00:00Z') })
    expect(first.cohorts.map(({ visitors }: { visitors: number }) => visitors)).toEqual([341, 549, 460, 403])
    expect(first.cohorts[0].returned).toEqual([341, 78, 59, 51])
    const again = await ask(web, retention, { ...asked, mode: 'recurring', following: 0 })
    expect(again.cohorts.map(({ visitors }: { visitors: number }) => visitors)).toEqual([341, 627, 561, 505])
  })

  test('3,052 sessions by a pause of 30 minutes, 2,563 by one of 60', async () => {
    const all = await ask(web, journeys, { limit: 1 })
    expect(all.journeys).toBe(3_052)
    expect((await ask(web, journeys, { limit: 1, gap: '60m' })).journeys).toBe(2_563)
    expect(all.links.filter(({ step }: { step: number }) => step === 1).length).toBeGreaterThan(100)
  })

  test('usage: one kind of event by all 1,753; the week has its hours in the zone that is asked for', async () => {
    const used = await ask(web, features, {})
    expect(used).toMatchObject({
      visitors: 1_753,
      features: [{ name: 'page_view', events: 10_000, visitors: 1_753, share: 1 }],
    })
    const { events } = await ask(web, heatmap, {})
    const sum = (row: readonly number[]): number => row.reduce((total, cell) => total + cell, 0)
    // Sunday is the last; the log ends on Wednesday.
    expect(events.map(sum)).toEqual([2893, 2896, 2579, 0, 0, 0, 1632])
    const shifted = await ask(web, heatmap, { timezone: 'Asia/Kolkata' })
    expect(shifted.events.flat().reduce((total: number, cell: number) => total + cell)).toBe(10_000)
    expect(shifted.events[2].slice(0, 3)).not.toEqual(events[2].slice(0, 3))
  })
})

describe('a shop that sold records', () => {
  let shop: Projected
  beforeAll(async () => {
    shop = await openProjected([])
    await tellEvents(shop, cdnow())
  })
  afterAll(() => shop?.[Symbol.asyncDispose]())
  const monthly = { period: 'month', from: '1997-01-01T00:00:00Z', to: '1997-04-01T00:00:00Z', following: 17 }

  test('of the 781 who began in January 124 bought again in February, 33 in June of the next year', async () => {
    const { cohorts: rows } = await ask(shop, retention, monthly)
    expect(rows.map(({ cohort, visitors }: { [part: string]: unknown }) => [cohort, visitors])).toEqual([
      ['1997-01', 781],
      ['1997-02', 857],
      ['1997-03', 719],
    ])
    const [{ returned }] = rows
    expect([1, 2, 3, 5, 11, 17].map((after) => returned[after])).toEqual([124, 95, 70, 77, 59, 33])
  })

  test('cohorts add up to every dollar', async () => {
    const { cohorts: rows } = await ask(shop, cohorts, monthly)
    const all = rows.flatMap(({ value }: { value: readonly number[] }) => value)
    expect(all.reduce((sum: number, value: number) => sum + value, 0)).toBeCloseTo(244_091.94, 2)
    const events = rows.flatMap(({ events: counts }: { events: readonly number[] }) => counts)
    expect(events.reduce((sum: number, count: number) => sum + count, 0)).toBe(6_919)
    expect(rows[0].value_per_visitor.at(-1)).toBeCloseTo(rows[0].value.reduce((a: number, b: number) => a + b) / 781, 6)
  })

  test('what has not begun yet is null; the average is of periods that are over', async () => {
    const nowMs = Date.parse('1997-03-15T00:00:00Z')
    const { cohorts: rows, average } = await ask(
      shop,
      retention,
      { ...monthly, following: 2, to: undefined },
      { nowMs },
    )
    expect(
      rows.map(({ returned }: { returned: readonly unknown[] }) => returned.map((count) => count === null)),
    ).toEqual([
      [false, false, false],
      [false, false, true],
      [false, true, true],
    ])
    expect(average[1]).toBe(124 / 781)
    expect(average[2]).toBeNull()
  })

  test('segments share out all customers; those who bought often, lately and for much are champions', async () => {
    const asked = { method: 'rfm', to: '1998-07-01T00:00:00Z' }
    const { segments: parts, visitors } = await ask(shop, segments, asked)
    expect(visitors).toBe(2_357)
    const by = Object.fromEntries(parts.map((part: { name: string }) => [part.name, part]))
    expect(parts.reduce((sum: number, part: { visitors: number }) => sum + part.visitors, 0)).toBe(2_357)
    expect(by.champions.means.value).toBeGreaterThan(by.lost.means.value * 3)
    expect(by.champions.means.days_since_last).toBeLessThan(by.lost.means.days_since_last)
    const alike = await ask(shop, segments, { ...asked, method: 'kmeans', k: 3 })
    expect(alike.segments.reduce((sum: number, part: { visitors: number }) => sum + part.visitors, 0)).toBe(2_357)
    expect(alike).toEqual(await ask(shop, segments, { ...asked, method: 'kmeans', k: 3 }))
    // Those alike differ from the rest: who buys most in one cluster buys several times what another does.
    const events = alike.segments.map(({ means }: { means: { events: number } }) => means.events)
    expect(Math.max(...events)).toBeGreaterThan(3 * Math.min(...events))
  })

  test('a person: four purchases of $100.50 in all, each a session of its own', async () => {
    const page = await ask(shop, userPage, {}, { id: 'anonymous:00004', nowMs: Date.parse('1997-12-13T12:00:00Z') })
    expect(page).toMatchObject({
      events: 4,
      value: expect.closeTo(100.5, 6),
      conversions: 4,
      active_days: 4,
      sessions: { count: 4, mean_s: 0 },
    })
    expect(page.recent).toHaveLength(4)
    expect(page.engagement).toBeGreaterThan(30)
    expect(await ask(shop, userPage, {}, { id: 'nobody' })).toBeNull()
  })
})

/** Every chain of steps from every entry, by looking: who came furthest, the first of equals. */
function slowFunnel(events: readonly Did[], names: readonly string[], windowMs: number): number {
  let best = 0
  const follow = (from: number, step: number, enteredMs: number): number => {
    for (let at = from; at < events.length; at += 1) {
      const { name, at: when } = events[at] as Did
      if (Number(when) - enteredMs > windowMs) break
      if (name === names[step])
        return step + 1 === names.length ? step + 1 : Math.max(step + 1, follow(at + 1, step + 1, enteredMs))
    }
    return step
  }
  for (const [n, { name, at }] of events.entries())
    if (name === names[0]) best = Math.max(best, follow(n + 1, 1, Number(at)))
  return best
}

test('funnels of random visitors are what looking at every attempt says; exclusions and windows only take away', async () => {
  const random = seeded(process.env['MANIFOLD_TEST_SEED'])
  await using world = await openProjected([])
  const names = ['a', 'b', 'c', 'x']
  const events = Array.from({ length: 3_000 }, (): Did => ({
    visitor: `v${Math.floor(random.next() * 300)}`,
    // Some share their moment: what was received first comes first.
    at: Date.parse('2026-01-01T00:00:00Z') + Math.floor(random.next() * 400) * 3_600_000,
    name: names[Math.floor(random.next() * 4)] as string,
    properties: { plan: random.next() < 0.5 ? 'free' : 'paid' },
  }))
  await tellEvents(world, events)
  const byVisitor = Map.groupBy(events, ({ visitor }) => visitor)
  for (const [window, windowMs] of [
    ['2d', 2 * DAY_MS],
    ['5d', 5 * DAY_MS],
    [null, Infinity],
  ] as const) {
    const expected = [0, 0, 0]
    for (const mine of byVisitor.values()) {
      const reached = slowFunnel(
        mine.toSorted((a, b) => Number(a.at) - Number(b.at)),
        ['a', 'b', 'c'],
        windowMs,
      )
      for (let step = 0; step < reached; step += 1) expected[step] = (expected[step] as number) + 1
    }
    const { steps, breakdown } = await ask(world, funnels, {
      steps: ['a', 'b', 'c'],
      window,
      breakdown: 'properties.plan',
    })
    const counts = (of: readonly { visitors: number }[]): readonly number[] => of.map(({ visitors }) => visitors)
    expect(counts(steps), `seed ${random.seed}, window ${window}`).toEqual(expected)
    const sums = [0, 1, 2].map((n) =>
      breakdown.reduce((sum: number, { visitors }: { visitors: number[] }) => sum + (visitors[n] ?? 0), 0),
    )
    expect(sums, `seed ${random.seed}`).toEqual(expected)
    const without = await ask(world, funnels, { steps: ['a', 'b', 'c'], window, exclude: [{ what: 'x' }] })
    expect(without.steps[0].visitors).toBe(expected[0])
    // Within two days hardly anybody converts, and it may be that nobody of them is left out.
    expect(without.converted).toBeLessThan((expected[2] as number) + (window === '2d' ? 1 : 0))
  }
})

test('an attempt ends at what is excluded between its steps, and only there; late entries convert later', async () => {
  await using world = await openProjected([])
  const at = (hour: number): number => Date.parse('2026-01-01T00:00:00Z') + hour * 3_600_000
  const did = (visitor: string, ...names: readonly string[]): Did[] =>
    names.map((name, n) => ({ visitor, name, at: at(n) }))
  await tellEvents(world, [
    ...did('straight', 'a', 'b', 'c'),
    ...did('excluded early', 'a', 'x', 'b', 'c'),
    ...did('excluded late', 'a', 'b', 'x', 'c'),
    ...did('twice', 'a', 'x', 'a', 'b', 'c'),
    ...did('before', 'x', 'a', 'b', 'c', 'x'),
  ])
  const steps = ['a', 'b', 'c']
  const reached = async (extra: object): Promise<readonly number[]> =>
    (await ask(world, funnels, { steps, ...extra })).steps.map(({ visitors }: { visitors: number }) => visitors)
  expect(await reached({})).toEqual([5, 5, 5])
  expect(await reached({ exclude: [{ what: 'x' }] })).toEqual([5, 4, 3])
  expect(await reached({ exclude: [{ what: 'x', between: [1, 2] }] })).toEqual([5, 4, 4])
  expect(await reached({ exclude: [{ what: 'x', between: [2, 3] }] })).toEqual([5, 5, 4])
  // Entered in the first hour and a half; what follows may lie behind it.
  expect(await reached({ to: new Date(at(1.5)).toISOString() })).toEqual([5, 5, 5])
  expect(await reached({ from: new Date(at(1.5)).toISOString() })).toEqual([1, 1, 1])
})

test('a month begins at its own midnight, also where the clocks change after it and before the time that is asked from', async () => {
  await using world = await openProjected([])
  // Half past midnight of 1 November in New York, four hours behind; from that day's 2 a.m. on it is five.
  await tellEvents(world, [{ visitor: 'v', name: 'a', at: '2026-11-01T04:30:00Z' }])
  const asked = { period: 'month', timezone: 'America/New_York', from: '2026-11-01T04:30:00Z' }
  const { cohorts: rows } = await ask(world, retention, { ...asked, to: '2026-11-25T00:00:00Z' })
  expect(rows).toEqual([{ cohort: '2026-11', visitors: 1, returned: [1], share: [1] }])
  // Whoever began before is no newcomer, though it was in the same month.
  const later = { ...asked, from: '2026-11-20T12:00:00Z', to: '2026-11-25T00:00:00Z' }
  expect((await ask(world, retention, later)).cohorts).toMatchObject([{ cohort: '2026-11', visitors: 0 }])
})

/** Who came back, one visitor after the other: beginnings in [from, to), returns from `from` on; days of UTC. */
function slowRetention(events: readonly Did[], asked: { from: number; to: number; following: number; mode: string }) {
  const { from, to, following, mode } = asked
  const day = (at: number): number => Math.floor(at / DAY_MS) - Math.floor(from / DAY_MS)
  const cohorts = Array.from({ length: day(to - 1) + 1 }, () => Array.from({ length: following + 2 }, () => 0))
  for (const mine of Map.groupBy(events, ({ visitor }) => visitor).values()) {
    const begun = mine.filter(({ name }) => name === 'begin').map(({ at }) => Number(at))
    const days = new Set(begun.filter((at) => at >= from && at < to).map(day))
    const first =
      mode === 'recurring'
        ? [...days]
        : begun.some((at) => at < from)
          ? []
          : [...days].toSorted((a, b) => a - b).slice(0, 1)
    for (const cohort of first) {
      const counts = cohorts[cohort] as number[]
      counts[0] = (counts[0] as number) + 1
      for (let after = 0; after <= following; after += 1)
        if (mine.some(({ name, at }) => name === 'back' && Number(at) >= from && day(Number(at)) === cohort + after))
          counts[after + 1] = (counts[after + 1] as number) + 1
    }
  }
  return cohorts
}

test('retention of random visitors, from and to within a day: what looking at each of them says', async () => {
  const random = seeded(process.env['MANIFOLD_TEST_SEED'])
  await using world = await openProjected([])
  const start = Date.parse('2026-01-01T00:00:00Z')
  const events = Array.from({ length: 3_000 }, (): Did => ({
    visitor: `v${Math.floor(random.next() * 200)}`,
    at: start + Math.floor(random.next() * 110 * 24) * 3_600_000,
    name: random.next() < 0.3 ? 'begin' : 'back',
    value: 1,
  }))
  await tellEvents(world, events)
  const asked = { begin: 'begin', return: 'back', period: 'day', following: 45 }
  const [from, to] = [start + 20.3 * DAY_MS, start + 70.6 * DAY_MS]
  const within = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
  for (const mode of ['first_time', 'recurring']) {
    const expected = slowRetention(events, { from, to, following: 45, mode })
    const { cohorts: rows } = await ask(world, retention, { ...asked, ...within, mode })
    const found = rows.map(({ visitors, returned }: { visitors: number; returned: number[] }) => [
      visitors,
      ...returned,
    ])
    expect(found, `seed ${random.seed}, ${mode}`).toEqual(expected)
    // Coming back is beginning again, said and unsaid.
    const again = { begin: 'back', period: 'day', following: 45, from: within.from, mode }
    const unsaid = await ask(world, retention, again)
    expect(unsaid, `seed ${random.seed}, ${mode}`).toEqual(await ask(world, retention, { ...again, return: 'back' }))
  }
  // What each did is worth one: as many as came back are a lower bound, and the same cohorts.
  const { cohorts: worth } = await ask(world, cohorts, { ...asked, ...within })
  for (const { returned, events: did, value } of worth) {
    expect(value).toEqual(did)
    expect(did.every((count: number, n: number) => count >= returned[n] && count > 0 === returned[n] > 0)).toBe(true)
  }
})

test('journeys from an event on and up to one; the same again and again is one step', async () => {
  await using world = await openProjected([])
  const at = (minute: number): number => Date.parse('2026-01-01T00:00:00Z') + minute * 60_000
  const did = (visitor: string, ...paths: readonly string[]): Did[] =>
    paths.map((path, n) => ({ visitor, path, type: 'page_view', at: at(n) }))
  await tellEvents(world, [
    ...did('1', '/', '/a', '/a', '/buy'),
    ...did('2', '/', '/b', '/buy', '/'),
    ...did('3', '/a', '/', '/a'),
  ])
  const from = await ask(world, journeys, { start: '/', steps: 3 })
  expect(from.journeys).toBe(3)
  expect(from.paths.map(({ steps, count }: { [part: string]: unknown }) => [steps, count])).toEqual(
    expect.arrayContaining([
      [['/', '/a', '/buy'], 1],
      [['/', '/b', '/buy'], 1],
      [['/', '/a'], 1],
    ]),
  )
  expect(from.links).toContainEqual({ step: 1, from: '/', to: '/a', count: 2 })
  expect(from.links).toContainEqual({ step: 2, from: '/a', to: null, count: 1 })
  const upTo = await ask(world, journeys, { end: '/buy', steps: 2 })
  expect(upTo.paths.map(({ steps }: { steps: unknown }) => steps)).toEqual(
    expect.arrayContaining([
      ['/a', '/buy'],
      ['/b', '/buy'],
    ]),
  )
})

test('an experiment: rates, who saw both, shares that are not as they were meant; mistakes have their place', async () => {
  await using world = await openProjected([])
  const shown = (visitor: string, variant: string, isBuyer: boolean): Did[] => [
    { visitor, name: 'shown', at: '2026-01-01T00:00:00Z', properties: { variant } },
    ...(isBuyer ? [{ visitor, name: 'bought', at: '2026-01-02T00:00:00Z' }] : []),
  ]
  await tellEvents(world, [
    ...Array.from({ length: 400 }, (_, n) => shown(`a${n}`, 'control', n < 40)).flat(),
    ...Array.from({ length: 600 }, (_, n) => shown(`b${n}`, 'green', n < 150)).flat(),
    ...shown('both', 'control', true),
    ...shown('both', 'green', true),
    { visitor: 'unseen', name: 'bought', at: '2026-01-02T00:00:00Z' },
  ])
  const asked = { exposure: 'shown', variant: 'properties.variant', goal: 'bought' }
  const { variants, mixed, sample_ratio: ratio } = await ask(world, experiments, asked)
  expect(variants).toMatchObject([
    { variant: 'control', visitors: 400, converted: 40, rate: 0.1, comparison: null },
    {
      variant: 'green',
      visitors: 600,
      converted: 150,
      rate: 0.25,
      comparison: { lift: expect.closeTo(1.5, 6), is_significant: true },
    },
  ])
  expect(mixed).toBe(1)
  expect(ratio.is_mismatch).toBe(true)
  expect((await ask(world, experiments, { ...asked, window: '1h' })).variants[1].converted).toBe(0)
  const meant = await ask(world, experiments, { ...asked, variants: ['control', 'green'], shares: [2, 3] })
  expect(meant.sample_ratio).toEqual({ p: 1, is_mismatch: false })
  await expect(ask(world, experiments, { ...asked, variant: 'nothing' })).rejects.toThrow(
    '/variant: "nothing" is nothing',
  )
  await expect(ask(world, funnels, { steps: ['a', { filter: { 'properties.x': { $near: 1 } } }] })).rejects.toThrow(
    '/steps/1/filter/properties.x/$near',
  )
})
