/** `plugin.json`: static and complete, read without running code. What it leaves out is denied. */
import { z } from 'zod'
import { LIMITS } from '../limits.ts'
import { SCOPES } from '../model.ts'

/** What an event carries into the sandbox beside id, type and time. */
export const EVENT_DATA_NAMES = ['data', 'form', 'response', 'meta'] as const
export type EventDataName = (typeof EVENT_DATA_NAMES)[number]

/** What of a response a transform gets beside status, time and headers. */
const TRANSFORM_DATA_NAMES = ['data', 'form', 'meta'] as const satisfies readonly EventDataName[]

/** Headers that carry what opens something; no transform sees them. */
const KEY_HEADER =
  /(^|-)(auth|authorization|cert|cookies?|credentials?|csrf|jwt|keys?|apikey|oidc|passwords?|secrets?|session|signature|tokens?|xsrf)(-|$)/
const header = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'use the name of a header in lower case, such as "cf-ipcountry"')
  .refine((text) => !KEY_HEADER.test(text), 'no transform sees headers that may carry a key, a cookie or a token')

/** The plugin API version; manifests name a semver range over it. */
export const HUB_API_VERSION = '1.0.0'

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'use lower-case letters, digits and "-", starting with a letter')
const eventType = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]*((\.[a-z0-9_-]+)+|\.\*)$|^\*$/,
    'use an event type such as "response.submitted", or all that begin alike, such as "track.*"',
  )
const ceiling = (max: number) => z.number().int().positive().max(max).optional()

