/** `/api/v2/traffic`: how much came and went in the last minutes, the last hour and the last day, and how long deliveries took. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { sumOf, timeWithin } from '../observe/traffic.ts'
import type { TrafficSum } from '../observe/traffic.ts'
import type { TrafficCount } from '../storage/store.ts'
import type { HttpDeps } from './deps.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const count = z.number().int()

const sumSchema = z
  .object({
    responses: count,
    delivered: count.openapi({ description: 'Attempts that went well' }),
    failed: count.openapi({ description: 'Attempts that did not, whether or not another follows' }),
    success_share: z.number().nullable().openapi({ description: 'Delivered, of all attempts; null: there was none' }),
    delivered_within_ms: z.object({ p50: count, p95: count }).nullable().openapi({
      description: 'Half of the deliveries, and 95 of 100, took at most so long since they were asked for, rounded up',
    }),
  })
  .openapi('TrafficSum')

const pointSchema = z.object({ at: z.string(), responses: count, delivered: count, failed: count })

const trafficSchema = z.object({
  now: z
    .object({ seconds: count, responses: count, delivered: count, failed: count })
    .openapi({ description: 'Since the minute before this one began: so many seconds' }),
  last_hour: sumSchema,
  last_day: sumSchema,
  minutes: z.array(pointSchema).openapi({ description: 'The last 60, oldest first, with the one under way' }),
  hours: z.array(pointSchema).openapi({ description: 'The last 24, oldest first, with the one under way' }),
})

const MINUTE_MS = 60_000
const HOUR_MINUTES = 60
const DAY_MINUTES = 1_440

/** The route of the workspace's own traffic. */
export const trafficRoutes = ({ store, clock }: Pick<HttpDeps, 'store' | 'clock'>): Route[] => [
  {
    method: 'GET',
    path: '/api/v2/traffic',
    access: 'deliveries:write',
    doc: {
      tag: 'Operation',
      summary: 'What came and went in the last minutes, hour and day',
      description:
        'Counted where it happens and written down once a second: the numbers of the last second may be missing, and those of a second in which a process was killed always are.',
      responses: { 200: { description: 'Numbers of the workspace', schema: trafficSchema } },
    },
    handler: async (call) => {
      const { workspace } = call.principal
      const nowMs = clock.nowMs()
      const minute = Math.floor(nowMs / MINUTE_MS)
      const [minutes, hours] = await Promise.all(
        [
          { sinceMinute: minute - HOUR_MINUTES + 1, stepMinutes: 1 },
          { sinceMinute: minute - (minute % HOUR_MINUTES) - DAY_MINUTES + HOUR_MINUTES, stepMinutes: HOUR_MINUTES },
        ].map((stretch) => store.traffic({ workspace, ...stretch })),
      )
      const recent = (minutes ?? []).filter((row) => row.minute >= minute - 1)
      const { times: _times, ...now } = sumOf(recent)
      return json(call, {
        now: { seconds: Math.ceil((nowMs - (minute - 1) * MINUTE_MS) / 1_000), ...now },
        last_hour: sumWire(sumOf(minutes ?? [])),
        last_day: sumWire(sumOf(hours ?? [])),
        minutes: points(minutes ?? [], { last: minute, step: 1, count: HOUR_MINUTES }),
        hours: points(hours ?? [], { last: minute - (minute % HOUR_MINUTES), step: HOUR_MINUTES, count: 24 }),
      })
    },
  },
]

function sumWire(sum: TrafficSum): z.output<typeof sumSchema> {
  const { responses, delivered, failed } = sum
  const [p50, p95] = [timeWithin(sum, 0.5), timeWithin(sum, 0.95)]
  return {
    responses,
    delivered,
    failed,
    success_share: delivered + failed === 0 ? null : delivered / (delivered + failed),
    delivered_within_ms: p50 === null || p95 === null ? null : { p50, p95 },
  }
}

/** Steps in which nothing happened are there, too. */
function points(
  rows: readonly Omit<TrafficCount, 'workspace'>[],
  { last, step, count: length }: { readonly last: number; readonly step: number; readonly count: number },
): z.output<typeof pointSchema>[] {
  const byStep = Map.groupBy(rows, (row) => row.minute)
  return Array.from({ length }, (_step, n) => {
    const minute = last - (length - 1 - n) * step
    const { times: _times, ...sum } = sumOf(byStep.get(minute) ?? [])
    return { at: rfc3339(minute * MINUTE_MS), ...sum }
  })
}
