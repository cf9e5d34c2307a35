/** Makes a value fit for a log line: secret-looking fields masked, errors flattened, depth and size bounded. */

const MASK = '[secret]'
const DEPTH_MAX = 6
const ITEMS_MAX = 100
const STRING_CHARS_MAX = 4_096

const SECRET_NAME =
  /^(?:(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|key|keys|pem|.*(?:secret|token|passw(?:or)?d|passphrase|credential|api_?key|admin_?key|private_?key|signing_?key).*)$/i
/** Names that only sound secret: counts, ids and references say nothing worth hiding. */
const HARMLESS_NAME = /^\$secret$|(?:_?id|_?ids|_?count|_?prefix|_?name|_?hash)$/i
/** Secrets that stand inside other text: `Bearer …`, `whsec_…`, prefixed keys, and the password of a URL. */
const SECRET_TEXT =
  /\b(Bearer|Basic)\s+[\w.~+/=-]{8,}|\b(whsec_|[a-z]{2,6}_(?=[A-Za-z]*\d)(?=\d*[A-Za-z]))[A-Za-z0-9+/=]{24,}|(:\/\/[^\s/:@]*):[^\s/@]+@/g
/** What moves a terminal's cursor or breaks a line although JSON lets it stand. */
// oxlint-disable-next-line no-control-regex -- these are the characters that must not reach a terminal
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Masks secrets that stand inside a text and escapes what would disturb a terminal. */
export function scrubText(text: string): string {
  const cut = text.length > STRING_CHARS_MAX ? `${text.slice(0, STRING_CHARS_MAX)}… (${text.length} characters)` : text
  return cut
    .replace(SECRET_TEXT, (_all, ...groups: (string | undefined)[]) => {
      const [scheme, prefix, userInfo] = groups
      if (scheme !== undefined) return `${scheme} ${MASK}`
      if (prefix !== undefined) return `${prefix}${MASK}`
      return `${userInfo ?? ''}:${MASK}@`
    })
    .replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** True when a field of this name must not show its value. */
export const isSecretName = (name: string): boolean => SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)

/** A copy of `fields` that may be logged. */
export function scrubFields(fields: object): Record<string, unknown> {
  return fields instanceof Error ? { err: scrubError(fields, 0) } : scrubObject(fields, 0)
}

function scrubValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth >= DEPTH_MAX) return '[too deep]'
  if (value instanceof Error) return scrubError(value, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => scrubValue(item, depth + 1))
    return value.length > ITEMS_MAX ? [...items, `… ${value.length - ITEMS_MAX} more`] : items
  }
  return scrubObject(value, depth)
}

function scrubObject(value: object, depth: number): Record<string, unknown> {
  // A type that knows how to show itself (a Secret does) decides what is shown.
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    const shown: unknown = value.toJSON()
    return typeof shown === 'object' && shown !== null && shown !== value
      ? scrubObject(shown, depth + 1)
      : { value: scrubValue(shown === value ? '[object]' : shown, depth + 1) }
  }
  // fromEntries, so that a field called `__proto__` stays a field.
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, ITEMS_MAX)
      .map(([name, item]) => [name, isSecretName(name) && item != null ? MASK : scrubMember(item, depth)]),
  )
}

/** Like `scrubValue`, but a self-showing member that shows itself as text stays a text. */
function scrubMember(item: unknown, depth: number): unknown {
  if (typeof item !== 'object' || item === null || item instanceof Date || !('toJSON' in item)) {
    return scrubValue(item, depth + 1)
  }
  if (typeof item.toJSON !== 'function') return scrubValue(item, depth + 1)
  const shown: unknown = item.toJSON()
  return shown === item ? '[object]' : scrubValue(shown, depth + 1)
}

function scrubError(error: Error, depth: number): Record<string, unknown> {
  const coordinates =
    'at' in error && typeof error.at === 'object' && error.at !== null ? scrubObject(error.at, depth) : {}
  const code =
    'code' in error && (typeof error.code === 'string' || typeof error.code === 'number') ? { code: error.code } : {}
  const cause = error.cause === undefined ? {} : { cause: scrubValue(error.cause, depth + 1) }
  return {
    type: error.name,
    message: scrubText(error.message),
    ...code,
    ...coordinates,
    stack: error.stack === undefined ? undefined : scrubText(error.stack),
    ...cause,
  }
}
