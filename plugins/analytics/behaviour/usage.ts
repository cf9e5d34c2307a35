/** `GET /api/v2/analytics/features` and `/heatmap`: what is used by how many, and when in the week. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { share } from '../metrics/numbers.ts'
import { cutsOf, localSql } from '../query/zone.ts'
import { moment } from '../query/times.ts'
import { Draft, zone } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'

const FEATURES_MAX = 1_000
const DAYS = 7
const HOURS = 24

const span = { from: moment.optional(), to: moment.optional() }
const featuresSchema = z.strictObject({ ...span, type: z.string().min(1).max(200).optional() })

/** Each name of an event: how often, by how many, and by which share of all who did anything. */
export const features: Behaviour<z.output<typeof featuresSchema>> = {
  schema: featuresSchema,
  answer: async (question, asking) => {
    const scope = { from: question.from, to: question.to }
    const all = new Draft(asking)
    const [row] = await asking.ask(
      `SELECT count(DISTINCT visitor_no) AS visitors FROM events WHERE ${all.within(scope)}`,
      all.values.list,
    )
    const active = Number(row?.['visitors'] ?? 0)
    const draft = new Draft(asking)
    const filter = question.type === undefined ? undefined : { type: question.type }
    const rows = await asking.ask(
      `SELECT name, type, count(*) AS events, count(DISTINCT visitor_no) AS visitors,
         epoch_ms(min(occurred_at)) AS first, epoch_ms(max(occurred_at)) AS last
       FROM events WHERE ${draft.within({ ...scope, filter })} GROUP BY 1, 2
       ORDER BY visitors DESC, events DESC, name LIMIT ${FEATURES_MAX}`,
      draft.values.list,
    )
    return {
      visitors: active,
      features: rows.map(({ name, type, events, visitors, first, last }) => ({
        name: String(name),
        type: String(type),
        events: Number(events),
        visitors: Number(visitors),
        share: share(Number(visitors), active),
        events_per_visitor: share(Number(events), Number(visitors)),
        first_at: new Date(Number(first)).toISOString(),
        last_at: new Date(Number(last)).toISOString(),
      })),
    } satisfies Json
  },
}

const heatmapSchema = z.strictObject({
  ...span,
  timezone: zone.optional(),
  event: z.string().min(1).max(500).optional(),
})

/** Events by hour of the wall clock and day of the week, Monday first. */
export const heatmap: Behaviour<z.output<typeof heatmapSchema>> = {
  schema: heatmapSchema,
  answer: async ({ from, to, event, timezone }, asking) => {
    const draft = new Draft(asking)
    const where = draft.within({ from, to, filter: event === undefined ? undefined : { name: event } })
    const zoneName = timezone ?? asking.timezone
    const { lowMs, highMs } = await spanOfEvents(asking)
    const local = localSql(
      'occurred_at',
      cutsOf(zoneName, Math.max(lowMs, from ?? lowMs), Math.min(highMs, to ?? highMs)),
    )
    const rows = await asking.ask(
      `SELECT isodow(${local}) AS day, hour(${local}) AS hour, count(*) AS events, count(DISTINCT visitor_no) AS visitors
       FROM events WHERE ${where} GROUP BY 1, 2`,
      draft.values.list,
    )
    const grid = (of: 'events' | 'visitors'): number[][] => {
      const cells = Array.from({ length: DAYS }, () => Array.from({ length: HOURS }, () => 0))
      for (const row of rows) {
        const day = cells[Number(row['day']) - 1]
        if (day !== undefined) day[Number(row['hour'])] = Number(row[of])
      }
      return cells
    }
    return { timezone: zoneName, events: grid('events'), visitors: grid('visitors') }
  },
}

/** When the first and the last event happened. */
export async function spanOfEvents({ ask }: Pick<Asking, 'ask'>): Promise<{ lowMs: number; highMs: number }> {
  const [row] = await ask('SELECT epoch_ms(min(occurred_at)) AS low, epoch_ms(max(occurred_at)) AS high FROM events')
  return { lowMs: Number(row?.['low'] ?? 0), highMs: Number(row?.['high'] ?? 0) }
}
