/** Which events a question means: by name, by page, by type, by a filter, or by several of these at once. */
import { z } from 'zod'
import { below } from '../query/refusal.ts'
import { filterSql } from '../query/filter.ts'
import type { FilterContext } from '../query/filter.ts'

const text = z.string().min(1).max(500)
const parts = z
  .strictObject({
    /** What the answer calls it. */
    label: z.string().min(1).max(200).optional(),
    event: text.optional(),
    type: text.optional(),
    /** The path of a page; with `*` at its end, all that begin so. */
    page: text.optional(),
    filter: z.record(z.string(), z.unknown()).optional(),
  })
  .refine(({ event, type, page, filter }) => [event, type, page, filter].some((part) => part !== undefined), {
    error: 'say which events are meant: by "event", "type", "page" or "filter"',
  })

/** In short: `"signup"` is the name of an event, `"/pricing"` and `"/blog/*"` are pages. */
export const matcher = z.union([
  text.transform((short) => (short.startsWith('/') ? { page: short } : { event: short })),
  parts,
])
export type Matcher = z.output<typeof parts>

export const labelOf = ({ label, event, page, type }: Matcher, otherwise: string): string =>
  label ?? event ?? page ?? type ?? otherwise

/** The condition of SQL; what is wrong with its filter is added to the mistakes. */
export function matcherSql({ event, type, page, filter }: Matcher, context: FilterContext, pointer: string): string {
  const { values } = context
  const all: string[] = []
  if (event !== undefined) all.push(`name = ${values.add(event)}`)
  if (type !== undefined) all.push(`type = ${values.add(type)}`)
  if (page !== undefined) {
    const begins = page.endsWith('*')
    all.push(begins ? `starts_with(path, ${values.add(page.slice(0, -1))})` : `path = ${values.add(page)}`)
  }
  if (filter !== undefined) all.push(filterSql(filter, context, below(pointer, 'filter')))
  // A page is unknown of many events: what is not known does not match.
  return `coalesce(${all.join(' AND ')}, false)`
}
