/** How many different visitors there were where some of their events are there and of others only sketches. */
import { estimate, mergeSketch, readSketch, setRank } from 'manifold/plugin'
import type { LadderCounts, LadderRow, LadderVisitors } from 'manifold/plugin'
import type { Ask } from '../engine/readers.ts'

type Kind = LadderVisitors['kind']

/** `where`: which of the engine's events belong to it; `raw`: how many there are, `exact`: of how many visitors. */
export interface VisitorsAsked {
  readonly kind: Kind
  readonly rows: readonly LadderRow[]
  readonly sketches: readonly LadderVisitors[]
  readonly raw: number
  readonly exact: number
  readonly where: string
}

/** Null: nobody can say any more. */
export interface Visitors {
  readonly count: number | null
  readonly isEstimated: boolean
}

export async function visitorsOf(
  ask: Ask,
  asked: VisitorsAsked,
  prefixes: LadderCounts['prefixes'],
): Promise<Visitors> {
  const { kind, rows, raw, exact, where } = asked
  if (rows.length === 0 && asked.sketches.length === 0) return { count: exact, isEstimated: false }
  const sketches = asked.sketches.filter((each) => each.kind === kind)
  const [first] = sketches
  const isWhole = rows.every((row) =>
    sketches.some(({ startMs, endMs }) => startMs <= row.startMs && row.endMs <= endMs),
  )
  const isOne = sketches.length === 1 || sketches.every(({ salt }) => salt !== '' && salt === first?.salt)
  const prefix = prefixes[first?.salt ?? '']
  if (first === undefined || !isWhole || !isOne || (raw > 0 && prefix === undefined))
    return { count: null, isEstimated: false }
  const all = readSketch(first.registers)
  for (const { registers } of sketches.slice(1)) mergeSketch(all, readSketch(registers))
  if (raw > 0) {
    const only = kind === 'converted' ? ` AND type = 'conversion'` : ''
    for (const { register, rank } of await ask(`${REGISTERS} AND ${where}${only}) GROUP BY 1`, [prefix ?? '']))
      setRank(all, Number(register), Number(rank))
  }
  return { count: estimate(all), isEstimated: true }
}

/** As `addHash` of the hub does it: three digits choose the register, the next eight give the rank. */
const REGISTERS = `SELECT CAST(concat('0x', substr(hash, 1, 3)) AS INTEGER) AS register,
    max(CASE WHEN substr(hash, 4, 8) = '00000000' THEN 33
      ELSE 33 - length(bin(CAST(concat('0x', substr(hash, 4, 8)) AS UBIGINT))) END) AS rank
  FROM (SELECT DISTINCT sha256(concat($1, visitor)) AS hash FROM events WHERE visitor IS NOT NULL`
