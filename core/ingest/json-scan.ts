/**
 * Reads JSON that strangers sent: one linear pass over the bytes counts depth, keys, items and string lengths before
 * `JSON.parse` may spend anything. Duplicate keys: the last one wins, as in `JSON.parse`. Names such as `__proto__`
 * come out as ordinary own properties; whoever copies them must copy into `Object.create(null)`.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'

/** The limits the scan applies. */
export type ScanLimits = Pick<Limits, 'jsonDepthMax' | 'jsonKeysMax' | 'stringCharsMax'>

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** Parses bytes of JSON text (UTF-8, RFC 8259) under limits. Throws HubErrors that name the place. */
export function parseJson(bytes: Buffer, limits: ScanLimits): Json {
  if (!isUtf8(bytes)) throw new HubError('invalid_json', 'The body is not valid UTF-8. JSON must be sent as UTF-8.')
  scanJson(bytes, limits)
  const text = bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8')
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw new HubError('invalid_json', syntaxMessage(text, error), { cause: error })
  }
}

/** Throws when the text would exceed a limit. Says nothing about whether it is JSON: `JSON.parse` does. */
export function scanJson(bytes: Buffer, limits: ScanLimits): void {
  const { jsonDepthMax, jsonKeysMax, stringCharsMax } = limits
  const end = bytes.length
  let depth = 0
  let commas = 0
  let colons = 0
  let opened = 0
  for (let i = 0; i < end; i++) {
    const byte = bytes[i] as number
    if (byte === QUOTE) {
      const close = endOfString(bytes, i + 1)
      if (close - i - 1 > stringCharsMax) refuseLongString({ bytes, from: i + 1, to: close, max: stringCharsMax })
      i = close
    } else if (byte === COMMA) {
      commas++
    } else if (byte === COLON) {
      colons++
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      opened++
      if (++depth > jsonDepthMax) {
        throw new HubError('too_deep', `The body is nested deeper than ${jsonDepthMax} levels (at byte ${i}).`)
      }
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
    }
  }
  // Every key has a colon; every value but the first of a container has a comma. So this is keys or values, whichever is more.
  if (Math.max(colons, commas + opened) > jsonKeysMax) {
    throw new HubError('too_many_keys', `The body has more than ${jsonKeysMax} keys and items.`)
  }
}

/** Where the elements of a top-level array lie, so that each can be read on its own. Throws when it is no array. */
export function splitArray(bytes: Buffer, options: { depthMax: number; rowsMax: number }): Buffer[] {
  const open = skipSpace(bytes, 0)
  if (bytes[open] !== OPEN_BRACKET) throw new HubError('invalid_json', 'The body must be a JSON array of responses.')
  const rows: Buffer[] = []
  let depth = 1
  let start = open + 1
  let i = open + 1
  for (; i < bytes.length && depth > 0; i++) {
    const byte = bytes[i] as number
    if (byte === QUOTE) {
      i = endOfString(bytes, i + 1)
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > options.depthMax + 1)
        throw new HubError('too_deep', `Row ${rows.length + 1} is nested deeper than ${options.depthMax} levels.`)
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
    } else if (byte === COMMA && depth === 1) {
      rows.push(bytes.subarray(start, i))
      start = i + 1
      if (rows.length > options.rowsMax) break
    }
  }
  if (rows.length > options.rowsMax) throw tooManyRows(options.rowsMax)
  if (depth !== 0 || skipSpace(bytes, i) < bytes.length)
    throw new HubError('invalid_json', 'The JSON array does not end where the body ends.')
  const last = bytes.subarray(start, i - 1)
  if (rows.length > 0 || skipSpace(last, 0) < last.length) rows.push(last)
  if (rows.length > options.rowsMax) throw tooManyRows(options.rowsMax)
  return rows
}

/** The error for a batch of more rows than one request may carry. */
export const tooManyRows = (rowsMax: number): HubError =>
  new HubError('body_too_large', `A batch may have at most ${rowsMax} rows; send the rest in another request.`)

/** Index of the closing quote, or the end of the text when there is none. */
function endOfString(bytes: Buffer, from: number): number {
  const end = bytes.length
  for (let i = from; i < end; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) return i
    if (byte === BACKSLASH) i++
  }
  return end
}

function skipSpace(bytes: Buffer, from: number): number {
  let i = from
  while (i < bytes.length && (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09)) i++
  return i
}

/** Bytes are an upper bound of characters, so only a string that looks too long is counted exactly (UTF-16 units). */
function refuseLongString(string: { bytes: Buffer; from: number; to: number; max: number }): void {
  let chars = 0
  for (let i = string.from; i < string.to; i++) {
    const byte = string.bytes[i] as number
    if ((byte & 0xc0) === 0x80) continue
    chars += byte >= 0xf0 ? 2 : 1
    if (byte === BACKSLASH) i += string.bytes[i + 1] === 0x75 ? 5 : 1
  }
  if (chars > string.max) {
    throw new HubError(
      'string_too_long',
      `A string at byte ${string.from - 1} has ${chars} characters; the limit is ${string.max}.`,
    )
  }
}

/** Says where the text stops being JSON without repeating what was sent. */
function syntaxMessage(text: string, error: unknown): string {
  if (text.trim() === '') return 'The body is empty; send a JSON object.'
  const position = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1]
  if (position === undefined) return 'The body ends before the JSON does, or is not JSON.'
  const before = text.slice(0, Number(position))
  const line = before.split('\n').length
  return `The body is not valid JSON: line ${line}, column ${before.length - before.lastIndexOf('\n')}.`
}
