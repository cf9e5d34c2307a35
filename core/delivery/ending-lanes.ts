/** Lanes that were taken off the list while attempts of theirs still run, or are not written down. */
import type { Clock } from '../clock.ts'

interface Ending {
  unfinished(): number
}

export interface EndingLanes {
  add(key: string, lane: Ending): void
  isBusy(key: string): boolean
  /** Resolves when nothing of this installation runs any more. */
  ended(key: string): Promise<void>
}

const LOOK_MS = 50

export function createEndingLanes(clock: Pick<Clock, 'after'>): EndingLanes {
  const lanes = new Map<string, readonly Ending[]>()
  const unfinished = (key: string): readonly Ending[] => (lanes.get(key) ?? []).filter((lane) => lane.unfinished() > 0)
  return {
    isBusy: (key) => unfinished(key).length > 0,
    add: (key, lane) => void lanes.set(key, [...unfinished(key), lane]),
    ended: async (key) => {
      while (unfinished(key).length > 0) await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve))
      lanes.delete(key)
    },
  }
}
