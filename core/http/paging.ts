/** Lists on the wire: `{items, next_cursor}`, opaque cursors, and the query names all lists share. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { isDate, utcTime } from '../ingest/times.ts'
import { LIMITS } from '../limits.ts'
import type { Page, PageQuery } from '../storage/store.ts'

/** Query parameters of every list. */
export const pageQuery = {
  limit: z.coerce
    .number({ error: 'must be a number' })
    .int()
    .min(1)
    .max(LIMITS.pageItemsMax)
    .default(LIMITS.pageItemsDefault)
    .openapi({ description: `At most ${LIMITS.pageItemsMax}.` }),
  cursor: z.string().min(1).max(1_024).optional().openapi({ description: 'The `next_cursor` of the page before.' }),
}

/** A point in time as a query parameter or body member: RFC 3339, or a date, which means its first instant in UTC. */
export const instant = z
  .string()
  .transform((text, context) => {
    // A "+" in a query string arrives as a space.
    const time = isDate(text) ? `${text}T00:00:00.000Z` : utcTime(text.replace(' ', '+'))
    if (time !== null) return time
    context.addIssue({
      code: 'custom',
      message: 'use a time such as 2026-05-31T09:30:00Z, or a date such as 2026-05-31',
    })
    return z.NEVER
  })
  .openapi({ type: 'string', format: 'date-time', example: '2026-05-31T09:30:00Z' })

/** `since` inclusive, `until` exclusive. */
export const timeQuery = { since: instant.optional(), until: instant.optional() }

/** What the store is asked for. */
export const toPageQuery = (query: { limit: number; cursor?: string | undefined }): PageQuery => ({
  limit: query.limit,
  after: query.cursor === undefined ? undefined : openCursor(query.cursor),
})

/** A page of the store on the wire. */
export const toWirePage = <Item>(
  page: Page<Item>,
  toWire: (item: Item) => unknown,
): { items: unknown[]; next_cursor: string | null } => ({
  items: page.items.map(toWire),
  next_cursor: page.next === null ? null : sealCursor(page.next),
})

/** The schema of a page, for the API description. */
export const pageOf = (item: z.ZodType) => z.object({ items: z.array(item), next_cursor: z.string().nullable() })

/** Cursors are text nobody should read meaning into. */
export const sealCursor = (position: string): string => Buffer.from(position).toString('base64url')

/** The position inside a cursor; `invalid_query` for text that is none. */
export function openCursor(cursor: string): string {
  const position = Buffer.from(cursor, 'base64url').toString('utf8')
  if (position !== '' && sealCursor(position) === cursor) return position
  throw new HubError('invalid_query', 'The cursor is not one of this list.', {
    problems: [{ pointer: '/cursor', detail: 'use next_cursor of the page before, unchanged' }],
  })
}
