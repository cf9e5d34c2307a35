/** What a process could run, and what of that goes together: installations that take turns with each other run in one process. Pure. */
import { createHash } from 'node:crypto'

/** A list of installations as `Fleet.want` was given it. */
export interface Wishes {
  /** By key (`workspace/id`). */
  readonly keys: readonly string[]
  /** What an installation takes turns for, as its lease says it; null: with nobody. */
  turns(key: string): string | null
  /** What it goes together with, by any name; itself alone where it takes no turns. */
  unit(key: string): string
  /** The same for the same list. */
  readonly mark: string
}

const MARK_CHARS = 16
/** Between the turns of one lease; the statement that claims leases knows it. */
const BETWEEN = ','

/** Names of turns are long, and made of settings: leases and marks hold their hashes. */
export function wishesOf(wanted: ReadonlyMap<string, readonly string[]>): Wishes {
  const turnsByKey = new Map([...wanted].map(([key, turns]) => [key, turns.map(hashOf).toSorted()]))
  const units = unitsOf(turnsByKey)
  const turns = (key: string): string | null => turnsByKey.get(key)?.join(BETWEEN) || null
  const keys = [...wanted.keys()]
  const lines = keys.toSorted().map((key) => [key, turns(key) ?? []].flat().join(' '))
  return { keys, turns, unit: (key) => units.get(key) ?? key, mark: hashOf(lines.join('\n')) }
}

/** Each for itself of what `turns` says. */
export const turnsIn = (turns: string | null): readonly string[] => turns?.split(BETWEEN) ?? []

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, MARK_CHARS)

/** One that takes several turns brings together whoever takes any of them. */
function unitsOf(turnsByKey: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
  const unitByTurn = new Map<string, string>()
  for (const turns of turnsByKey.values()) {
    const joined = new Set(turns.map((turn) => unitByTurn.get(turn) ?? turn))
    const [unit] = joined
    if (unit === undefined) continue
    for (const turn of turns) unitByTurn.set(turn, unit)
    for (const [turn, other] of unitByTurn) if (joined.has(other)) unitByTurn.set(turn, unit)
  }
  return new Map(
    [...turnsByKey].flatMap(([key, [turn]]) => (turn === undefined ? [] : [[key, unitByTurn.get(turn) ?? turn]])),
  )
}
