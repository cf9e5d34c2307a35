/** The hub behind a connection: its address, what it answers, and the ids of its routes. */
import type { Bundle, HttpRequestOptions, ZObject } from 'zapier-platform-core'

/** Hubs older than this lack calls that the app makes. */
export const HUB_VERSION_MIN = '0.1.0'

/** The scopes that every trigger and action of the app together need, but for the two for operators. */
export const SCOPES = ['hooks:write', 'forms:read', 'responses:read', 'responses:write'] as const

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** The address without a slash at its end. Throws what the user can mend, so that no key is sent in the clear. */
export function hubUrl(z: ZObject, { authData }: Pick<Bundle, 'authData'>): string {
  const text = String(authData['base_url'] ?? '').trim()
  const url = URL.parse(text)
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
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

/** One call; what the hub refuses has become an error by `middleware.ts`. */
export async function callHub<T>(
  z: ZObject,
  bundle: Pick<Bundle, 'authData'>,
  { path, ...options }: { readonly path: string } & Omit<HttpRequestOptions, 'url'>,
): Promise<T> {
  const response = await z.request({ url: `${hubUrl(z, bundle)}/api/v2${path}`, ...options })
  return response.data as T
}

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
  callHub(z, bundle, { path: `/forms/${encodeURIComponent(id)}` })

const PAGE_FORMS = 200
const PAGES_MAX = 5

/** Newest first; of a thousand at most. */
export async function allForms(z: ZObject, bundle: Bundle): Promise<readonly HubForm[]> {
  const forms: HubForm[] = []
  let cursor: string | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const params: Record<string, string | number> = { limit: PAGE_FORMS, ...(cursor === null ? {} : { cursor }) }
    const list: { items: HubForm[]; next_cursor: string | null } = await callHub(z, bundle, { path: '/forms', params })
    forms.push(...list.items)
    cursor = list.next_cursor
    if (cursor === null) break
  }
  return forms.toSorted((a, b) => b.created_at.localeCompare(a.created_at))
}
