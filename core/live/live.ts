/** What stands behind the doors of live connections: the log as it grows, the places there are, and who still may. */
import type { Clock } from '../clock.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Principal } from '../registry/api-keys.ts'
import type { Credentials } from '../registry/tokens.ts'
import { openLogFeed } from './log-feed.ts'
import type { LogFeed, LogFeedDeps } from './log-feed.ts'
import { openSeats } from './seats.ts'
import type { Seats } from './seats.ts'

export interface LiveDeps extends LogFeedDeps {
  readonly credentials: Credentials
  readonly clock: Clock
  readonly limits: Limits
}

export interface Live {
  readonly feed: LogFeed
  readonly seats: Seats
  /** Who the bearer is now: null once its key was revoked or has run out. */
  principalOf(bearer: string): Promise<Principal | null>
  /** Where a connection begins: behind the place it names, else at the end of the log. Throws `invalid_query`. */
  begin(lastSeen: string | undefined): Promise<number>
}

export function openLive(deps: LiveDeps): Live {
  const { credentials, store } = deps
  return {
    feed: openLogFeed(deps),
    seats: openSeats(deps.limits),
    principalOf: async (bearer) => credentials.peek(bearer) ?? (await credentials.authenticate(bearer)),
    begin: async (lastSeen) => {
      const head = await store.headSeq()
      if (lastSeen === undefined) return head
      const seq = /^\d{1,15}$/.test(lastSeen) ? Number(lastSeen) : Number.POSITIVE_INFINITY
      if (seq <= head) return seq
      throw new HubError(
        'invalid_query',
        'The last event id is not of this log. Connect without one, and read anew what was built on it.',
      )
    },
  }
}
