/**
 * Who sees what. `analytics:read` is for numbers about many: an answer divides, filters and names rows by what a form offers to
 * choose from, by what the hub itself says of them, and by time. What one person wrote, which one it was and what single rows
 * say needs `responses:read`, too. What is not known to be open is not.
 * The table of it is in README.md, "Who sees what".
 */
import type { RouteRequest } from 'manifold/plugin'
import type { Column } from './engine/columns.ts'

const SINGLE_SCOPE = 'responses:read'

/** In errors, behind what it is about. */
export const NEEDS_SINGLE = `shows what single people wrote or did: that needs a key with the scope "${SINGLE_SCOPE}", too`

export const NO_LINK = 'is private (pii), which no link shows: ask without it'

export interface Access {
  /** Single answers and people, too. */
  readonly isWide: boolean
  /** Whoever has a link: nobody knows who that is. */
  readonly isLink: boolean
  /** Whether anything at all may be asked of the column. */
  shows(column: Column): boolean
  /** Whether the rows may be divided and named by what stands in the column. */
  sees(column: Column): boolean
}

/** `isLink`: for everybody who has a link. */
export type Asking = Pick<RouteRequest, 'scopes'> & { readonly isLink?: boolean }

/** Of whoever asks; `openFields` are those of behaviour events that the admin opened. */
export function accessOf({ scopes, isLink = false }: Asking, openFields: readonly string[]): Access {
  const isWide = scopes.includes(SINGLE_SCOPE)
  const shows = ({ isPii = false }: Column): boolean => !(isLink && isPii)
  return { isWide, isLink, shows, sees: ({ isOpen, path }) => isWide || isOpen || openFields.includes(path) }
}

const RANGED: ReadonlySet<Column['kind']> = new Set(['number', 'time', 'boolean'])

/** Whether rows may be picked by it: ranges of numbers and times tell nobody's words. */
export const filters = (column: Column, access: Pick<Access, 'sees'>): boolean =>
  RANGED.has(column.kind) || access.sees(column)
