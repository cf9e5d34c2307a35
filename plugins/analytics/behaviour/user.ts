/** `GET /api/v2/analytics/users/{id}`: one person: sessions, what they do, when, and what they are worth. */
import { z } from 'zod'
import { userVisitor } from 'manifold/plugin'
import type { Json } from 'manifold/plugin'
import { numberOf } from '../metrics/numbers.ts'
import type { Row } from '../engine/database.ts'
import { moneySql, worthSql } from '../engine/worth.ts'
import { cutsOf, localSql } from '../query/zone.ts'
import { zone } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'
import { scoreOf, WINDOW_DAYS } from './engagement.ts'
import { spanOfEvents } from './usage.ts'
import { DAY_MS } from '../time-units.ts'

const WORTH = worthSql()
const TOP_MAX = 10
const RECENT_MAX = 50

const schema = z.strictObject({ timezone: zone.optional() })

/** The id is that of a user; else of a visitor who is not known by name, as answers show it (`anonymous:…`). */
export const userPage: Behaviour<z.output<typeof schema>> = {
  schema,
  answer: async ({ timezone }, asking) => {
    const id = asking.params['id'] ?? ''
    const zoneName = timezone ?? asking.timezone
    const user = userVisitor(id)
    return (await pageOf(user, zoneName, asking)) ?? (user === id ? null : pageOf(id, zoneName, asking))
  },
}

async function pageOf(visitor: string, zoneName: string, asking: Asking): Promise<Json> {
  const { ask, nowMs } = asking
  const { lowMs, highMs } = await spanOfEvents(asking)
  const local = localSql('occurred_at', cutsOf(zoneName, lowMs, highMs))
  const of = 'FROM events WHERE visitor = $1'
  const [row = {}] = await ask(
    `SELECT count(*) AS events, epoch_ms(min(occurred_at)) AS first, epoch_ms(max(occurred_at)) AS last,
       count(DISTINCT date_trunc('day', ${local})) AS days, ${WORTH.value} AS value, ${WORTH.currency} AS currency,
       count(*) FILTER (WHERE type = 'conversion') AS conversions,
       count(*) FILTER (WHERE ${recent(nowMs)}) AS recent_events,
       count(DISTINCT date_trunc('day', occurred_at)) FILTER (WHERE ${recent(nowMs)}) AS recent_days,
       count(DISTINCT name) FILTER (WHERE ${recent(nowMs)}) AS recent_kinds ${of}`,
    [visitor],
  )
  if (numberOf(row, 'events') === 0) return null
  const top = async (column: string): Promise<Json> =>
    (
      await ask(
        `SELECT ${column} AS value, count(*) AS events ${of} AND ${column} IS NOT NULL
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP_MAX}`,
        [visitor],
      )
    ).map(({ value, events }) => ({ value: String(value), events: Number(events) }))
  return {
    id: asking.params['id'] ?? '',
    ...totals(row, nowMs),
    sessions: await sessionsOf(visitor, asking),
    values: await valuesOf(visitor, asking),
    names: await top('name'),
    pages: await top('path'),
    devices: await top('device'),
    browsers: await top('browser'),
    sources: await top('source'),
    countries: await top('country'),
    hours: await counts(ask, {
      sql: `SELECT hour(${local}) AS at, count(*) AS events ${of} GROUP BY 1`,
      visitor,
      length: 24,
    }),
    weekdays: await counts(ask, {
      sql: `SELECT isodow(${local}) - 1 AS at, count(*) AS events ${of} GROUP BY 1`,
      visitor,
      length: 7,
    }),
    recent: (
      await ask(
        `SELECT event_id, type, name, path, value, epoch_ms(occurred_at) AS at ${of} ORDER BY occurred_at DESC, seq DESC LIMIT ${RECENT_MAX}`,
        [visitor],
      )
    ).map(({ at, ...event }) => ({
      ...(event as { [name: string]: Json }),
      occurred_at: new Date(Number(at)).toISOString(),
    })),
  }
}

const recent = (nowMs: number): string =>
  `occurred_at >= make_timestamp_ms(${Math.floor(nowMs - WINDOW_DAYS * DAY_MS)})`

function totals(row: Row, nowMs: number): { [name: string]: Json } {
  const n = (name: string): number => numberOf(row, name) ?? 0
  return {
    first_at: new Date(n('first')).toISOString(),
    last_at: new Date(n('last')).toISOString(),
    events: n('events'),
    active_days: n('days'),
    conversions: n('conversions'),
    value: numberOf(row, 'value'),
    currency: (row['currency'] ?? null) as string | null,
    engagement: scoreOf({
      activeDays: n('recent_days'),
      daysSinceLast: (nowMs - n('last')) / DAY_MS,
      kinds: n('recent_kinds'),
      events: n('recent_events'),
    }),
  }
}

async function sessionsOf(visitor: string, { ask }: Asking): Promise<Json> {
  const [row = {}] = await ask(
    `SELECT count(*) AS sessions, avg(duration_s) AS mean_s, median(duration_s) AS median_s,
       epoch_ms(max(started_at)) AS last_started, avg(events) AS events FROM fact_sessions WHERE visitor = $1`,
    [visitor],
  )
  return {
    count: numberOf(row, 'sessions'),
    mean_s: numberOf(row, 'mean_s'),
    median_s: numberOf(row, 'median_s'),
    last_started_at: new Date(numberOf(row, 'last_started') ?? 0).toISOString(),
    events_per_session: numberOf(row, 'events'),
  }
}

/** By currency, the one of most values first. */
async function valuesOf(visitor: string, { ask }: Asking): Promise<Json> {
  const rows = await ask(
    `SELECT currency, ${moneySql('fsum(value)')} AS value FROM events WHERE visitor = $1 AND value IS NOT NULL
     GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ${TOP_MAX}`,
    [visitor],
  )
  return rows.map((row) => ({ currency: (row['currency'] ?? null) as string | null, value: Number(row['value']) }))
}

async function counts(
  ask: Asking['ask'],
  { sql, visitor, length }: { readonly sql: string; readonly visitor: string; readonly length: number },
): Promise<number[]> {
  const all = Array.from({ length }, () => 0)
  for (const { at, events } of await ask(sql, [visitor])) all[Number(at)] = Number(events)
  return all
}
