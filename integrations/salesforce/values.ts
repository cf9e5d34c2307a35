/** Numbers and times as people and forms write them, read strictly: what is not surely one is none. Pure. */

const DECIMAL = /^[+-]?(?:\d+(?:\.\d+)?|\.\d+)$/
/** A double keeps so many digits, whatever they are. */
const DIGITS_KEPT = 15

/** Digits with a sign and a point at most; as text when a double would lose some of them, which Salesforce reads as well. */
export function numberOf(text: string): number | string | null {
  if (!DECIMAL.test(text)) return null
  const digits = text.replace(/^[+-]?0*/, '').replace('.', '')
  return digits.length <= DIGITS_KEPT ? Number(text) : text.replace(/^\+/, '')
}

/** RFC 3339, or a day alone; seconds and zone may be missing. */
const WRITTEN = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(:\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/

/** What was written. */
export interface Written {
  /** As it stands there, whatever day that is elsewhere. */
  readonly day: string
  /** In UTC; without a zone it was written in UTC. */
  readonly at: string
}

/** Null: written in another way; `no-day`: there is no such day, or no such time. */
export function timeOf(text: string): Written | 'no-day' | null {
  const [, day, minutes = '00:00', seconds = ':00', zone = 'Z'] = WRITTEN.exec(text) ?? []
  if (day === undefined) return null
  // Date takes 30 February for 2 March, and 24:00 for the day after.
  const isDay = new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) === true
  const at = new Date(`${day}T${minutes}${seconds}${zone}`)
  return isDay && !minutes.startsWith('24') && !Number.isNaN(at.getTime()) ? { day, at: at.toISOString() } : 'no-day'
}
