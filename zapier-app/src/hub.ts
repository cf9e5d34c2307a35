/** The hub behind a connection: its address, what it answers, and the ids of its routes. */
import type { Bundle, HttpRequestOptions, ZObject } from 'zapier-platform-core'
import { withFiles } from './hydrators.ts'
import { NO_FORM, NO_RESPONSE, noHub, refusalOf } from './refusals.ts'
import type { About } from './refusals.ts'
import { unreachable } from './unreachable.ts'

/** Hubs older than this lack calls that the app makes. */
export const HUB_VERSION_MIN = '0.1.0'

/** The scopes that every trigger and action of the app together need, but for the two for operators. */
export const SCOPES = ['hooks:write', 'forms:read', 'responses:read', 'responses:write'] as const

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** Pages of a hub that nobody puts a hub behind: what is pasted from a browser ends before them. */
const PAGES =
  /\/(docs|dashboard|sign-in|api\/v2|readyz|deliveries|dead-letters|installations|quarantine|openapi\.json)(\/.*)?$/

/**
 * The address without a slash at its end, or a page of the hub. Throws what the user can mend, so that no key is sent in the clear. The editor shows
 * `https://` before the input and hands over what was typed: with a scheme, without one, or with one too many.
 */
export function hubUrl(z: ZObject, { authData }: Pick<Bundle, 'authData'>): string {
  const text = String(authData['base_url'] ?? '').trim()
  const typed = text.replace(/^https?:\/\/(?=[a-z]+:\/\/)/i, '')
  const url = URL.parse(typed.includes('://') ? typed : `https://${typed}`)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new z.errors.Error(
      `"${text}" is not the address of a hub. It looks like https://forms.example.com.`,
      'base_url',
      400,
    )
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname))
    throw new z.errors.Error(
      'The address of the hub has to begin with https://, or its key could be read on the way.',
      'base_url',
      400,
    )
  return `${url.origin}${url.pathname.replace(PAGES, '')}`.replace(/\/+$/, '')
}

/** One call; what the hub refuses, and that there is no hub, become errors in words for the user. */
export async function callHub<T>(
  z: ZObject,
  bundle: Pick<Bundle, 'authData'>,
  { path, about = {}, ...options }: { readonly path: string; readonly about?: About } & Omit<HttpRequestOptions, 'url'>,
): Promise<T> {
  const url = `${hubUrl(z, bundle)}/api/v2${path}`
  const response = await z.request({ url, ...options }).catch((error: unknown) => {
    const { name } = error as Error
    if (name !== 'FetchError' && name !== 'AbortError') throw error
    throw new z.errors.Error(unreachable(url, error as Error), 'hub_unreachable')
  })
  if (response.status < 200 || response.status >= 300) throw refusalOf(z, response, about)
  const answer: unknown = response.status === NO_CONTENT ? {} : response.data
  if (typeof answer !== 'object' || answer === null) throw noHub(z, response)
  return answer as T
}

const NO_CONTENT = 204

export interface HubField {
  readonly key: string
  readonly label: string
  readonly type: string
  readonly required: boolean
  readonly options?: readonly { readonly value: string; readonly label: string }[]
  readonly help?: string
}

export interface HubForm {
  readonly id: string
  readonly name: string
  readonly fields: readonly HubField[]
  readonly created_at: string
}

export const formOf = (z: ZObject, bundle: Bundle, id: string): Promise<HubForm> =>
  callHub(z, bundle, { path: `/forms/${encodeURIComponent(id)}`, about: { missing: NO_FORM } })

/** A response as triggers bring it. */
export type FlatItem = { readonly id: string; readonly form_id: string; readonly url: string }

/** The hub does not know where it is reached from: links are paths. */
export const withLink = (z: ZObject, bundle: Bundle, item: FlatItem): FlatItem => ({
  ...withFiles(z, item),
  url: `${hubUrl(z, bundle)}${item.url}`,
})

export async function flatResponse(z: ZObject, bundle: Bundle, id: string): Promise<FlatItem> {
  const path = `/responses/${encodeURIComponent(id)}`
  return withLink(
    z,
    bundle,
    await callHub<FlatItem>(z, bundle, { path, params: { shape: 'flat' }, about: { missing: NO_RESPONSE } }),
  )
}

const PAGE_FORMS = 200
/** Of a search, which has half a minute for all of its calls. */
const FORMS_SEARCHED_MAX = 10_000

/** Pages of forms, newest first: each tells where the next one begins. */
async function* formPages(z: ZObject, bundle: Bundle): AsyncGenerator<readonly HubForm[]> {
  for (let cursor: string | null | undefined; cursor !== null;) {
    const params = { sort: '-created_at', limit: PAGE_FORMS, ...(cursor === undefined ? {} : { cursor }) }
    const list: { items: HubForm[]; next_cursor: string | null } = await callHub(z, bundle, { path: '/forms', params })
    yield list.items
    cursor = list.next_cursor
  }
}

/** One page, counted from 0; none where there is no such page. */
export async function formsOnPage(z: ZObject, bundle: Bundle, wanted: number): Promise<readonly HubForm[]> {
  let page = 0
  for await (const forms of formPages(z, bundle)) if (page++ === wanted) return forms
  return []
}

/** Newest first, as many as a search looks through. */
export async function allForms(z: ZObject, bundle: Bundle): Promise<readonly HubForm[]> {
  const forms: HubForm[] = []
  for await (const page of formPages(z, bundle)) {
    forms.push(...page)
    if (forms.length >= FORMS_SEARCHED_MAX) break
  }
  return forms
}
