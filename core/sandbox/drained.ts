/** What comes out of an isolate after a slice: its header, its reports, and how long they are waited for. */
import { setTimeout as after } from 'node:timers/promises'
import type { BreachKind, DrainHeader } from './protocol.ts'

export const HEADER_CHARS_MAX = 65_536
/** What a slice that was ended has said is waited for so long: its microtasks go on meanwhile. */
const LAST_WORDS_MS = 100

/** A limit that the isolate broke. */
export class Breach extends Error {
  readonly kind: BreachKind
  /** Where the guest's code stood. */
  readonly trace: string

  constructor(kind: BreachKind, trace = '') {
    super(kind)
    this.kind = kind
    this.trace = trace
  }
}

/** What the guest hands out after a slice. */
export interface Drained {
  readonly header: DrainHeader
  readonly reports: string
}

/**
 * The slice was ended, the realm was not: what was asked for after the slice is still answered. Code that goes on there gets
 * no second slice that way: what comes late is not waited for, and the isolate goes.
 */
export async function lastWords(draining: Promise<Drained> | null): Promise<string> {
  if (draining === null) return ''
  const late = new AbortController()
  const said = draining.then(
    ({ reports }) => reports,
    () => '',
  )
  const { signal } = late
  const silence = after(LAST_WORDS_MS, '', { signal }).catch(() => '')
  return await Promise.race([said, silence]).finally(() => late.abort())
}

/** Throws `Breach` for one that no honest bridge writes. */
export function readHeader(text: string): DrainHeader {
  try {
    const header = JSON.parse(text) as DrainHeader
    const isWake = (pair: unknown): boolean =>
      Array.isArray(pair) && Number.isSafeInteger(pair[0]) && Number.isFinite(pair[1])
    if (
      typeof header === 'object' &&
      header !== null &&
      (header.w === undefined || (Array.isArray(header.w) && header.w.every(isWake)))
    )
      return header
  } catch {
    // Falls through: only a guest that tampered with its bridge gets here.
  }
  throw new Breach('oversize')
}
