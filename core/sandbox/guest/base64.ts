/** Base64 of bytes (RFC 4648): what crosses the bridge, and what `atob` and `btoa` (text.ts) are made of. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const VALUES = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0))
const CHUNK_BYTES = 3 * 2_730

/** With padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) text += chunk(bytes.subarray(from, from + CHUNK_BYTES))
  return text
}

function chunk(bytes: Uint8Array): string {
  const codes: number[] = []
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    const left = bytes.length - at
    codes.push(
      ALPHABET.charCodeAt(bits >> 18),
      ALPHABET.charCodeAt((bits >> 12) & 63),
      left > 1 ? ALPHABET.charCodeAt((bits >> 6) & 63) : 61,
      left > 2 ? ALPHABET.charCodeAt(bits & 63) : 61,
    )
  }
  return String.fromCharCode(...codes)
}

/** With its padding or without any; undefined for what is not base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  const plain = text.length % 4 === 0 ? text.replace(/={1,2}$/, '') : text
  if (plain.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(plain)) return undefined
  const bytes = new Uint8Array(Math.floor((plain.length * 3) / 4))
  let bits = 0
  let count = 0
  let to = 0
  for (let at = 0; at < plain.length; at++) {
    bits = ((bits << 6) | VALUES.indexOf(plain.charCodeAt(at))) & 0xffffff
    count += 6
    if (count < 8) continue
    count -= 8
    bytes[to++] = (bits >> count) & 0xff
  }
  return bytes
}

/** The alphabet of URLs and JWKs as well. */
export const fromBase64Url = (text: string): Uint8Array | undefined =>
  fromBase64(
    text
      .replaceAll('-', '+')
      .replaceAll('_', '/')
      .replace(/={1,2}$/, ''),
  )