export const manifestSchema = z.strictObject({
  $schema: z.string().optional().describe('For editors: core/contract/plugin.schema.json of the hub.'),
  id: name.describe('The name of the folder.'),
  name: z.string().min(1).max(100),
  description: z.string().max(500).optional(),
  version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, 'use a semantic version such as "1.0.0"'),
  hub: z.string().min(1).describe('Semver range over the plugin API, such as "^1.0".'),
  main: z
    .string()
    .regex(/^(?!.*\.\.)[A-Za-z0-9_./-]+\.(ts|js|mjs)$/, 'use a path inside the folder ending in .ts, .js or .mjs'),
  runtime: z
    .enum(['sandbox', 'native'])
    .default('sandbox')
    .describe('native: without walls, for plugins of the hub itself whose engine is a native library.'),
  isolation: z
    .enum(['shared', 'own'])
    .optional()
    .describe('own: it would rather have a process for each installation; manifold.yaml has the last word.'),
  hardened: z
    .boolean()
    .optional()
    .describe('true: it does without compiled code (slower, safer); manifold.yaml has the last word.'),
  on: z
    .record(
      eventType,
      z.strictObject({
        data: z.array(z.enum(EVENT_DATA_NAMES)).default([]).describe('What the handler gets beside id, type and time.'),
        byDefault: z.boolean().optional().describe('false: only installations whose when.event names the type get it.'),
        enqueue: name
          .optional()
          .describe('This action is enqueued for every event, with the input null; no handler runs.'),
        latest: z
          .boolean()
          .optional()
          .describe(
            'true: of events that wait together the handler gets the last alone. For one that looks itself what there is.',
          ),
      }),
    )
    .default({}),
  transform: z
    .strictObject({
      data: z
        .array(z.enum(TRANSFORM_DATA_NAMES))
        .default([])
        .describe('What the transform gets beside status, time and headers. Only what it sees can it change.'),
      headers: z.array(header).max(20).default([]).describe('Request headers it gets, in lower case.'),
      on: z
        .array(z.enum(['completed', 'partial']))
        .min(1)
        .default(['completed', 'partial'])
        .describe('Which responses it looks at.'),
      whenFails: z
        .enum(['open', 'closed'])
        .describe(
          'When it fails, is late or stands still. open: the response is stored as it was; closed: it waits in quarantine. manifold.yaml has the last word.',
        ),
    })
    .optional()
    .describe('It looks at responses before they are stored.'),
  check: z
    .boolean()
    .default(false)
    .describe('true: it can look at its own credentials and settings, without effects in the hub.'),
  actions: z
    .record(
      name,
      z.strictObject({
        title: z.string().optional(),
        input: z
          .record(z.string(), z.unknown())
          .optional()
          .describe('JSON Schema of the input, for types and documentation.'),
        batch: z
          .strictObject({
            max: z.number().int().min(1).max(500),
            waitMs: z.number().int().min(0).max(60_000).default(0),
          })
          .default({ max: 1, waitMs: 0 }),
        pace: z
          .strictObject({
            perS: z
              .union([z.number().min(0.001).max(1_000), z.string().min(1)])
              .describe('Runs a second; "@config.perS": as many as the admin says there.'),
            burst: z.number().int().min(1).max(1_000).default(1).describe('How many may start at once after a rest.'),
            atOnce: z
              .number()
              .int()
              .min(1)
              .max(1_000)
              .optional()
              .describe(
                'How many may be under way, and never more than the lane has places left; the others wait, and leave room for those of another paceBy.',
              ),
          })
          .optional()
          .describe('Runs that share a paceBy of enqueue start no faster; others do not wait for them.'),
        serial: z
          .union([z.boolean(), z.string().min(1)])
          .optional()
          .describe(
            'true: at most one run of it at a time in an installation, whatever its concurrency. "@config.account": also only one at a time of all installations of the plugin with the same text there (with the same first group of its pattern).',
          ),
        data: z
          .array(z.enum(EVENT_DATA_NAMES))
          .optional()
          .describe('Which event parts item.event carries; none: no event.'),
      }),
    )
    .default({}),
  schedules: z
    .record(name, z.strictObject({ cron: z.string().min(1), timezone: z.string().default('UTC') }))
    .default({}),
  routes: z
    .record(
      z
        .string()
        .regex(
          /^(GET|POST|PUT|PATCH|DELETE) (\/([A-Za-z0-9_.-]*|\{[a-z][A-Za-z0-9]{0,31}\}))+$/,
          'use "METHOD /path"; a segment may be "{name}"',
        ),
      z.strictObject({
        body: z
          .enum(['text', 'form', 'base64'])
          .optional()
          .describe(
            'How it gets the body. text (default): read as UTF-8; form: the inputs of a urlencoded or multipart form; base64: the exact bytes.',
          ),
        scopes: z
          .array(z.enum(SCOPES))
          .min(1)
          .optional()
          .describe('Of an area of the API: what a key needs beside the scope of the area.'),
        doc: z
          .strictObject({
            summary: z.string().min(1).max(120),
            description: z.string().max(2_000).optional(),
            query: z
              .record(z.string(), z.string())
              .optional()
              .describe('Parameters of the address, each with what it is.'),
            status: z.number().int().min(200).max(299).default(200).describe('Of the answer when all is well.'),
            body: z.unknown().optional().describe('An example of what is sent.'),
            answer: z.unknown().optional().describe('An example of what comes back.'),
          })
          .optional()
          .describe('Of an area of the API: how /openapi.json and /docs describe it.'),
      }),
    )
    .default({}),
  api: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'use one segment of a path, such as "analytics"'),
      z.strictObject({
        scope: z.enum(SCOPES).describe('What a key needs that calls it.'),
        share: z
          .boolean()
          .default(false)
          .describe(
            'true: its route GET /share/{token} answers everybody at /share/<workspace>.<token>, without a key.',
          ),
        live: z
          .boolean()
          .default(false)
          .describe(
            'true: its routes GET /live/forms/{id} and GET /live/events/{id} answer numbers by name, which are told as they change at /ws/<area>/live and /ws/<area>/events/{id}.',
          ),
      }),
    )
    .default({})
    .describe(
      'Of plugins of the hub itself: areas of the API, "analytics" for /api/v2/analytics/…, where its routes answer, and nowhere else.',
    ),
  permissions: z
    .strictObject({
      http: z
        .strictObject({
          hosts: z
            .array(z.string().min(1))
            .min(1)
            .describe('"api.example.com", "*.example.com", or "@config.url": the host the admin typed there.'),
          methods: z
            .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']))
            .default(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
        })
        .optional(),
      email: z
        .strictObject({
          to: z
            .array(z.string().min(1))
            .min(1)
            .describe(
              '"@config.to": addresses the admin typed there; "@data.email": the answer to that field of the response, if it is one of type email; "@data.*": to any such field.',
            ),
        })
        .optional()
        .describe('Whom actions may write to.'),
      kv: z.boolean().default(false),
      responses: z.boolean().default(false),
      emit: z.boolean().default(false),
      submit: z.boolean().default(false).describe('Its routes may submit responses.'),
      forms: z.boolean().default(false).describe('Its routes may read forms, make new ones and add fields to them.'),
      hooks: z
        .boolean()
        .default(false)
        .describe('It carries out the hooks of the workspace: it may see who wants which event, and send to them.'),
    })
    .default({ kv: false, responses: false, emit: false, submit: false, forms: false, hooks: false }),
  config: z
    .record(z.string(), z.unknown())
    .default({ type: 'object', properties: {}, additionalProperties: false })
    .describe('JSON Schema (draft 2020-12 or 7) of the settings; "format": "secret" seals a field.'),
  limits: z
    .strictObject({
      heapMb: ceiling(LIMITS.pluginHeapMbCeiling),
      sliceMs: ceiling(LIMITS.pluginSliceMsCeiling),
      cpuMs: ceiling(LIMITS.pluginCpuMsCeiling),
      eventWallMs: ceiling(LIMITS.pluginEventWallMs),
      actionWallMs: ceiling(LIMITS.pluginActionWallMs),
      routeWallMs: ceiling(LIMITS.pluginRouteWallMs),
      scheduleWallMs: ceiling(LIMITS.pluginScheduleWallMs),
      transformWallMs: ceiling(LIMITS.pluginTransformWallMsCeiling),
      hostOpsMax: ceiling(LIMITS.pluginHostOpsMax),
      httpCallsMax: ceiling(LIMITS.pluginHttpCallsMax),
      logLinesMax: ceiling(LIMITS.pluginLogLinesMax),
    })
    .default({}),
})

/** The same for editors: what `$schema` of a plugin.json points at. */
export const manifestJsonSchema = (): object => ({
  ...z.toJSONSchema(manifestSchema, { target: 'draft-7', io: 'input' }),
  title: 'plugin.json of a Manifold plugin',
})

export type Manifest = z.infer<typeof manifestSchema>
