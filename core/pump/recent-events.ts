/**
 * The newest events of the log in memory, so that the usual reader, who is at its head, never asks storage. It holds
 * one unbroken run of sequences; whoever needs what is not in it reads the log.
 */
import type { Limits } from '../limits.ts'
import { isDeletedBy, isDeletion } from '../deletion.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'

export interface RecentEvents {
  /**
   * Events just committed, in order. A gap (somebody else wrote in between) starts a new run. The deletion of a response
   * or a form takes its content out of memory too.
   */
  add(events: readonly LogEvent[]): void
  /** The log reaches so far, whoever wrote it: what memory lacks up to there has to be read. */
  reach(seq: number): void
  /**
   * Up to `limit` events of the workspace after `seq`, and the sequence up to which the log is read by that.
   * Undefined: memory does not reach back that far.
   */
  after(workspace: WorkspaceId, seq: number, limit: number): ReadEvents | undefined
  byId(workspace: WorkspaceId, id: string): LogEvent | undefined
}

export interface ReadEvents {
  readonly events: readonly LogEvent[]
  readonly seq: number
}

/** Empty: every reader asks storage until the first event comes. */
export function createRecentEvents(limits: Pick<Limits, 'recentEventsMax' | 'recentEventsBytesMax'>): RecentEvents {
  const byId = new Map<string, LogEvent>()
  /** Unbroken from `run[start]` on; what stands before has left. */
  let run: (LogEvent | undefined)[] = []
  let start = 0
  let bytes = 0
  let head = 0

  const clear = (): void => {
    run = []
    start = 0
    bytes = 0
    byId.clear()
  }
  const dropFirst = (): void => {
    const event = run[start]
    if (event === undefined) return
    run[start] = undefined
    start += 1
    bytes -= sizeOf(event)
    byId.delete(event.id)
    if (start > 1024 && start * 2 > run.length) {
      run = run.slice(start)
      start = 0
    }
  }
  const add = (event: LogEvent): void => {
    const last = run.at(-1)
    if (last !== undefined && event.seq <= last.seq) return
    if (last !== undefined && event.seq !== last.seq + 1) clear()
    run.push(event)
    byId.set(event.id, event)
    bytes += sizeOf(event)
    while (
      run.length - start > limits.recentEventsMax ||
      (bytes > limits.recentEventsBytesMax && run.length - start > 1)
    )
      dropFirst()
  }
  const erase = (deletion: LogEvent): void => {
    for (let index = start; index < run.length; index++) {
      const event = run[index] as LogEvent
      if (event.responseId === null || !isDeletedBy(event, deletion)) continue
      const erased: LogEvent = { ...event, data: null, meta: '{}' }
      bytes -= sizeOf(event) - sizeOf(erased)
      run[index] = erased
      byId.set(event.id, erased)
    }
  }

  return {
    add: (events) => {
      for (const event of events) {
        if (isDeletion(event)) erase(event)
        add(event)
      }
    },
    reach: (seq) => {
      head = Math.max(head, seq)
    },
    after: (workspace, seq, limit) => {
      const first = run[start]
      if (first === undefined || seq < first.seq - 1) return undefined
      const events: LogEvent[] = []
      let read = seq
      for (let index = start + (seq - first.seq + 1); index < run.length && events.length < limit; index++) {
        const event = run[index] as LogEvent
        read = event.seq
        if (event.workspace === workspace) events.push(event)
      }
      // The rest was written by somebody else and has not been told here.
      if (read === seq && seq < head) return undefined
      return { events, seq: read }
    },
    byId: (workspace, id) => {
      const event = byId.get(id)
      return event?.workspace === workspace ? event : undefined
    },
  }
}

/** About what an entry costs: its texts and a little for the rest. */
const sizeOf = ({ data, meta }: LogEvent): number => (data?.length ?? 0) + meta.length + 500
