/**
 * What a row of an answer comes to before it is made: one list may hold millions, and all workspaces wait while it is built. So
 * lengths are read from the engine's own memory, and whatever is too much is never made.
 */
import {
  DuckDBArrayType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  DuckDBTypeId,
  DuckDBUnionType,
} from '@duckdb/node-api'
import type { DuckDBDataChunk, DuckDBType } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { Refusal } from '../query/refusal.ts'

/** Of one row: it is made at once, 250 ms at most. */
export const ROW_VALUES_MAX = 100_000
/** Of what lists hold in a chunk of rows: the library copies all of it before it makes a row. */
const HELD_MAX = 4_000_000

export interface Weight {
  values: number
  /** As JSON it has no fewer characters. */
  chars: number
}

type Vector = ReturnType<typeof duckdb.data_chunk_get_vector>
/** Adds what so many values come to, and ends early once it is too much. */
type Measure = (from: number, count: number, into: Weight) => void

/** A character is at most three bytes of UTF-8 for each unit of UTF-16. */
const BYTES_PER_CHAR = 3
/** A text as the engine holds it, and where a list begins and ends. */
const BYTES_EACH = 16
const WORDS_EACH = BYTES_EACH / Uint32Array.BYTES_PER_ELEMENT
const BITS = 8

const TEXTS: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.VARCHAR,
  DuckDBTypeId.BLOB,
  DuckDBTypeId.BIT,
  DuckDBTypeId.BIGNUM,
])
/** What is in these cannot be told before. */
const UNTOLD: ReadonlySet<DuckDBTypeId> = new Set([DuckDBTypeId.VARIANT, DuckDBTypeId.GEOMETRY])

/** Of the rows of one chunk, by their place. Throws a Refusal where lists hold too much, or nobody can tell. */
export function weigher({ chunk, rowCount }: DuckDBDataChunk, types: readonly DuckDBType[]): (row: number) => Weight {
  const shelf = new Shelf()
  const columns = types.map((type, n) => shelf.measure(duckdb.data_chunk_get_vector(chunk, n), type, rowCount))
  return (row) => {
    const weight = { values: 0, chars: 0 }
    for (const measure of columns) measure(row, 1, weight)
    return weight
  }
}

/** Of a struct, or a union, which has another child `before` them: which of them it is. */
interface Parts {
  readonly names: readonly string[]
  readonly types: readonly DuckDBType[]
  readonly before: number
}

class Shelf {
  #held = 0

  measure(vector: Vector, type: DuckDBType, size: number): Measure {
    if (UNTOLD.has(type.typeId)) refuse(`answers a ${String(type)}, which cannot be sent: cast it to JSON`)
    if (type instanceof DuckDBListType) return this.#lists(vector, type.valueType, size)
    if (type instanceof DuckDBMapType) {
      const entry = new DuckDBStructType(['key', 'value'], [type.keyType, type.valueType])
      return this.#lists(vector, entry, size)
    }
    if (type instanceof DuckDBStructType)
      return this.#structs(vector, { names: type.entryNames, types: type.entryTypes, before: 0 }, size)
    if (type instanceof DuckDBUnionType)
      return this.#structs(vector, { names: type.memberTags, types: type.memberTypes, before: 1 }, size)
    if (type instanceof DuckDBArrayType) {
      const { length } = type
      this.#hold(size * length)
      const each = this.measure(duckdb.array_vector_get_child(vector), type.valueType, size * length)
      return (from, count, into) => {
        into.values += count
        each(from * length, count * length, into)
      }
    }
    if (TEXTS.has(type.typeId)) return texts(vector, size)
    return (_from, count, into) => {
      into.values += count
    }
  }

  #lists(vector: Vector, type: DuckDBType, size: number): Measure {
    const held = duckdb.list_vector_get_size(vector)
    this.#hold(held)
    const entries = wordsOf(vector, size)
    const isThere = validityOf(vector, size)
    const each = this.measure(duckdb.list_vector_get_child(vector), type, held)
    return (from, count, into) => {
      for (let n = from; n < from + count && into.values <= ROW_VALUES_MAX; n += 1) {
        into.values += 1
        // Of two words each, of which the upper ones are 0.
        if (isThere(n)) each(entries[n * WORDS_EACH] ?? 0, entries[n * WORDS_EACH + 2] ?? 0, into)
      }
    }
  }

  #structs(vector: Vector, parts: Parts, size: number): Measure {
    const { names, types, before } = parts
    this.#hold(size * types.length)
    const measures = types.map((type, n) =>
      this.measure(duckdb.struct_vector_get_child(vector, n + before), type, size),
    )
    const nameChars = names.reduce((sum, name) => sum + name.length, 0)
    return (from, count, into) => {
      into.values += count
      into.chars += count * nameChars
      for (const measure of measures) measure(from, count, into)
    }
  }

  #hold(values: number): void {
    this.#held += values
    if (this.#held > HELD_MAX)
      refuse(`makes lists or the like of ${this.#held} values at a time, more than can be sent: take fewer of them`)
  }
}

function texts(vector: Vector, size: number): Measure {
  const words = wordsOf(vector, size)
  const isThere = validityOf(vector, size)
  return (from, count, into) => {
    for (let n = from; n < from + count && into.values <= ROW_VALUES_MAX; n += 1) {
      into.values += 1
      if (isThere(n)) into.chars += (words[n * WORDS_EACH] ?? 0) / BYTES_PER_CHAR
    }
  }
}

function wordsOf(vector: Vector, size: number): Uint32Array {
  const { buffer, byteOffset } = duckdb.vector_get_data(vector, size * BYTES_EACH)
  return new Uint32Array(buffer, byteOffset, size * WORDS_EACH)
}

/** What is null has whatever was there before. */
function validityOf(vector: Vector, size: number): (n: number) => boolean {
  const bytesMax = Math.ceil(size / (BITS * BITS)) * BITS
  const bits = duckdb.vector_get_validity(vector, bytesMax) as Uint8Array | null
  return bits === null ? () => true : (n) => (((bits[n >> 3] ?? 0) >> (n & 7)) & 1) === 1
}

function refuse(detail: string): never {
  throw new Refusal([{ pointer: '/sql', detail }])
}
