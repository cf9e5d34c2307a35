/** Are these the same answers? The order of their keys says nothing. */
import { hash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

/** Compares JSON texts. */
export const sameAnswers = (one: string, other: string): boolean =>
  one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other))

/** SHA-256 in hex, the same for the same answers: tells a repeat without keeping what was received. */
export const answersHash = (text: string): string => hash('sha256', JSON.stringify(sorted(JSON.parse(text))), 'hex')

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, sorted(item)])
  return entries.sort(([one], [other]) => (one < other ? -1 : 1))
}
