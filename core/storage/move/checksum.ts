/**
 * The checksum of a table's content: the SHA-256 of each row's canonical text, added up modulo 2^256. It says the same
 * whatever order rows come in, which matters because a key whose NUL had to be replaced sorts elsewhere afterwards.
 */
import { hash } from 'node:crypto'
import type { SqlValue } from '../procedure.ts'
import type { TableReader } from './port.ts'
import { keyOf } from './tables.ts'
import type { MoveTable, Row } from './tables.ts'

export interface Content {
  readonly rows: number
  /** 64 hex digits. */
  readonly checksum: string
  /** Texts that hold a NUL; in the canonical text it stands as U+FFFD, which is what Postgres keeps of it. */
  readonly nulTexts: number
}

const MODULUS = 1n << 256n
const NUL = /\0/g

/** Reads a whole table, a chunk at a time; `seen` is told of each chunk's rows. */
export async function contentOf(
  reader: TableReader,
  table: MoveTable,
  seen: (rows: number) => void = () => {},
): Promise<Content> {
  let sum = 0n
  let rows = 0
  let nulTexts = 0
  for await (const chunk of chunks(reader, table, null)) {
    for (const row of chunk) {
      const canonical = canonicalRow(row)
      nulTexts += canonical.nulTexts
      sum += BigInt(`0x${hash('sha256', canonical.text)}`)
    }
    sum %= MODULUS
    rows += chunk.length
    seen(chunk.length)
  }
  return { rows, checksum: sum.toString(16).padStart(64, '0'), nulTexts }
}

/** The chunks of a table after a key. The next one is asked for before the last one is handed out. */
export async function* chunks(
  reader: TableReader,
  table: MoveTable,
  after: Row | null,
): AsyncGenerator<readonly Row[], void> {
  let coming = reader.read(table, after)
  for (;;) {
    const chunk = await coming
    const last = chunk.at(-1)
    if (last === undefined) return
    coming = reader.read(table, keyOf(table, last))
    // Whoever stops reading leaves it unasked for.
    coming.catch(() => {})
    yield chunk
  }
}

/** JSON of the values, numbers as JavaScript writes them: the same text whichever database they came from. */
export function canonicalRow(row: Row): { readonly text: string; readonly nulTexts: number } {
  const text = JSON.stringify(row)
  const odd = text.includes('\\u0000') || row.some((value) => typeof value === 'number' && !Number.isFinite(value))
  if (!odd) return { text, nulTexts: 0 }
  const nulTexts = row.filter((value) => typeof value === 'string' && value.includes('\0')).length
  return { text: JSON.stringify(row.map(storable)), nulTexts }
}

function storable(value: SqlValue): SqlValue {
  if (typeof value === 'string') return value.replace(NUL, '\u{FFFD}')
  // JSON has no word for what is not finite.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
