/** Takes secret values out of text that is shown, logged or handed to a plugin, in whatever spelling they come back. */

/** What stands where a secret was. */
export const MASKED = '[secret]'

/** Shorter values are no secrets: hiding them would only riddle every text with holes. */
const MASKED_CHARS_MIN = 6

/** Replaces every known spelling of every secret. */
export type Mask = (text: string) => string

/** Builds the mask of one installation's secrets. */
export function createMask(secrets: Iterable<string>): Mask {
  const all = new Set<string>()
  for (const secret of secrets) {
    for (const form of formsOf(secret)) if (form.length >= MASKED_CHARS_MIN) all.add(form)
  }
  // Longest first, so that a form that holds another one goes as a whole.
  const forms = [...all].toSorted((a, b) => b.length - a.length)
  const shortest = forms.at(-1)?.length ?? Infinity
  return (text) => {
    if (text.length < shortest) return text
    let masked = text
    for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASKED)
    return masked
  }
}

function* formsOf(secret: string): Generator<string> {
  for (const value of valuesOf(secret)) {
    yield value
    yield JSON.stringify(value).slice(1, -1)
    const percent = encodeURIComponent(value.toWellFormed())
    yield percent
    yield percent.replaceAll('%20', '+')
    yield percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())
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
