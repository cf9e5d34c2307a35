/** Takes secret values out of text that is shown, logged or handed to a plugin, in whatever spelling they come back. */
import { MASKED } from '../model.ts'

/** Shorter values are no secrets: hiding them would only riddle every text with holes. */
const MASKED_CHARS_MIN = 6

/**
 * Replaces every known spelling of every secret. `isCut`: the text was longer, so that it may end in the first part of one;
 * that goes, too.
 */
export type Mask = (text: string, isCut?: boolean) => string

/** Builds the mask of one installation's secrets. */
export function createMask(secrets: Iterable<string>): Mask {
  const all = new Set<string>()
  for (const secret of secrets) {
    for (const form of formsOf(secret)) if (form.length >= MASKED_CHARS_MIN) all.add(form)
  }
  // Longest first, so that a form that holds another one goes as a whole.
  const forms = [...all].toSorted((a, b) => b.length - a.length)
  const shortest = forms.at(-1)?.length ?? Infinity
  return (text, isCut = false) => {
    let masked = text
    if (text.length >= shortest)
      for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASKED)
    return isCut ? withoutBegun(masked, forms) : masked
  }
}

/** Without the beginning of a form at its end: a receiver that repeats a secret at the edge would tell all but its last letter. */
function withoutBegun(text: string, forms: readonly string[]): string {
  // What is left of a character that was cut.
  const whole = text.replace(/\ufffd+$/, '')
  const last = whole.at(-1)
  let longest = 0
  for (const form of forms)
    for (let length = Math.min(form.length - 1, whole.length); length > longest; length -= 1)
      if (form[length - 1] === last && whole.endsWith(form.slice(0, length))) longest = length
  return longest === 0 ? text : `${whole.slice(0, -longest)}${MASKED}`
}

function* formsOf(secret: string): Generator<string> {
  for (const value of valuesOf(secret)) {
    yield value
    yield* textForms(value)
    const percent = encodeURIComponent(value.toWellFormed())
    const form = new URLSearchParams({ '': value }).toString().slice(1)
    for (const encoded of [percent, percent.replaceAll('%20', '+'), form]) {
      yield encoded
      yield encoded.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())
    }
    const bytes = Buffer.from(value)
    yield bytes.toString('hex')
    yield bytes.toString('hex').toUpperCase()
    for (const text of base64Forms(bytes)) {
      yield text
      yield text.replaceAll('+', '-').replaceAll('/', '_')
      yield encodeURIComponent(text)
    }
  }
}

/** How programs write it that show what they were sent: JSON, HTML, a URL, a header's bytes read as UTF-8 or back. */
function* textForms(value: string): Generator<string> {
  yield value.toLowerCase()
  yield value.toUpperCase()
  const json = JSON.stringify(value).slice(1, -1)
  yield json
  yield json.replaceAll('/', '\\/')
  for (const text of [json, json.replaceAll('/', '\\/')]) {
    const ascii = text.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    yield ascii
    yield ascii.replace(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`)
  }
  for (const quote of ['&#39;', '&#x27;', '&apos;', "'"])
    for (const double of ['&quot;', '&#34;', '"'])
      yield value
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;')
        .replaceAll('>', '&gt;')
        .replaceAll('"', double)
        .replaceAll("'", quote)
  for (const before of ['http://h/', 'http://h/?', 'http://h/#'])
    yield URL.parse(`${before}${value}`)?.href.slice(before.length) ?? ''
  yield Buffer.from(value, 'latin1').toString('utf8')
  yield Buffer.from(value).toString('latin1')
}

/** The secret itself and the parts of it that give as much away: the key of `whsec_…`, the path of a secret URL. */
function* valuesOf(secret: string): Generator<string> {
  yield secret
  const trimmed = secret.trim()
  if (trimmed !== secret) yield trimmed
  if (trimmed.startsWith('whsec_')) yield trimmed.slice('whsec_'.length)
  const url = /^https?:/i.test(trimmed) ? URL.parse(trimmed) : null
  if (url === null) return
  yield url.href
  if (url.pathname.length + url.search.length > MASKED_CHARS_MIN) yield url.pathname + url.search
}

/** Base64 of the bytes at each of the three alignments they can have inside a longer text, without the unstable edges. */
function* base64Forms(bytes: Buffer): Generator<string> {
  yield bytes.toString('base64').replace(/=+$/, '')
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    const first = Math.ceil((before * 8) / 6)
    const last = Math.floor(((before + bytes.length) * 8) / 6)
    yield text.slice(first, last)
  }
}
