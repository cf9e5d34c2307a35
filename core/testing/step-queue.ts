/** The queue of a test: wake-ups are written down, and worked when the test says so. */
import type { Lane, LaneKind, Queue } from '../queue/queue.ts'

export interface StepQueue extends Pick<Queue, 'wake' | 'drop'> {
  /** Takes out the lanes of this kind that are due by then. */
  take(kind: LaneKind, untilMs: number): readonly Lane[]
  /** The earliest wake-up, of any kind or of this one; null when nobody waits. */
  nextMs(kind?: LaneKind): number | null
}

const keyOf = ({ kind, workspace, installation }: Lane): string => `${kind}:${workspace}/${installation}`

/** Nobody is worked by it. */
export function createStepQueue(nowMs: () => number): StepQueue {
  const waiting = new Map<string, { readonly lane: Lane; readonly atMs: number }>()
  const of = (kind: LaneKind | undefined) =>
    [...waiting.values()].filter(({ lane }) => kind === undefined || lane.kind === kind)
  return {
    wake: (lane, atMs = nowMs()) => {
      const known = waiting.get(keyOf(lane))
      if (known === undefined || atMs < known.atMs) waiting.set(keyOf(lane), { lane, atMs })
    },
    drop: (lane) => void waiting.delete(keyOf(lane)),
    take: (kind, untilMs) => {
      const due = of(kind).filter(({ atMs }) => atMs <= untilMs)
      for (const { lane } of due) waiting.delete(keyOf(lane))
      return due.map(({ lane }) => lane)
    },
    nextMs: (kind) => {
      const times = of(kind).map(({ atMs }) => atMs)
      return times.length === 0 ? null : Math.min(...times)
    },
  }
}
