/** E-mail addresses as the hub writes them: one bare address, its domain in ASCII and lower case. Pure. */
import { domainToASCII } from 'node:url'

/** RFC 5321 section 4.1.2, dot-string: nothing that needs quotes, and nothing that SMTP or a header reads as more. */
const LOCAL_PART = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const LOCAL_CHARS_MAX = 64
const ADDRESS_CHARS_MAX = 254

/** The address, or null for what is none: a name beside it, two of them, line ends, quotes, letters SMTP cannot carry. */
export function mailAddress(text: string): string | null {
  const at = text.lastIndexOf('@')
  // The rules for URLs, which turn a domain into ASCII, would drop or decode these without a word.
  if (/[\p{Cc}\p{Cf}\p{Z}%/\\?#:[\]]/u.test(text.slice(at + 1))) return null
  const local = text.slice(0, Math.max(0, at))
  const domain = domainToASCII(text.slice(at + 1))
  if (local.length > LOCAL_CHARS_MAX || !LOCAL_PART.test(local) || !DOMAIN.test(domain)) return null
  const address = `${local}@${domain}`
  return address.length <= ADDRESS_CHARS_MAX ? address : null
}

/** `a***@example.com`: for logs, where it is enough to tell one from another. */
export const maskedAddress = (address: string): string => address.replace(/^(.)[^@]*@/, '$1***@')
