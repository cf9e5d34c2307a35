/** A batch cut into rows, each with its own bytes, so that one bad row is nobody else's trouble. */
import type { Limits } from '../limits.ts'
import { splitArray, tooManyRows } from './json-scan.ts'

export type BatchFormat = 'ndjson' | 'array'

/** The rows of a body, numbered from 1: lines of NDJSON, places of a JSON array. */
export const batchRows = (
  bytes: Buffer,
  format: BatchFormat,
  limits: Pick<Limits, 'batchRowsMax' | 'jsonDepthMax'>,
): readonly NumberedRow[] =>
  format === 'ndjson'
    ? splitLines(bytes, limits.batchRowsMax)
    : numberRows(splitArray(bytes, { depthMax: limits.jsonDepthMax, rowsMax: limits.batchRowsMax }))

export interface NumberedRow {
  readonly line: number
  readonly bytes: Buffer
}

const numberRows = (rows: readonly Buffer[]): NumberedRow[] => rows.map((bytes, index) => ({ line: index + 1, bytes }))

/** Lines of NDJSON; blank ones are skipped but counted. */
function splitLines(bytes: Buffer, rowsMax: number): NumberedRow[] {
  const rows: NumberedRow[] = []
  let start = 0
  for (let line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start)
    const end = newline < 0 ? bytes.length : newline
    const row = bytes.subarray(start, end)
    start = end + 1
    if (row.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09)) continue
    rows.push({ line, bytes: row })
    if (rows.length > rowsMax) throw tooManyRows(rowsMax)
  }
  return rows
}
