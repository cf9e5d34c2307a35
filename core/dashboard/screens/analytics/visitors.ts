/** What the pages about visitors have in common: which events there are, and the stretch of time that they are about. */
import type { Filter } from '../../parts/filters.ts'
import { isDay, timeOf } from '../../parts/period.ts'
import type { Visit } from '../../visit.ts'
import { API } from './asking.ts'
import type { QueryAnswer } from './wire.ts'

const SUGGESTIONS_MAX = 100

/** Names and pages that visitors have been seen with, the most frequent first. */
export async function suggestionsOf({ api }: Visit): Promise<readonly string[]> {
  const by = (field: string): Promise<readonly string[]> =>
    api
      .send<QueryAnswer>('POST', `${API}/query`, {
        data_set: 'events',
        aggregate: { fn: 'count' },
        group_by: [{ field, as: 'name' }],
        limit: SUGGESTIONS_MAX,
      })
      .then(({ items }) => items.flatMap(({ name }) => (typeof name === 'string' && name !== '' ? [name] : [])))
  const [names, paths] = await Promise.all([by('name'), by('path')])
  return [...new Set([...names, ...paths.filter((path) => path.startsWith('/'))])]
}

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

/** What is in the address, or nothing. */
export const given = (name: string, value: string | undefined): Readonly<Record<string, string>> =>
  value === undefined ? {} : { [name]: value }

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
