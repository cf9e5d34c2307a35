/** The shape of `manifold.yaml`. Strict: a key that is not here is a mistake. The editor's JSON Schema is made from it. */
import { z } from 'zod'
import { formWireSchema } from '../ingest/form-definition.ts'
import { DURATION_SHAPE, RATE_SHAPE } from './durations.ts'
import type { OverridableLimit } from './overridable-limits.ts'
import { OVERRIDABLE_LIMITS } from './overridable-limits.ts'
import type { RetryPreset } from './retry-presets.ts'
import { RETRY_PRESETS } from './retry-presets.ts'

const ID_HELP = 'must be lower-case letters, digits, "-" and "_", starting with a letter or digit (at most 64)'
const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, ID_HELP)
const text = (max: number) => z.string().min(1).max(max)
const duration = z.string().regex(DURATION_SHAPE, 'must be a duration such as 500ms, 1s, 5m, 2h or 1d')
const oneOrMore = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)])

/** The API's wire shape, and whose it is. */
const form = formWireSchema.extend({ workspace: id.optional() })

const retry = z.union([
  z.enum(Object.keys(RETRY_PRESETS) as RetryPreset[]),
  z
    .strictObject({
      preset: z.enum(Object.keys(RETRY_PRESETS) as RetryPreset[]).optional(),
      schedule: z.array(duration).max(50).optional(),
    })
    .refine(
      (value) => (value.preset === undefined) !== (value.schedule === undefined),
      'must have either "preset" or "schedule"',
    ),
])

/** One entry of `installations:`. What `with` may hold is the plugin's own schema. */
export const installationSchema = z.strictObject({
  id: id.describe('Its name, unique in the workspace; keep it: the cursor hangs on it.'),
  use: text(64).describe('The plugin.'),
  with: z.record(z.string(), z.unknown()).optional().describe("The plugin's settings."),
  when: z
    .strictObject({
      form: oneOrMore(text(64)).optional().describe('Only events of these forms.'),
      event: oneOrMore(text(100)).optional().describe('Only these event types.'),
      filter: z.record(z.string(), z.unknown()).optional().describe('Only events this filter matches.'),
    })
    .optional(),
  retry: retry.optional().describe('When to try again: default, {preset: standard} or {schedule: [1s, 5m]}.'),
  concurrency: z.number().int().min(1).max(1000).optional().describe('Deliveries at the same time.'),
  rate: z
    .string()
    .regex(RATE_SHAPE, 'must be a rate such as 10/s, 600/m or 1000/h')
    .optional()
    .describe('Attempts per time.'),
  order: z.enum(['none', 'fifo']).optional().describe('fifo: deliveries with one order key go one after the other.'),
  ambiguous: z.enum(['retry', 'dead']).optional().describe('What to do when it may or may not have happened.'),
  paused: z.boolean().optional(),
  from: z
    .string()
    .refine(
      (value) => value === 'beginning' || (/^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value))),
      'must be "beginning" or a time such as 2026-01-31T00:00:00Z',
    )
    .optional()
    .describe('Where a new installation starts reading the log.'),
  pii: z
    .union([z.boolean(), z.array(text(64))])
    .optional()
    .describe('Which personal fields the plugin may see.'),
  workspace: id.optional(),
})

const limits = z.strictObject(
  Object.fromEntries(
    Object.entries(OVERRIDABLE_LIMITS).map(([name, [min, max]]) => [
      name,
      z.number().int().min(min).max(max).optional(),
    ]),
  ) as Record<OverridableLimit, z.ZodOptional<z.ZodNumber>>,
)

/** The whole file. */
export const fileSchema = z.strictObject({
  version: z.literal(1).optional().describe('Of this format.'),
  forms: z.record(id, form).optional().describe('Forms, by id. The API shows them as read-only.'),
  network: z
    .strictObject({ allow: z.array(text(64)).optional().describe('Private addresses (CIDR) that plugins may reach.') })
    .optional(),
  pluginDirs: z.array(text(4096)).optional().describe('More folders to look for plugins in, relative to this file.'),
  limits: limits.optional(),
  installations: z.array(installationSchema).optional(),
})

export type FileInstallation = z.infer<typeof installationSchema>
export type FileConfig = z.infer<typeof fileSchema>
