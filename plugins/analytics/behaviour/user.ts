/** `GET /api/v2/analytics/users/{id}`: one person: sessions, what they do, when, and what they are worth. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { numberOf, share } from '../metrics/numbers.ts'
import type { Row } from '../engine/database.ts'
import { cutsOf, localSql } from '../query/zone.ts'
import { median, SESSION_GAP_MS, zone } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'
import { scoreOf, WINDOW_DAYS } from './engagement.ts'
import { spanOfEvents } from './usage.ts'

const DAY_MS = 86_400_000
const MS_PER_SECOND = 1_000
const TOP_MAX = 10
const RECENT_MAX = 50

const schema = z.strictObject({ timezone: zone.optional() })

/** The id is that of a user, or of a visitor who is not known by name. */
export const userPage: Behaviour<z.output<typeof schema>> = {
  schema,
  answer: ({ timezone }, asking) => pageOf(asking.params['id'] ?? '', timezone ?? asking.timezone, asking),
}

async function pageOf(id: string, zoneName: string, asking: Asking): Promise<Json> {
  const { ask, nowMs } = asking
  const { lowMs, highMs } = await spanOfEvents(asking)
  const local = localSql('occurred_at', cutsOf(zoneName, lowMs, highMs))
  const of = 'FROM events WHERE visitor = $1'
  const [row = {}] = await ask(
    `SELECT count(*) AS events, epoch_ms(min(occurred_at)) AS first, epoch_ms(max(occurred_at)) AS last,
       count(DISTINCT date_trunc('day', ${local})) AS days, sum(value) AS value,
       count(*) FILTER (WHERE type = 'conversion') AS conversions,
       count(*) FILTER (WHERE ${recent(nowMs)}) AS recent_events,
       count(DISTINCT date_trunc('day', occurred_at)) FILTER (WHERE ${recent(nowMs)}) AS recent_days,
       count(DISTINCT name) FILTER (WHERE ${recent(nowMs)}) AS recent_kinds ${of}`,
    [id],
  )
  if (numberOf(row, 'events') === 0) return null
  const top = async (column: string): Promise<Json> =>
    (
      await ask(
        `SELECT ${column} AS value, count(*) AS events ${of} AND ${column} IS NOT NULL
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${TOP_MAX}`,
        [id],
      )
    ).map(({ value, events }) => ({ value: String(value), events: Number(events) }))
  return {
    id,
    ...totals(row, nowMs),
    sessions: await sessionsOf(id, asking),
    names: await top('name'),
    pages: await top('path'),
    devices: await top('device'),
    browsers: await top('browser'),
    sources: await top('source'),
    countries: await top('country'),
    hours: await counts(ask, {
      sql: `SELECT hour(${local}) AS at, count(*) AS events ${of} GROUP BY 1`,
      id,
      length: 24,
    }),
    weekdays: await counts(ask, {
      sql: `SELECT isodow(${local}) - 1 AS at, count(*) AS events ${of} GROUP BY 1`,
      id,
      length: 7,
    }),
    recent: (
      await ask(
        `SELECT event_id, type, name, path, value, epoch_ms(occurred_at) AS at ${of} ORDER BY occurred_at DESC, seq DESC LIMIT ${RECENT_MAX}`,
        [id],
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
    engagement: scoreOf({
      activeDays: n('recent_days'),
      daysSinceLast: (nowMs - n('last')) / DAY_MS,
      kinds: n('recent_kinds'),
      events: n('recent_events'),
    }),
  }
}

async function sessionsOf(id: string, { ask }: Asking): Promise<Json> {
  const rows = await ask('SELECT epoch_ms(occurred_at) AS at FROM events WHERE visitor = $1 ORDER BY occurred_at', [id])
  const sessions: { readonly firstMs: number; lastMs: number }[] = []
  for (const { at } of rows) {
    const ms = Number(at)
    const open = sessions.at(-1)
    if (open !== undefined && ms - open.lastMs <= SESSION_GAP_MS) open.lastMs = ms
    else sessions.push({ firstMs: ms, lastMs: ms })
  }
  const lengthsS = sessions.map(({ firstMs, lastMs }) => (lastMs - firstMs) / MS_PER_SECOND)
  return {
    count: sessions.length,
    mean_s: share(
      lengthsS.reduce((total, length) => total + length, 0),
      sessions.length,
    ),
    median_s: median(lengthsS),
    last_started_at: new Date(sessions.at(-1)?.firstMs ?? 0).toISOString(),
    events_per_session: share(rows.length, sessions.length),
  }
}

async function counts(
  ask: Asking['ask'],
  { sql, id, length }: { readonly sql: string; readonly id: string; readonly length: number },
): Promise<number[]> {
  const all = Array.from({ length }, () => 0)
  for (const { at, events } of await ask(sql, [id])) all[Number(at)] = Number(events)
  return all
}
