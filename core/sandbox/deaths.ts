/** What the end of a whole process means for the units that were in it, as pure functions. */
import { isTakenOver } from './process.ts'
import type { Unit } from './sandbox.ts'
import type { Instance } from './unit-state.ts'

/** Deaths in a row with runs in flight: at 2 a unit goes to its own process, at 3 (alone there) it is to blame. */
const DEATHS_TO_ISOLATE = 2
const DEATHS_TO_BLAME = 3

/** Why a process was killed, with the unit that made it necessary. */
export const guiltOf = (what: 'stuck' | 'memory', unit: Unit): string => `${what}: ${unit.key}`

export interface Death {
  readonly why: string
  /** Nothing but one unit ever ran in the process. */
  readonly isOwn: boolean
  /** Isolates that were lost. */
  readonly lost: number
}

export interface Judgement {
  /** In a row, this one included where it counts. */
  readonly deaths: number
  /** It goes to a process of its own. */
  readonly moves: boolean
  /** It is to blame; why, in words. */
  readonly blame: string | null
  /** Its own doing, but not certainly that of the runs in it now: they are repeated here, not by the caller. */
  readonly isOwnDoing: boolean
}

/**
 * Of one isolate that was in the process. Of a crash nobody knows whose it is, until it follows a unit to a process of its
 * own. A process that breaks the channel was taken over from inside: alone there, a unit is to blame at once; among others
 * whoever was at work there is alone from now on.
 */
export function judgeDeath({ state, lanes, settle }: Instance, { why, isOwn, lost }: Death): Judgement {
  const isKnown = why.startsWith('memory: ') || why.startsWith('stuck: ')
  const isAtWork = lanes.size > 0 || settle !== null
  const deaths = state.deaths + (!isKnown && isAtWork ? 1 : 0)
  const isOwnDoing = why === guiltOf('stuck', state.unit) || why === guiltOf('memory', state.unit)
  const free = { deaths, moves: false, blame: null, isOwnDoing }
  if (isKnown) return free
  if (isTakenOver(why)) {
    if (!isOwn) return { ...free, moves: isAtWork }
    return { ...free, deaths: 0, blame: `it was killed, and only this plugin ran in it: ${why}` }
  }
  if (isOwn && lost === 1 && deaths >= DEATHS_TO_BLAME && settle === null) {
    const blame = `it died ${DEATHS_TO_BLAME} times in a row while only this plugin ran in it: ${why}`
    return { ...free, deaths: 0, blame }
  }
  return { ...free, moves: deaths >= DEATHS_TO_ISOLATE }
}
