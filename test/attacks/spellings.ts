/** Secrets as people have them, and every way in which a receiver may write down one that it was sent. */
import type { Dice } from './dice.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const ALPHABETS: readonly string[] = [
  LETTERS,
  `${LETTERS}+/=`,
  `${LETTERS}-_.~`,
  `${LETTERS}"\\'<>&`,
  `${LETTERS}!*() %@:;,?#`,
  `${LETTERS}äöüßñé`,
]

/** 12 to 40 characters that fit into a header. */
export function secretOf(roll: Dice): string {
  const alphabet = roll.pick(ALPHABETS)
  const text = Array.from({ length: 12 + roll.below(29) }, () => alphabet.charAt(roll.below(alphabet.length))).join('')
  // Blanks at the ends are no part of a header's value.
  return `${roll.pick(['', 'whsec_', 'sk_live_', 'xoxb-'])}q${text}z`
}

const html = (text: string, quote: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", quote)
const ascii = (text: string): string =>
  text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** How it comes back. Some are bytes that are no UTF-8, as a receiver that repeats a header makes them. */
export const SPELLINGS: Readonly<Record<string, (secret: string) => string | Buffer>> = {
  plain: (secret) => secret,
  'bytes of the header': (secret) => Buffer.from(secret, 'latin1'),
  'header read as UTF-8 twice': (secret) => Buffer.from(secret).toString('latin1'),
  json: (secret) => JSON.stringify(secret),
  'json in ascii': (secret) => ascii(JSON.stringify(secret)),
  'json with escaped slashes': (secret) => JSON.stringify(secret).replaceAll('/', '\\/'),
  'html of one kind': (secret) => html(secret, '&#39;'),
  'html of another': (secret) => html(secret, '&#x27;'),
  'percent-encoded': (secret) => encodeURIComponent(secret),
  'percent-encoded in lower case': (secret) => encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
  'a form': (secret) => new URLSearchParams({ a: secret }).toString().slice(2),
  'a path': (secret) => new URL(`http://h/${secret}`).href.slice('http://h/'.length),
  'a query': (secret) => new URL(`http://h/?${secret}`).href.slice('http://h/?'.length),
  hex: (secret) => Buffer.from(secret).toString('hex'),
  HEX: (secret) => Buffer.from(secret).toString('hex').toUpperCase(),
  base64: (secret) => Buffer.from(secret).toString('base64'),
  base64url: (secret) => Buffer.from(secret).toString('base64url'),
  'credentials of basic': (secret) => Buffer.from(`user:${secret}`).toString('base64'),
  'credentials of basic, shifted': (secret) => Buffer.from(`me:${secret}`).toString('base64'),
  'in lower case': (secret) => secret.toLowerCase(),
  'in upper case': (secret) => secret.toUpperCase(),
}

/** The longest part of `form` that `text` shows. */
export function shownOf(form: string, text: string): number {
  for (let length = form.length; length > 0; length--)
    for (let from = 0; from + length <= form.length; from++)
      if (text.includes(form.slice(from, from + length))) return length
  return 0
}
