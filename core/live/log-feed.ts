/**
 * The log as it grows, for those who follow it from outside. Each has a place of their own in it and reads on when they have
 * room: nothing is lost or told twice, and whoever reads slowly holds up nobody. What is announced here is only a hint.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { Store } from '../storage/store.ts'

/** Events of one workspace, and the place up to which the log was read for them. */
export interface Stretch {
  readonly events: readonly LogEvent[]
  readonly seq: number
}

export interface LogFeedDeps {
  readonly store: Pick<Store, 'readEvents' | 'headSeq'>
  /** The newest of the log in memory; undefined where it does not reach. */
  readonly recent: { after(workspace: WorkspaceId, seq: number, limit: number): Stretch | undefined }
  readonly clock: Clock
  readonly limits: Pick<Limits, 'liveReadEventsMax'>
}

export interface FollowQuery {
  readonly workspace: WorkspaceId
  /** The last place that was seen. */
  readonly afterSeq: number
  /** How long it may go on without a stretch, in ms, as of now. */
  readonly quietMs: () => number
  readonly signal: AbortSignal
}

export interface LogFeed {
  /** The log reaches so far, whoever wrote it. Cheap to repeat. */
  grown(head: number): void
  /** Everything behind the place, as it comes; a stretch without events where nothing came for so long. Ends with the signal. */
  follow(query: FollowQuery): AsyncGenerator<Stretch, void, void>
}

/** What was announced cannot be read yet, of a replica that lags. */
const AGAIN_AFTER_MS = 50

export function openLogFeed({ store, recent, clock, limits }: LogFeedDeps): LogFeed {
  let head = 0
  const waiting = new Set<() => void>()
  const wait = (ms: number, signal: AbortSignal): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = (): void => resolve()
    const stop = clock.after(ms, wake)
    waiting.add(wake)
    signal.addEventListener('abort', wake)
    return promise.finally(() => {
      stop()
      waiting.delete(wake)
      signal.removeEventListener('abort', wake)
    })
  }
  const read = async (workspace: WorkspaceId, afterSeq: number): Promise<Stretch> => {
    const { liveReadEventsMax: limit } = limits
    const known = recent.after(workspace, afterSeq, limit)
    if (known !== undefined && (known.seq > afterSeq || head <= afterSeq)) return known
    // Asked first: whatever lies before it was seen, if fewer came than were wanted.
    const reached = await store.headSeq()
    const events = await store.readEvents({ workspace, afterSeq, limit })
    const last = events.at(-1)?.seq ?? afterSeq
    return { events, seq: events.length < limit ? Math.max(last, reached) : last }
  }
  return {
    grown: (seq) => {
      if (seq <= head) return
      head = seq
      for (const wake of waiting) wake()
    },
    follow: async function* ({ workspace, afterSeq, quietMs, signal }) {
      let at = afterSeq
      while (!signal.aborted) {
        const found = await read(workspace, at)
        if (found.seq > at) {
          at = found.seq
          yield found
          continue
        }
        const isBehind = head > at
        await wait(isBehind ? AGAIN_AFTER_MS : quietMs(), signal)
        if (!isBehind && head <= at && !signal.aborted) yield { events: [], seq: at }
      }
    },
  }
}
