/**
 * Answers that processes of the hub share: each under all that it was made from and the event that last changed what it is about.
 * So none is ever stale: after the next event, or an erasure, nobody asks for it any more.
 */
import { isDeepStrictEqual } from 'node:util'
import type { NativeServices } from 'manifold/plugin'

/** Longer it is not waited for: then it is computed. */
const WAIT_MS = 30

/** Changes when the same question about the same state may be answered otherwise. */
const FORMAT = 1

/** What was asked, as JSON. */
type Asked = readonly unknown[]

export interface Shared {
  /** With its age. Undefined: nobody has it, or it takes too long to be had. */
  get<Answer>(changedBy: string, asked: Asked): Promise<{ readonly answer: Answer; readonly ageMs: number } | undefined>
  /** Nobody waits for it. Returns how many letters the answer has as JSON; undefined: nobody needed to know. */
  put(changedBy: string, asked: Asked, answer: unknown): number | undefined
}

/** `made`: what else in this installation decides what an answer is. */
export async function openShared(cache: NativeServices['cache'], made: readonly unknown[]): Promise<Shared> {
  const bytesMax = await cache.textBytesMax()
  if (bytesMax === 0) return NOTHING_SHARED
  const keyOf = (changedBy: string, asked: Asked): string => JSON.stringify([FORMAT, made, changedBy, asked])
  return {
    get: async <Answer>(changedBy: string, asked: Asked) => {
      if (changedBy === '') return undefined
      const text = await soon(cache.get(keyOf(changedBy, asked)))
      if (text === null) return undefined
      const { at, answer } = JSON.parse(text) as { readonly at: number; readonly answer: Answer }
      return { answer, ageMs: Math.max(0, Date.now() - at) }
    },
    put: (changedBy, asked, answer) => {
      if (changedBy === '') return undefined
      const text = JSON.stringify({ at: Date.now(), answer })
      // A letter has a byte at least. To read it again and to send it costs more than to make it.
      if (text.length > bytesMax) return text.length
      // What does not come back as it was put would be another answer.
      const { answer: back } = JSON.parse(text) as { readonly answer: unknown }
      if (isDeepStrictEqual(back, answer)) cache.put(keyOf(changedBy, asked), text).catch(() => undefined)
      return text.length
    },
  }
}

async function soon(asking: Promise<string | null>): Promise<string | null> {
  const late = Promise.withResolvers<null>()
  const timer = setTimeout(() => late.resolve(null), WAIT_MS)
  return Promise.race([asking.catch(() => null), late.promise]).finally(() => clearTimeout(timer))
}

/** Nobody shares anything. */
export const NOTHING_SHARED: Shared = { get: async () => undefined, put: () => undefined }
