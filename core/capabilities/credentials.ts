/** Tells by their names which headers and query parameters carry credentials, for what is shown and written down. */
import { MASKED } from '../model.ts'

const HEADER_NAME = /^(?:proxy-)?authorization$|^(?:set-)?cookie$|key|token|secret|password|passwd|credential/i
/** Sent with every delivery, and what one looks for when asking a receiver about it. */
const HARMLESS_HEADERS: ReadonlySet<string> = new Set(['idempotency-key'])
const QUERY_NAME = /key|token|secret|password|passwd|credential|authorization|(?:^|[^a-z])sig(?:nature)?(?:$|[^a-z])/i
const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#@\s]+@/i
const QUERY_PAIR = /([?&;])([^=&;#?]+)=([^&;#]+)/g

/** Signatures, ids and content types are not: they say nothing that helps a stranger. */
export function isCredentialHeader(name: string): boolean {
  const known = judged.get(name)
  if (known !== undefined) return known
  const is = HEADER_NAME.test(name) && !HARMLESS_HEADERS.has(name.toLowerCase())
  if (judged.size < JUDGED_MAX) judged.set(name, is)
  return is
}

/** The same few names come with every attempt. */
const judged = new Map<string, boolean>()
const JUDGED_MAX = 1_000

/** The URL without user, password and the values of parameters that are credentials by their name; the rest stays as it is. */
export function withoutCredentials(url: string, masked: string = MASKED): string {
  if (!url.includes('@') && !url.includes('=')) return url
  return url
    .replace(USER_INFO, `$1${masked}@`)
    .replace(QUERY_PAIR, (pair, mark: string, name: string) =>
      QUERY_NAME.test(decoded(name)) ? `${mark}${name}=${masked}` : pair,
    )
}

/** A header's value as it may be shown: of `Bearer …` only the scheme. */
export function maskedHeader(name: string, value: string, masked: string = MASKED): string {
  if (!isCredentialHeader(name)) return value
  const scheme = /^(?:Bearer|Basic|Digest|Token) /i.exec(value)?.[0] ?? ''
  return `${scheme}${masked}`
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
