/** Rows in pieces that one request can hold. Pure. */
import type { Cell } from './cells.ts'

/** Below the hub's megabyte, and Google advises 2 MB at most. */
const CHUNK_BYTES_MAX = 900_000

/** A row and where its item stands in the batch. */
export interface PlacedRow {
  readonly place: number
  readonly cells: readonly Cell[]
}

export interface WrittenRow extends PlacedRow {
  readonly json: string
}

export interface Chunks {
  readonly chunks: readonly (readonly WrittenRow[])[]
  /** Those that no request can hold. */
  readonly tooLarge: readonly PlacedRow[]
}

/** In order. */
export function chunksOf(rows: readonly PlacedRow[]): Chunks {
  const encoder = new TextEncoder()
  const chunks: WrittenRow[][] = []
  const tooLarge: PlacedRow[] = []
  let bytes = CHUNK_BYTES_MAX
  for (const row of rows) {
    const json = JSON.stringify(row.cells)
    const size = encoder.encode(json).length + 1
    if (size > CHUNK_BYTES_MAX) {
      tooLarge.push(row)
      continue
    }
    if (bytes + size > CHUNK_BYTES_MAX) {
      chunks.push([])
      bytes = 0
    }
    chunks.at(-1)?.push({ ...row, json })
    bytes += size
  }
  return { chunks, tooLarge }
}
