/** Connections that stay open: how many there may be, of one key and of all; and their common end. */
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Principal } from '../registry/api-keys.ts'

/** A place that is taken. `signal` says when it has to be left. */
export interface Seat {
  readonly signal: AbortSignal
  /** Ends the connection; repeated calls do nothing. */
  leave(): void
}

export interface Seats {
  /** Throws `rate_limited` when there is no room. */
  take(principal: Pick<Principal, 'keyId' | 'workspace'>): Seat
  /** Taken at the moment. */
  size(): number
  /** All have to leave, and nobody comes any more. */
  close(): void
}

const AGAIN_AFTER_MS = 5_000

export function openSeats(limits: Pick<Limits, 'liveConnectionsMax' | 'liveConnectionsPerKeyMax'>): Seats {
  const byKey = new Map<string, Set<AbortController>>()
  let size = 0
  let isClosed = false
  return {
    take: ({ keyId, workspace }) => {
      if (isClosed) throw new HubError('unavailable', 'The hub is stopping; connect again in a moment.')
      const name = `${workspace}/${keyId}`
      const mine = byKey.get(name) ?? new Set()
      const { liveConnectionsMax, liveConnectionsPerKeyMax } = limits
      const full =
        mine.size >= liveConnectionsPerKeyMax
          ? `This key has ${liveConnectionsPerKeyMax} live connections, and no more are allowed. Close one, or use another key.`
          : size >= liveConnectionsMax
            ? `There are ${liveConnectionsMax} live connections, and no more are allowed. Try again later.`
            : null
      if (full !== null) throw new HubError('rate_limited', full, { retryAfterMs: AGAIN_AFTER_MS })
      const controller = new AbortController()
      mine.add(controller)
      byKey.set(name, mine)
      size += 1
      return {
        signal: controller.signal,
        leave: () => {
          if (!mine.delete(controller)) return
          if (mine.size === 0 && byKey.get(name) === mine) byKey.delete(name)
          size -= 1
          controller.abort()
        },
      }
    },
    size: () => size,
    close: () => {
      isClosed = true
      for (const mine of byKey.values()) for (const controller of mine) controller.abort()
    },
  }
}
