/** The in-process bus: tells whoever listens of log events just committed. It promises nothing; the log is the truth. */
import type { LogEvent } from '../model.ts'

export type BusListener = (events: readonly LogEvent[]) => void

/** What publishers and listeners see; a bus between processes will be a second implementation. */
export interface Bus {
  publish(events: readonly LogEvent[]): void
  /** Answers its own undo. */
  subscribe(listener: BusListener): () => void
  /** Current number of listeners. */
  size(): number
}

/** `onError` hears of listeners that throw; they stay subscribed and the publisher never notices. */
export function openBus(onError: (error: unknown) => void): Bus {
  const listeners = new Set<{ readonly call: BusListener }>()
  return {
    publish: (events) => {
      if (events.length === 0 || listeners.size === 0) return
      // A copy, so that a listener may subscribe or unsubscribe while it is being told.
      const told = [...listeners]
      for (const entry of told) {
        if (!listeners.has(entry)) continue
        try {
          // An async function passes for a listener too; its rejection must not end the process.
          const answer: unknown = entry.call(events)
          if (answer instanceof Promise) answer.catch((error: unknown) => tell(onError, error))
        } catch (error) {
          tell(onError, error)
        }
      }
    },
    subscribe: (listener) => {
      const entry = { call: listener }
      listeners.add(entry)
      return () => {
        listeners.delete(entry)
      }
    },
    size: () => listeners.size,
  }
}

/** The one who hears of errors must not become one. */
function tell(onError: (error: unknown) => void, error: unknown): void {
  try {
    onError(error)
  } catch {
    // Nobody is left to tell.
  }
}
