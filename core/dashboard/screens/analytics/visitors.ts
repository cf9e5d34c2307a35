/** What the pages about visitors have in common: the stretch of time that they are about, and what visitors differ in. */
import type { Filter } from '../../parts/filters.ts'
import { isDay, timeOf } from '../../parts/period.ts'
import type { Visit } from '../../visit.ts'

const SIDES = ['from', 'to'] as const

export const SPAN_FILTERS: readonly Filter[] = [
  { name: 'from', label: 'From', type: 'datetime' },
  { name: 'to', label: 'To', type: 'datetime' },
]

/** As the body of a question has it; days go as they are, and so does what nobody can read: the API says so. */
export function spanOf({ query }: Visit): Readonly<Record<string, string>> {
  const all = SIDES.flatMap((name) => {
    const text = query(name)
    const ms = text !== undefined && isDay(text) ? null : timeOf(text, query('timezone') ?? 'UTC', name)
    return text === undefined ? [] : [[name, ms === null ? text : new Date(ms).toISOString()] as const]
  })
  return Object.fromEntries(all)
}

/** What is in the address, as the API takes it, or nothing. */
export const given = (
  name: string,
  value: string | undefined,
  as: (value: string) => unknown = (same) => same,
): Readonly<Record<string, unknown>> => (value === undefined ? {} : { [name]: as(value) })

export const DIMENSIONS = [
  'device',
  'browser',
  'os',
  'country',
  'source',
  'medium',
  'campaign',
  'channel',
  'referrer_host',
]
