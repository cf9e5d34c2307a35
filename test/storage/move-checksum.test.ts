/** The checksum of a table: the same for the same rows however they come, another for anything else. */
import { describe, expect, it } from 'vitest'
import { canonicalRow, contentOf } from '../../core/storage/move/checksum.ts'
import type { TableReader } from '../../core/storage/move/port.ts'
import { TABLES } from '../../core/storage/move/tables.ts'
import type { Row } from '../../core/storage/move/tables.ts'

const tallies = TABLES.find(({ name }) => name === 'tallies')
if (tallies === undefined) throw new Error('There is no table of tallies')

/** Hands these chunks out, one after the other. */
function readerOf(...chunks: readonly (readonly Row[])[]): TableReader {
  const left = [...chunks]
  return {
    place: 'memory',
    read: async () => left.shift() ?? [],
    count: async () => chunks.flat().length,
    close: async () => {},
  }
}

const sum = async (...chunks: readonly (readonly Row[])[]) => await contentOf(readerOf(...chunks), tallies)

const A: Row = ['w', 'i', 'a', 1]
const B: Row = ['w', 'i', 'b', 0.1 + 0.2]

describe('the checksum of a content', () => {
  it('is the same in any order and in chunks of any size', async () => {
    const whole = await sum([A, B])
    expect(whole.rows).toBe(2)
    expect(whole.checksum).toMatch(/^[0-9a-f]{64}$/)
    expect(await sum([B], [A])).toEqual(whole)
  })

  it('is another for a lost, doubled or changed row', async () => {
    const sums = await Promise.all([
      sum([A, B]),
      sum([A]),
      sum([A, B, B]),
      sum([A, ['w', 'i', 'b', 0.3]]),
      sum([A, ['w', 'i', 'b', '0.30000000000000004']]),
      sum([A, ['w', 'ib', '', 0.1 + 0.2]]),
      sum([A, ['w', 'i', 'b', null]]),
    ])
    expect(new Set(sums.map(({ checksum }) => checksum)).size).toBe(sums.length)
  })

  it('takes a NUL for its replacement and counts the texts that have one', async () => {
    const [odd, replaced] = await Promise.all([
      sum([['w\0\0', 'i\0', 'n', 1]]),
      sum([['w\u{FFFD}\u{FFFD}', 'i\u{FFFD}', 'n', 1]]),
    ])
    expect(odd.checksum).toBe(replaced.checksum)
    expect([odd.nulTexts, replaced.nulTexts]).toEqual([2, 0])
    // What only looks like one in JSON is another text.
    expect((await sum([['w', 'i', '\\u0000', 1]])).nulTexts).toBe(0)
  })

  it('has a word for numbers that JSON has none for', () => {
    expect(canonicalRow([Number.POSITIVE_INFINITY]).text).not.toBe(canonicalRow([null]).text)
  })
})
