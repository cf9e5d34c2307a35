/** The families of behaviour events: what each must say, of which types, and what of it becomes columns of its own. */
import type { Ladder } from '../../storage/ladder/rungs.ts'

/** What one property must be. The words are JSON Schema's; texts of a number or of true and false are taken as such. */
export interface PropertyRule {
  readonly type: 'string' | 'number' | 'integer' | 'boolean'
  /** Of a string: RFC 3339, kept in UTC. */
  readonly format?: 'date-time' | undefined
  readonly enum?: readonly string[] | undefined
  readonly minimum?: number | undefined
  readonly maximum?: number | undefined
}

/** One family. Properties that it does not name are kept as they come. */
export interface Family {
  /** Grows when what it says changes; an event may name the version it was written for, never a later one. */
  readonly version: number
  readonly description: string
  /** Parts of the event that must be there. */
  readonly needs: readonly FamilyNeed[]
  readonly properties: Readonly<Record<string, PropertyRule>>
  readonly required: readonly string[]
  /** Old names of properties, as events of earlier versions have them, and what they are called now. */
  readonly renamed: Readonly<Record<string, string>>
  /** Properties that become the columns of the same name: what it was about, what was done, how much. */
  readonly subject?: string | undefined
  readonly action?: string | undefined
  readonly measure?: string | undefined
}

export const FAMILY_NEEDS = ['user_id', 'name', 'page', 'form_id'] as const
export type FamilyNeed = (typeof FAMILY_NEEDS)[number]

const family = (description: string, more: Partial<Omit<Family, 'description'>> = {}): Family => ({
  version: 1,
  description,
  needs: [],
  properties: {},
  required: [],
  renamed: {},
  ...more,
})
const TEXT = { type: 'string' } as const
const AMOUNT = { type: 'number', minimum: 0 } as const

/** Those that the hub brings along. */
export const FAMILIES = {
  page_view: family('A page was shown', { needs: ['page'] }),
  conversion: family('What it was all for: an order, a registration'),
  custom: family("An event of the sender's own", { needs: ['name'] }),
  click: family('A button or link was used', {
    properties: { element: TEXT, text: TEXT, href: TEXT },
    required: ['element'],
    subject: 'element',
  }),
  search: family('Something was looked for', {
    properties: { query: TEXT, results: { type: 'integer', minimum: 0 } },
    required: ['query'],
    subject: 'query',
    measure: 'results',
  }),
  form_view: family('A form was shown', { needs: ['form_id'] }),
  form_start: family('Somebody began to fill in a form', { needs: ['form_id'] }),
  form_field: family('Somebody was in a field, and for how long', {
    needs: ['form_id'],
    properties: { field: TEXT, dwell_ms: AMOUNT },
    required: ['field', 'dwell_ms'],
    subject: 'field',
    measure: 'dwell_ms',
  }),
  form_abandon: family('A form that was begun was left', {
    needs: ['form_id'],
    properties: { field: TEXT, elapsed_ms: AMOUNT },
    subject: 'field',
    measure: 'elapsed_ms',
  }),
  form_submit: family('A form was sent', {
    needs: ['form_id'],
    properties: { elapsed_ms: AMOUNT },
    measure: 'elapsed_ms',
  }),
  course_interaction: family('Somebody did something in a course', {
    needs: ['user_id'],
    properties: { course_id: TEXT, action: TEXT, progress: { type: 'number', minimum: 0, maximum: 100 } },
    required: ['course_id', 'action'],
    subject: 'course_id',
    action: 'action',
    measure: 'progress',
  }),
  learning_session: family('Somebody learned for a while', {
    needs: ['user_id'],
    properties: { course_id: TEXT, duration_s: AMOUNT },
    required: ['duration_s'],
    subject: 'course_id',
    measure: 'duration_s',
  }),
  quiz_attempt: family('Somebody tried a quiz', {
    needs: ['user_id'],
    properties: { quiz_id: TEXT, score: { type: 'number' }, max_score: AMOUNT, passed: { type: 'boolean' } },
    required: ['quiz_id', 'score'],
    subject: 'quiz_id',
    action: 'passed',
    measure: 'score',
  }),
} as const satisfies Record<string, Family>

/** What the type of a behaviour event begins with in the log. */
export const TRACK_PREFIX = 'track.'

/** The four doors, each with the family it is for; null: the event says it. */
export const DOORS = {
  track: null,
  page: 'page_view',
  conversion: 'conversion',
  custom: 'custom',
} as const satisfies Record<string, keyof typeof FAMILIES | null>
export type EventDoor = keyof typeof DOORS

/**
 * What may be known of whoever did it: all; what happened and on which kind of device, but not who it was; nothing, so that
 * nothing is stored.
 */
export const CONSENTS = ['granted', 'minimal', 'denied'] as const
export type Consent = (typeof CONSENTS)[number]

/** What the file says of behaviour events. */
export interface EventSettings {
  /** What holds for strangers' events that say nothing of consent; a sender with a key that says nothing has it. */
  readonly consent: Consent
  /** The same for those about one form, by its id. */
  readonly formConsent: Readonly<Record<string, Consent>>
  /** Who may send those that are about no form: everybody within the rate of an address, or only keys. */
  readonly access: 'public' | 'key'
  /** Name of the request header that a proxy puts the country into, lower-case; null: none. */
  readonly countryHeader: string | null
  /** How long the log keeps what they say, in ms. */
  readonly keepMs: number
  /** How long it is known afterwards how many there were. */
  readonly ladder: Ladder
  /** Those of the file, beside the hub's. */
  readonly families: Readonly<Record<string, Family>>
}
