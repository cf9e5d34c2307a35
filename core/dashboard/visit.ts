/** One request of a person: who they are, what they asked, and how a screen answers. */
import type { Html } from '../html.ts'
import type { Api } from './api.ts'
import type { Query } from './api.ts'

/** Whoever looks, as `/api/v2/me` says it. */
export interface Me {
  readonly workspace: string
  readonly key: { readonly id: string; readonly name: string; readonly scopes: readonly string[] }
  readonly version: string
}

/** A key and where it counts, as pages name it. */
export const whose = ({ me }: Pick<Visit, 'me'>): string => `${me.workspace}/${me.key.id}`

/** The field of forms, and the parameter of streams, in which a page names whose it is. */
export const WHOSE = '_whose'

export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

export interface Visit {
  readonly api: Api
  readonly me: Me
  /** Path and query, as asked. */
  readonly url: URL
  readonly theme: Theme
  /** Of this page's style and scripts. */
  readonly nonce: string
  readonly requestId: string
  /** What the page before wants to be said. */
  readonly flash: string | null
  /** Fields of a POST. */
  readonly form: URLSearchParams
  /** A request header. */
  header(name: string): string | undefined
  /** Part of the path. */
  param(name: string): string
  /** Query parameter; undefined where it is missing or empty. */
  query(name: string): string | undefined
  /** True where whoever looks may do what needs this scope. */
  may(scope: string): boolean
}

/** A stream of events: from where the page that names it ends, so that what happens before it is open is in it. */
export interface LiveSource {
  readonly from: string
}

/** What a screen shows; the layout is put around it. */
export interface View {
  readonly title: string
  /** Beside the title. */
  readonly actions?: Html | null
  /** Above the title: where this is. */
  readonly trail?: readonly { readonly label: string; readonly href: string }[]
  readonly body: Html
  readonly status?: number
  /** How often a script looks anew; absent: the page does not change by itself. */
  readonly refreshMs?: number
  /** Where a script hears that something happened: rows of the page's table, or a reason to look anew at once. */
  readonly live?: LiveSource
  /** Without a script, too. */
  readonly reloads?: boolean
  /** Where a script may put the page that one goes to in its place. */
  readonly isList?: boolean
  /** Of a page without a session: as wide as any other. */
  readonly isWide?: boolean
}

/** What a screen answers with instead of a page. */
export type Answer =
  | { readonly view: View }
  | { readonly redirect: string; readonly flash?: string }
  | { readonly response: Response }

/** A row of the router's table. */
export interface Screen {
  readonly method: 'GET' | 'POST'
  /** With `{name}` placeholders. */
  readonly path: string
  /** Which entry of the navigation is lit. */
  readonly nav: string
  /** Refused to keys without it, before anything is typed: where the API would refuse only what comes of the page. */
  readonly scope?: string
  readonly answer: (visit: Visit) => Promise<Answer>
}

/** A link to this page with some parameters changed; a place among its pages belongs to what was asked, so it goes unless it is given. */
export function here(visit: Visit, changes: Query): string {
  const params = new URLSearchParams(visit.url.search)
  for (const name of ['cursor', 'back', 'format', ...Object.keys(changes)]) params.delete(name)
  for (const [name, value] of Object.entries(changes))
    if (value != null && value !== '') params.set(name, String(value))
  return params.size === 0 ? visit.url.pathname : `${visit.url.pathname}?${params.toString()}`
}
