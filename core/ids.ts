/** Ids: a type prefix and a UUIDv7 (RFC 9562 section 5.7) in its canonical text, so that they sort by creation time. */
import { createHash, randomFillSync } from 'node:crypto'

/** What each prefix names. */
export const ID_PREFIXES = {
  form: 'frm',
  response: 'rsp',
  event: 'evt',
  delivery: 'dlv',
  key: 'key',
  session: 'ses',
  hook: 'hok',
  note: 'nte',
  run: 'run',
  request: 'req',
  process: 'prc',
} as const

export type IdKind = keyof typeof ID_PREFIXES

/** Random bits as text, made for many ids at once. */
const pool = Buffer.alloc(4096)
const ID_HEX_CHARS = 16
let poolText = ''
let poolOffset = 0
let lastMs = 0
let lastTime = '00000000-0000-7'
let sequence = 0

/** `rsp_01920000-…` (40 characters). Sorted even within a millisecond and when the wall clock steps back. */
export function newId(kind: IdKind, nowMs: number = Date.now()): string {
  if (nowMs > lastMs) startMs(nowMs)
  else if (++sequence > 0xfff) startMs(lastMs + 1)
  if (poolOffset === poolText.length) {
    poolText = randomFillSync(pool).toString('hex')
    poolOffset = 0
  }
  const at = poolOffset
  poolOffset += ID_HEX_CHARS
  const counter = (sequence + 0x1000).toString(16).slice(1)
  const variant = VARIANTS[Number.parseInt(poolText[at] as string, 16) & 3] as string
  return `${ID_PREFIXES[kind]}_${lastTime}${counter}-${variant}${poolText.slice(at + 1, at + 4)}-${poolText.slice(at + 4, at + ID_HEX_CHARS)}`
}

/** The one id of what has this name at this time (Unix ms), whoever makes it and however often: to write something once. */
export function namedId(kind: IdKind, atMs: number, name: string): string {
  const hash = createHash('sha256').update(name).digest('hex')
  const variant = VARIANTS[Number.parseInt(hash[0] as string, 16) & 3] as string
  return `${ID_PREFIXES[kind]}_${timeText(atMs)}${hash.slice(1, 4)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`
}

/** What every id of this kind made at or after a time is greater than or equal to, and every older one is less than. Unix ms. */
export const idsFrom = (kind: IdKind, atMs: number): string => `${ID_PREFIXES[kind]}_${timeText(atMs)}`

/** The two bits that RFC 9562 fixes, with two random ones. */
const VARIANTS = ['8', '9', 'a', 'b'] as const

function startMs(ms: number): void {
  lastMs = ms
  sequence = 0
  lastTime = timeText(ms)
}

function timeText(ms: number): string {
  const time = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7`
}
