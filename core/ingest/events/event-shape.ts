/** The shape of one behaviour event on the wire: `{type?, name?, user_id?, page?, properties?, …}`. */
import { z } from 'zod'
import type { Json } from '../../contract/index.ts'
import type { FieldProblem } from '../../errors.ts'
import type { Limits } from '../../limits.ts'
import { toPointer, zodProblems } from '../form-definition.ts'
import { utcTime } from '../times.ts'
import { CONSENTS } from './families.ts'
import type { Consent } from './families.ts'

/** Longest id, name and word of an event, in characters. */
export const EVENT_TEXT_CHARS_MAX = 200
/** Longest URL and title. */
const LONG_TEXT_CHARS_MAX = 2_048

/** Databases keep no half characters and no NUL: what they would change could not be known again. */
const isPlain = (text: string): boolean => text.isWellFormed() && !/\p{Cc}/u.test(text)
const word = z
  .string()
  .trim()
  .min(1)
  .max(EVENT_TEXT_CHARS_MAX)
  .refine(isPlain, 'must be whole characters, none of them a control character')
const longText = z.string().max(LONG_TEXT_CHARS_MAX)
const time = z.string().transform((text, context) => {
  const at = utcTime(text)
  if (at !== null) return at
  context.addIssue({
    code: 'custom',
    message: 'must be a time with its offset (RFC 3339), such as 2026-05-31T09:30:00Z',
  })
  return z.NEVER
})

const page = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
    .max(LONG_TEXT_CHARS_MAX)
    .optional(),
  path: longText.regex(/^\//, 'must begin with "/"').optional(),
  title: longText.optional(),
  referrer: longText.optional(),
})

const campaign = z.strictObject({ name: word.optional(), source: word.optional(), medium: word.optional() })

const context = z.strictObject({
  channel: z.enum(['web', 'mobile', 'api']).optional(),
  organizer: word.optional(),
  event: word.optional(),
  campaign: campaign.optional(),
  user_agent: longText.optional(),
  ip: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be a country code of two capitals (ISO 3166), such as DE')
    .optional(),
})

/** One event as senders write it. */
export const eventShape = z.strictObject({
  event_id: word.optional().describe('Your own id of the event: sent again, it changes nothing.'),
  type: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,49}$/, 'must be lower-case letters, digits and "_", such as page_view')
    .optional()
    .describe(
      'The family: page_view, click, search, … (GET /api/v2/events/families). Absent: what the path says, else custom.',
    ),
  name: word.optional().describe('What happened, in your own words. Absent: the family.'),
  occurred_at: time.optional().describe('When it happened (RFC 3339). Absent: now.'),
  user_id: word.nullish(),
  anonymous_id: word.nullish(),
  session_id: word.nullish().describe("The sender's own."),
  consent: z
    .enum(CONSENTS)
    .optional()
    .describe('What may be known of whoever did it. Absent: granted from senders with a key, else what the file says.'),
  form_id: word.nullish().describe('The form it is about.'),
  page: page.optional(),
  context: context.optional(),
  value: z.number().optional(),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be a currency code of three capitals (ISO 4217), such as EUR')
    .optional(),
  schema_version: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('The version of the family that it was written for. Absent: the newest.'),
  properties: z.record(z.string(), z.unknown()).optional(),
})

/** An event as read: its shape is right, its family is not looked at yet. */
export type EventInput = z.output<typeof eventShape> & {
  /** Once it is settled what holds. */
  readonly consent?: Consent | undefined
}

export type PropertyLimits = Pick<
  Limits,
  'eventPropertiesMax' | 'eventPropertyDepthMax' | 'eventPropertyCharsMax' | 'eventNumberMax'
>

export type ReadEvent =
  | { readonly ok: true; readonly event: EventInput }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

/** Reads one event, saying everything that is wrong at once. */
export function readEvent(body: Json, limits: PropertyLimits): ReadEvent {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { ok: false, problems: [{ pointer: '', detail: 'must be an object such as {"type": "click"}' }] }
  const parsed = eventShape.safeParse(body)
  if (!parsed.success) return { ok: false, problems: zodProblems(parsed.error) }
  const { value = 0 } = parsed.data
  if (Math.abs(value) > limits.eventNumberMax)
    return { ok: false, problems: [{ pointer: '/value', detail: `must be within ±${limits.eventNumberMax}` }] }
  const problem = propertyProblem((parsed.data.properties ?? {}) as { readonly [key: string]: Json }, limits)
  return problem === null ? { ok: true, event: parsed.data } : { ok: false, problems: [problem] }
}

/** The first property that is beyond a limit. */
function propertyProblem(properties: { readonly [key: string]: Json }, limits: PropertyLimits): FieldProblem | null {
  const { eventPropertiesMax, eventPropertyDepthMax, eventPropertyCharsMax, eventNumberMax } = limits
  let count = 0
  const look = (value: Json, path: readonly PropertyKey[]): string | null => {
    if (typeof value === 'string')
      return value.length > eventPropertyCharsMax ? `has more than ${eventPropertyCharsMax} characters` : null
    if (typeof value === 'number') return Math.abs(value) > eventNumberMax ? `is beyond ±${eventNumberMax}` : null
    if (typeof value !== 'object' || value === null) return null
    if (path.length > eventPropertyDepthMax) return `is nested deeper than ${eventPropertyDepthMax} levels`
    for (const [key, item] of Object.entries(value)) {
      count += 1
      if (count > eventPropertiesMax) return `has more than ${eventPropertiesMax} keys and items`
      if (key.length > EVENT_TEXT_CHARS_MAX) return `has a key of more than ${EVENT_TEXT_CHARS_MAX} characters`
      const wrong = look(item, [...path, key])
      if (wrong !== null) return path.length === 1 ? `: "${key.slice(0, EVENT_TEXT_CHARS_MAX)}" ${wrong}` : wrong
    }
    return null
  }
  const wrong = look(properties, ['properties'])
  return wrong === null ? null : { pointer: toPointer(['properties']), detail: wrong.replace(/^: /, 'is not taken: ') }
}
