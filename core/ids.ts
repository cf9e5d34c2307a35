/** Ids: a type prefix and a UUIDv7 (RFC 9562 section 5.7) in its canonical text, so that they sort by creation time. */
import { randomFillSync } from 'node:crypto'

/** What each prefix names. */
export const ID_PREFIXES = {
  form: 'frm',
  response: 'rsp',
  event: 'evt',
  delivery: 'dlv',
  key: 'key',
  run: 'run',
  request: 'req',
} as const

export type IdKind = keyof typeof ID_PREFIXES

const pool = Buffer.alloc(4096)
let poolOffset = pool.length
let lastMs = 0
let sequence = 0

/** `rsp_01920000-…` (40 characters). Sorted even within a millisecond and when the wall clock steps back. */
export function newId(kind: IdKind, nowMs: number = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    sequence = 0
  } else if (++sequence > 0xfff) {
    lastMs += 1
    sequence = 0
  }
  if (poolOffset + 8 > pool.length) {
    randomFillSync(pool)
    poolOffset = 0
  }
  const random = pool.toString('hex', poolOffset, poolOffset + 8)
  poolOffset += 8
  const time = lastMs.toString(16).padStart(12, '0')
  const counter = sequence.toString(16).padStart(3, '0')
  const variant = '89ab'[Number.parseInt(random[0] as string, 16) & 3] as string
  return `${ID_PREFIXES[kind]}_${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}${random.slice(1, 4)}-${random.slice(4)}`
}
