/** Where the bounds of live connections are tripped. */
import type { LimitName } from '../../../core/limits.ts'
import type { LimitCases } from './world.ts'

const STREAM = 'test/live/stream.test.ts'
const SOCKETS = 'test/live/sockets.test.ts'
const ROOM = 'so many at a time of one key and of all; one that goes makes room'

export const live: LimitCases<Extract<LimitName, `live${string}`>> = {
  liveConnectionsMax: { in: STREAM, test: ROOM },
  liveConnectionsPerKeyMax: { in: STREAM, test: ROOM },
  liveNamesMax: {
    in: STREAM,
    test: 'without a key, a place in the log or a filter that it knows it is refused',
  },
  liveReadEventsMax: {
    in: STREAM,
    test: 'with Last-Event-ID it goes on where it was: nothing lost, nothing twice, whatever was filtered out',
  },
  liveHeartbeatMs: {
    in: STREAM,
    test: 'a quiet stream says so, and that moves its place on past what it does not show',
  },
  liveMetricMs: {
    in: SOCKETS,
    test: 'numbers are told as they change, a subject at most once a second, and to all alike',
  },
  liveNumberAgeMs: {
    in: 'test/live/messages.test.ts',
    test: 'a number that time alone changes is told, though nothing happens, to those who follow and to who comes then',
  },
  liveMessageBytesMax: { in: SOCKETS, test: 'what is too large, or does not answer a ping, is cut off' },
  liveStalledMsMax: {
    in: STREAM,
    test: 'whoever reads nothing holds little and is cut off, while others hear all',
  },
}
