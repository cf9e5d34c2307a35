/** `plugin.json`: static and complete, read without running code. What it leaves out is denied. */
import { z } from 'zod'
import { LIMITS } from '../limits.ts'

/** What an event carries into the sandbox beside id, type and time. */
export const EVENT_DATA_NAMES = ['data', 'form', 'response', 'meta'] as const
export type EventDataName = (typeof EVENT_DATA_NAMES)[number]

/** The plugin API version; manifests name a semver range over it. */
export const HUB_API_VERSION = '1.0.0'

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'use lower-case letters, digits and "-", starting with a letter')
const eventType = z
  .string()
  .regex(/^[a-z][a-z0-9_]*(\.[a-z0-9_-]+)+$|^\*$/, 'use an event type such as "response.submitted"')
const ceiling = (max: number) => z.number().int().positive().max(max).optional()

export const manifestSchema = z.strictObject({
  $schema: z.string().optional(),
  id: name,
  name: z.string().min(1).max(100),
  description: z.string().max(500).optional(),
  version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, 'use a semantic version such as "1.0.0"'),
  /** Semver range over the plugin API. */
  hub: z.string().min(1),
  main: z
    .string()
    .regex(/^(?!.*\.\.)[A-Za-z0-9_./-]+\.(ts|js|mjs)$/, 'use a path inside the folder ending in .ts, .js or .mjs'),
  runtime: z.enum(['sandbox']).default('sandbox'),
  on: z
    .record(
      eventType,
      z.strictObject({
        data: z.array(z.enum(EVENT_DATA_NAMES)).default([]),
        /** False: only installations whose `when.event` names the type get it. */
        byDefault: z.boolean().optional(),
        /** This action is enqueued for every event, with the input null; no handler runs. */
        enqueue: name.optional(),
      }),
    )
    .default({}),
  actions: z
    .record(
      name,
      z.strictObject({
        title: z.string().optional(),
        input: z.record(z.string(), z.unknown()).optional(),
        batch: z
          .strictObject({
            max: z.number().int().min(1).max(500),
            waitMs: z.number().int().min(0).max(60_000).default(0),
          })
          .default({ max: 1, waitMs: 0 }),
        /** Which event parts `item.event` carries; none: no event. */
        data: z.array(z.enum(EVENT_DATA_NAMES)).optional(),
      }),
    )
    .default({}),
  schedules: z
    .record(name, z.strictObject({ cron: z.string().min(1), timezone: z.string().default('UTC') }))
    .default({}),
  routes: z
    .record(
      z.string().regex(/^(GET|POST|PUT|PATCH|DELETE) \/[A-Za-z0-9_./-]*$/, 'use "METHOD /path"'),
      z.strictObject({}),
    )
    .default({}),
  permissions: z
    .strictObject({
      http: z
        .strictObject({
          hosts: z.array(z.string().min(1)).min(1),
          methods: z
            .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']))
            .default(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
        })
        .optional(),
      kv: z.boolean().default(false),
      responses: z.boolean().default(false),
      emit: z.boolean().default(false),
    })
    .default({ kv: false, responses: false, emit: false }),
  /** JSON Schema (draft 2020-12 or 7) of the installation's `with`; `format: "secret"` seals a field. */
  config: z.record(z.string(), z.unknown()).default({ type: 'object', properties: {}, additionalProperties: false }),
  limits: z
    .strictObject({
      heapMb: ceiling(LIMITS.pluginHeapMbCeiling),
      sliceMs: ceiling(LIMITS.pluginSliceMsCeiling),
      cpuMs: ceiling(LIMITS.pluginCpuMsCeiling),
      eventWallMs: ceiling(LIMITS.pluginEventWallMs),
      actionWallMs: ceiling(LIMITS.pluginActionWallMs),
      routeWallMs: ceiling(LIMITS.pluginRouteWallMs),
      scheduleWallMs: ceiling(LIMITS.pluginScheduleWallMs),
      hostOpsMax: ceiling(LIMITS.pluginHostOpsMax),
      httpCallsMax: ceiling(LIMITS.pluginHttpCallsMax),
      logLinesMax: ceiling(LIMITS.pluginLogLinesMax),
    })
    .default({}),
})

export type Manifest = z.infer<typeof manifestSchema>
