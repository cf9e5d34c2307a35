/** Names, sources and the like that strangers make up without end: activity tells the frequent ones, and the rest together. */
import { expect, test } from 'vitest'
import type { LadderCounts } from '../../core/contract/index.ts'
import { activityOf } from '../../plugins/analytics/activity/activity.ts'
import { NEVER, openProjected } from '../support/projected.ts'
import { tellEvents } from '../support/tracked.ts'

const FROM_MS = Date.parse('2026-11-01T00:00:00Z')
const DAY_MS = 86_400_000
const MADE_UP = 90_000
const SHOWN_MAX = 200

test('are added up where they are counted, however many there are, and those that the ladder has, too, are told apart', async () => {
  await using p = await openProjected([])
  await tellEvents(p, [
    ...Array.from({ length: 3 }, () => ({ visitor: 'a', at: FROM_MS, name: 'signup', type: 'conversion' })),
    { visitor: 'b', at: FROM_MS, name: 'rare here' },
    { visitor: 'b', at: FROM_MS },
  ])
  await p.database.writer.run(`INSERT INTO events BY NAME
    SELECT e.* EXCLUDE (seq, event_id, name), 1000 + i AS seq, 'e' || i AS event_id, repeat('x', 190) || i AS name
    FROM (SELECT * FROM events WHERE name = 'rare here') AS e, range(${MADE_UP}) t(i)`)
  const part = { of: { 'rare here': [1_000, 7] as const }, rest: [5, 1] as const }
  const nothing = { of: {}, rest: [0, 0] as const }
  const row = {
    rung: 'day',
    startMs: FROM_MS - DAY_MS,
    endMs: FROM_MS,
    events: 1_010,
    conversions: 8,
    by: { type: nothing, name: part, source: nothing, device: nothing, country: nothing, form: nothing },
    worth: {},
  } as const
  const ladder = { rows: [row], visitors: [], prefixes: {}, expiredSeq: 0 } as unknown as LadderCounts
  const query = { bucket: 'day', timezone: 'UTC', fromMs: FROM_MS - DAY_MS, toMs: FROM_MS + DAY_MS } as const
  const { by, totals } = await p.readers.run(NEVER, ({ ask }) => activityOf(ask, ladder, query))
  const all = MADE_UP + 5 + 1_010
  expect(totals.events).toBe(all)
  const [first, second, third] = by.name
  expect([first, second, third]).toEqual([
    { value: 'rare here', events: 1_001, conversions: 7 },
    { value: 'signup', events: 3, conversions: 3 },
    // What has no name is called as its type.
    { value: 'custom', events: 1, conversions: 0 },
  ])
  expect(by.name.filter(({ value }) => typeof value === 'string')).toHaveLength(SHOWN_MAX)
  const rest = MADE_UP + 3 - SHOWN_MAX + 5
  expect(by.name.slice(SHOWN_MAX)).toEqual([
    { value: undefined, events: rest, conversions: 1 },
    // What the ladder counted without a name.
    { value: null, events: 1_010 - 1_005, conversions: 0 },
  ])
  expect(by.name.reduce((sum, { events }) => sum + events, 0)).toBe(all)
})
