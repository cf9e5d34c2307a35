/** The kinds of behaviour events there are: `track.<family>` in the log. */

/** Those that the hub brings along. */
export const FAMILIES = [
  'page_view',
  'conversion',
  'custom',
  'click',
  'search',
  'form_view',
  'form_start',
  'form_field',
  'form_abandon',
  'form_submit',
  'course_interaction',
  'learning_session',
  'quiz_attempt',
] as const
export type Family = (typeof FAMILIES)[number]

/** What the type of a behaviour event begins with in the log. */
export const TRACK_PREFIX = 'track.'

/** The four doors, each with the family it is for; null: the event says it. */
export const DOORS = {
  track: null,
  page: 'page_view',
  conversion: 'conversion',
  custom: 'custom',
} as const satisfies Record<string, Family | null>
export type EventDoor = keyof typeof DOORS
