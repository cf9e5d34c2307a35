/** `GET /api/v2/stream`: events as they happen (server-sent events), with nothing lost or told twice over a reconnect. */
import { z } from '@hono/zod-openapi'
import { shownTo } from '../live/shown.ts'
import type { Seat } from '../live/seats.ts'
import type { HttpDeps } from './deps.ts'
import { eventWire, isWanted, wantedQuery } from './events.ts'
import type { Wanted } from './events.ts'
import { bearerOf } from './gate.ts'
import { API_HEADERS } from './problem.ts'
import { readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const headers = z.object({
  'last-event-id': z
    .string()
    .optional()
    .openapi({ description: 'The id that came last; what followed it comes first.' }),
})

/** What a client waits before it connects again. */
const RETRY_MS = 2_000

type StreamDeps = Pick<HttpDeps, 'live' | 'limits' | 'clock'>

export function streamRoutes(deps: StreamDeps): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/stream',
      access: 'any-key',
      doc: {
        tag: 'Events',
        summary: 'Follow events as they happen',
        description:
          'Server-sent events; each has the shape of an event of the list. What a key gets depends on its scopes: with `responses:read` all of them; with `forms:read` those of forms; with `analytics:read` those of responses and forms without their content, of responses without their ids and times, too, and alerts. Send `Last-Event-ID` to go on where you were.',
        query: wantedQuery,
        headers,
        responses: {
          200: {
            description: 'A stream that does not end',
            type: 'text/event-stream',
            example: 'id: 42\nevent: response.submitted\ndata: {"seq":42,"type":"response.submitted"}\n\n',
          },
        },
      },
      handler: async (call) => {
        const wanted = readQuery(call, wantedQuery)
        const lastSeen = call.incoming.headers['last-event-id']
        const afterSeq = await deps.live.begin(typeof lastSeen === 'string' ? lastSeen : undefined)
        const headers = {
          ...API_HEADERS,
          'content-type': 'text/event-stream; charset=utf-8',
          'x-accel-buffering': 'no',
          'x-request-id': call.requestId,
        }
        // Whoever asks for the head alone reads nothing, so nothing would ever end it.
        if (call.incoming.method === 'HEAD') return new Response(null, { headers })
        const seat = deps.live.seats.take(call.principal)
        return new Response(bodyOf(deps, { call, wanted, afterSeq, seat }), { headers })
      },
    },
  ]
}

interface Opened {
  readonly call: KeyedCall
  readonly wanted: Wanted
  readonly afterSeq: number
  readonly seat: Seat
}

/** Read only as the client takes it; one that takes nothing for too long is cut off. */
function bodyOf(deps: StreamDeps, opened: Opened): ReadableStream {
  const { call, seat } = opened
  const texts = textsOf(deps, opened)
  const encoder = new TextEncoder()
  let endWatch = (): void => {}
  seat.signal.addEventListener('abort', () => endWatch())
  return new ReadableStream(
    {
      pull: async (controller) => {
        endWatch()
        const { value } = await texts.next().catch((error: unknown) => {
          seat.leave()
          throw error
        })
        if (value === undefined) {
          seat.leave()
          return controller.close()
        }
        controller.enqueue(encoder.encode(value))
        endWatch = deps.clock.after(deps.limits.liveStalledMsMax, () => {
          seat.leave()
          call.outgoing.destroy()
        })
      },
      cancel: () => seat.leave(),
    },
    { highWaterMark: 0 },
  )
}

/** About what one write carries. */
const TEXT_CHARS = 65_536

/** The stream as text, from a first line to the end of the connection or of the key. */
async function* textsOf(
  { live, limits, clock }: StreamDeps,
  { call, wanted, afterSeq, seat }: Opened,
): AsyncGenerator<string, void, void> {
  const { workspace } = call.principal
  const bearer = bearerOf(call.incoming) ?? ''
  yield `retry: ${RETRY_MS}\nid: ${afterSeq}\n: connected\n\n`
  let saidMs = clock.monotonicMs()
  const quietMs = (): number => saidMs + limits.liveHeartbeatMs - clock.monotonicMs()
  for await (const { events, seq } of live.feed.follow({ workspace, afterSeq, quietMs, signal: seat.signal })) {
    const principal = await live.principalOf(bearer)
    if (principal === null) return
    let text = ''
    for (const event of events) {
      const shown = isWanted(wanted, event) ? shownTo(principal, event) : null
      if (shown === null) continue
      text += `id: ${shown.seq}\nevent: ${shown.type}\ndata: ${JSON.stringify(eventWire(shown))}\n\n`
      if (text.length < TEXT_CHARS) continue
      yield text
      text = ''
    }
    if (text === '' && quietMs() > 0) continue
    yield text === '' ? `id: ${seq}\n: heartbeat\n\n` : text
    saidMs = clock.monotonicMs()
  }
}
