/** `events:` of the file: its shape, and what the hub runs on. */
import { z } from 'zod'
import { CONSENTS, FAMILIES, FAMILY_NEEDS } from '../ingest/events/families.ts'
import { isZone } from '../clock.ts'
import type { EventSettings, Family } from '../ingest/events/families.ts'
import { DURATION_SHAPE, parseDurationMs } from './durations.ts'
import { DAY_MS, KEEP_DAYS_MAX, ladderOf, ladderSchema } from './ladder-settings.ts'

const TEXT_CHARS_MAX = 200
const PROPERTIES_MAX = 100
const FAMILIES_MAX = 200
/** Raw events for a week, as long as nobody says otherwise. */
const KEEP_DEFAULT = '7d'

const key = z.string().min(1).max(TEXT_CHARS_MAX)

const property = z
  .strictObject({
    type: z.enum(['string', 'number', 'integer', 'boolean']),
    format: z.literal('date-time').optional().describe('Of a string: a time, kept in UTC.'),
    enum: z
      .array(z.string().max(TEXT_CHARS_MAX))
      .min(1)
      .max(PROPERTIES_MAX)
      .optional()
      .describe('Of a string: its choices.'),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
  })
  .refine(
    ({ type, format, enum: choices }) => type === 'string' || (format === undefined && choices === undefined),
    'must have "format" and "enum" only where type is string',
  )

const family = z
  .strictObject({
    version: z.number().int().min(1).default(1).describe('Raise it when what the family says changes.'),
    description: z.string().max(500).default(''),
    needs: z.array(z.enum(FAMILY_NEEDS)).default([]).describe('Parts of the event that must be there.'),
    properties: z.record(key, property).default({}).describe('What they must be, in words of JSON Schema.'),
    required: z.array(key).max(PROPERTIES_MAX).default([]),
    renamed: z
      .record(key, key)
      .default({})
      .describe('Old names of properties in events of earlier versions, and what they are called now.'),
    subject: key.optional().describe('The property that says what it was about.'),
    action: key.optional().describe('The property that says what was done.'),
    measure: key.optional().describe('The number that says how much.'),
  })
  .refine(({ properties, measure }) => {
    if (measure === undefined) return true
    const type = Object.hasOwn(properties, measure) ? properties[measure]?.type : undefined
    return type === 'number' || type === 'integer'
  }, 'must name in "measure" a property of type number or integer')

export const eventsSchema = z.strictObject({
  access: z
    .enum(['public', 'key'])
    .optional()
    .describe('Who may send events that are about no form: everybody within the rate of an address, or only keys.'),
  consent: z
    .enum(CONSENTS)
    .optional()
    .describe(
      'What holds for events without an API key that say nothing of consent: granted, minimal (nobody is recognised) or denied (nothing is stored). minimal where nothing is said; senders with a key have asked.',
    ),
  formConsent: z
    .record(z.string().min(1).max(TEXT_CHARS_MAX), z.enum(CONSENTS))
    .optional()
    .describe('The same for events about one form, by its id.'),
  countryHeader: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be the name of a header in lower case, such as "cf-ipcountry"')
    .optional()
    .describe('The header into which your proxy puts the country, whatever the sender wrote there.'),
  keep: z
    .string()
    .regex(DURATION_SHAPE, 'must be a duration such as 7d')
    .refine((text) => (parseDurationMs(text) ?? 0) <= KEEP_DAYS_MAX * DAY_MS, `must be ${KEEP_DAYS_MAX}d at most`)
    .optional()
    .describe(`How long what they say is kept; ${KEEP_DEFAULT} where nothing is said.`),
  ladder: ladderSchema.optional(),
  timezone: z
    .string()
    .refine(isZone, 'must be the IANA name of a time zone, such as "Europe/Berlin"')
    .optional()
    .describe('Where the days and months of the ladder begin; UTC where nothing is said.'),
  families: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]{0,49}$/, 'must be lower-case letters, digits and "_", starting with a letter'),
      family,
    )
    .refine((families) => Object.keys(families).length <= FAMILIES_MAX, `must be ${FAMILIES_MAX} at most`)
    .refine(
      (families) => !Object.keys(families).some((name) => Object.hasOwn(FAMILIES, name)),
      `must have other names than the hub's own (${Object.keys(FAMILIES).join(', ')})`,
    )
    .optional()
    .describe('More families of events, by name.'),
})

/** With what holds where nothing is said. */
export const eventSettings = (file: z.output<typeof eventsSchema> = {}): EventSettings => ({
  access: file.access ?? 'key',
  consent: file.consent ?? 'minimal',
  formConsent: file.formConsent ?? {},
  countryHeader: file.countryHeader ?? null,
  keepMs: parseDurationMs(file.keep ?? KEEP_DEFAULT) as number,
  ladder: { rungs: ladderOf(file.ladder), timezone: file.timezone ?? 'UTC' },
  families: (file.families ?? {}) satisfies Readonly<Record<string, Family>>,
})
