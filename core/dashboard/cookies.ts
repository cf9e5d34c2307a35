/** Cookies of the dashboard: the session, the theme, and what the next page is to say. None is readable by a script. */
import { THEMES } from './visit.ts'
import type { Theme } from './visit.ts'

const SESSION = 'manifold_session'
const THEME = 'manifold_theme'
const FLASH = 'manifold_flash'
const THEME_SECONDS = 365 * 86_400
const FLASH_SECONDS = 30
const FLASH_CHARS_MAX = 500

export interface Cookies {
  readonly session: string | null
  readonly theme: Theme
  readonly flash: string | null
}

/** What the browser sent. */
export function readCookies(header: string | undefined): Cookies {
  const all = new Map(
    (header ?? '').split(';').map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
  const theme = THEMES.find((each) => each === all.get(THEME)) ?? 'auto'
  return { session: all.get(SESSION) || null, theme, flash: decoded(all.get(FLASH)) }
}

function decoded(text: string | undefined): string | null {
  if (text === undefined || text === '') return null
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** `isSecure`: the browser came by https, so the cookie must not leave by less. */
export const sessionCookie = (token: string, expiresAt: string, isSecure: boolean): string =>
  cookie(SESSION, token, { expires: new Date(expiresAt).toUTCString(), isSecure })

export const noSession = (isSecure: boolean): string => cookie(SESSION, '', { maxAge: 0, isSecure })

export const themeCookie = (theme: Theme, isSecure: boolean): string =>
  cookie(THEME, theme, { maxAge: THEME_SECONDS, isSecure })

export const flashCookie = (text: string, isSecure: boolean): string =>
  cookie(FLASH, encodeURIComponent(text.slice(0, FLASH_CHARS_MAX)), { maxAge: FLASH_SECONDS, isSecure })

export const noFlash = (isSecure: boolean): string => cookie(FLASH, '', { maxAge: 0, isSecure })

/** Links that others send open with the session there is; what changes something asks where it comes from (`isOwnPage`). */
function cookie(
  name: string,
  value: string,
  how: { readonly maxAge?: number; readonly expires?: string; readonly isSecure: boolean },
): string {
  const end = how.maxAge === undefined ? `Expires=${how.expires}` : `Max-Age=${how.maxAge}`
  return `${name}=${value}; Path=/; ${end}; HttpOnly; SameSite=Lax${how.isSecure ? '; Secure' : ''}`
}
