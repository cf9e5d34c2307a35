/** Numbers out of rows, and shares that are null instead of no number. */
import type { Row } from '../engine/database.ts'

/** Null where there is nothing to divide by. */
export const share = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

export const numberOf = (row: Row, name: string): number | null => {
  const value = row[name]
  return value === null || value === undefined ? null : Number(value)
}
