/** What plugins used, on the wire: of one installation, or of all of a plugin. */
import { z } from '@hono/zod-openapi'
import { runsBy } from '../accounting/usage.ts'
import type { Usage } from '../accounting/usage.ts'
import { RUN_KINDS } from '../model.ts'
import type { Rated } from '../accounting/rates.ts'

const count = z.number().int()

const ratedSchema = z.object({
  runs: count,
  failed: count,
  cpu_ms: z.number(),
  wall_ms: z.number(),
  host_ops: count,
  http_calls: count,
})

const kindSchema = z.object({ ok: count, failed: count, interrupted: count })

export const usageSchema = z
  .object({
    since: z.string().openapi({ description: 'When the process that runs it began to count' }),
    points: count.openapi({ description: 'Left of `points_max`; only CPU and broken limits cost some' }),
    points_max: count,
    runs: count.openapi({ description: 'That ended, well or not' }),
    failed: count,
    failed_by_code: z.record(z.string(), count),
    by_kind: z
      .object({
        handler: kindSchema,
        action: kindSchema,
        schedule: kindSchema,
        route: kindSchema,
        transform: kindSchema,
        check: kindSchema,
      })
      .openapi({ description: '`interrupted`: through the fault of a neighbour, and run again' }),
    cpu_ms: z.number().openapi({ description: 'Loading, and what goes on after a run, included' }),
    wall_ms: z.number(),
    host_ops: count.openapi({ description: 'Calls of capabilities, without those for http' }),
    http_calls: count.openapi({ description: 'Requests asked for: `ctx.http`, `fetch`, `send()`' }),
    breaches: z.object({ cpu: count, memory: count, wall: count, killed: count, bridge: count, load: count }),
    heap_bytes: count.openapi({ description: 'Of its isolate when it was measured last, between two runs' }),
    heap_peak_bytes: count,
    process_rss_bytes: count.openapi({ description: 'Of the process its isolate lives in, neighbours included' }),
    last_minute: ratedSchema,
    last_hour: ratedSchema,
  })
  .openapi('Usage')

/** Of milliseconds nobody needs more. */
const THOUSANDTHS = 1_000
const rounded = (ms: number): number => Math.round(ms * THOUSANDTHS) / THOUSANDTHS

const ratedWire = (rated: Rated): z.output<typeof ratedSchema> => ({
  runs: rated.runs,
  failed: rated.failed,
  cpu_ms: rounded(rated.cpuMs),
  wall_ms: rounded(rated.wallMs),
  host_ops: rated.hostOps,
  http_calls: rated.httpCalls,
})

export const usageWire = (usage: Usage): z.output<typeof usageSchema> => ({
  since: usage.since,
  points: usage.points,
  points_max: usage.pointsMax,
  runs: runsBy(usage, 'ok') + runsBy(usage, 'failed'),
  failed: runsBy(usage, 'failed'),
  failed_by_code: { ...usage.failedByCode },
  by_kind: Object.fromEntries(RUN_KINDS.map((kind) => [kind, { ...usage.runs[kind] }])) as Usage['runs'],
  cpu_ms: rounded(usage.cpuMs),
  wall_ms: rounded(usage.wallMs),
  host_ops: usage.hostOps,
  http_calls: usage.httpCalls,
  breaches: { ...usage.breaches },
  heap_bytes: usage.heapBytes,
  heap_peak_bytes: usage.heapPeakBytes,
  process_rss_bytes: usage.processRssBytes,
  last_minute: ratedWire(usage.lastMinute),
  last_hour: ratedWire(usage.lastHour),
})
