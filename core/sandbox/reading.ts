/**
 * What reading a guest's reports may take of the hub's own time. Everything stands still meanwhile, so a text whose shape
 * makes it dear is refused before it is parsed, and the time is added to the CPU time of whoever sent it: a little
 * is free for each, and nothing else of what is free for a run.
 */
import type { Limits } from '../limits.ts'

/** Shorter ones, as nearly all are, are read within some milliseconds, whatever they are. */
const LONG_CHARS = 262_144
/** A list, an object or an item counts one, a key ten: what they cost to parse. A request body of 1 MiB has half of this. */
const WEIGHT_MAX = 2_000_000
const KEY_WEIGHT = 10
/** Values have much fewer levels; this many are no mistake any more. */
const DEPTH_MAX = 1_000
/** More than any JSON takes: what the machine did otherwise meanwhile is nobody's. */
const US_PER_CHAR_MAX = 0.25

const QUOTE = 34
const COMMA = 44
const COLON = 58
const OPEN_LIST = 91
const BACKSLASH = 92
const CLOSE_LIST = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

/** True for JSON that no honest guest sends, since it takes longer to read than all that a run may send. One look at each character. */
export function isTooDear(text: string): boolean {
  if (text.length <= LONG_CHARS) return false
  let weight = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === QUOTE) at = endOfString(text, at)
    else if (char === COMMA) weight += 1
    else if (char === COLON) weight += KEY_WEIGHT
    else if (char === OPEN_LIST || char === OPEN_OBJECT) {
      weight += 1
      depth += 1
    } else if (char === CLOSE_LIST || char === CLOSE_OBJECT) depth -= 1
    if (weight > WEIGHT_MAX || depth > DEPTH_MAX) return true
  }
  return false
}

/** Where the string that begins at `from` ends. */
function endOfString(text: string, from: number): number {
  for (let at = from; ;) {
    at = text.indexOf('"', at + 1)
    if (at === -1) return text.length
    let before = at - 1
    while (text.charCodeAt(before) === BACKSLASH) before -= 1
    // Half of an even number of them are escaped by the other half.
    if ((at - before) % 2 === 1) return at
  }
}

/** What reading took of the hub's CPU time, in µs. */
export interface Reading {
  readonly us: number
  /** Without what is free for each. */
  readonly chargedUs: number
}

/** Begins to read a text of this length; what it answers is asked once, at the end. */
export function beginReading(chars: number, { pluginReadFreeMs }: Limits): () => Reading {
  const usMax = chars * US_PER_CHAR_MAX
  const freeUs = pluginReadFreeMs * 1_000
  // To ask for CPU time takes longer than to read what is this short.
  if (usMax <= freeUs) {
    const startMs = performance.now()
    return () => ({ us: Math.min((performance.now() - startMs) * 1_000, usMax), chargedUs: 0 })
  }
  const before = process.threadCpuUsage()
  return () => {
    const { user, system } = process.threadCpuUsage(before)
    const us = Math.min(user + system, usMax)
    return { us, chargedUs: Math.max(0, us - freeUs) }
  }
}
