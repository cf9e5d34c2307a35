/**
 * WebSockets: `/ws/{area}/live`, `/ws/{area}/alerts`, `/ws/{area}/events/{id}`. A browser cannot set headers, so the key comes
 * as a subprotocol beside `manifold`, never in the address, which is logged on the way.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { openLiveValues } from '../live/values.ts'
import type { AskValues } from '../live/values.ts'
import { alertMessages, metricMessages } from '../live/messages.ts'
import type { Listener, Message } from '../live/messages.ts'
import type { Seat } from '../live/seats.ts'
import type { Area } from '../registry/areas.ts'
import type { HttpDeps } from './deps.ts'
import { bearerOf } from './gate.ts'
import type { Gate } from './gate.ts'
import { answerable } from './problem.ts'
import { refuseSocket } from './refuse-socket.ts'
import { readQuery } from './route.ts'
import { names } from './events.ts'

/** Takes an upgrade; answers with a problem where it is refused. */
export type Upgrade = (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void

type SocketDeps = Pick<HttpDeps, 'live' | 'limits' | 'clock' | 'logger' | 'pluginRoute' | 'pluginAreas'>

const PROTOCOL = 'manifold'
const KEY_PROTOCOL = /^bearer\.(\S+)$/
const CLOSE_MS = 1_000
const CODE = { stopping: 1001, notAllowed: 1008, tooSlow: 1013 } as const

const query = z.object({
  form: names.optional(),
  after: z.string().optional(),
})

/** Which of them was asked for. */
interface Wanted {
  readonly area: Area
  readonly kind: 'live' | 'alerts' | 'events'
  readonly id: string
}

export function openSockets(deps: SocketDeps, gate: Gate): Upgrade {
  const { live, limits, logger } = deps
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: limits.liveMessageBytesMax,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  })
  const values = openLiveValues(askingOf(deps), deps)
  const open = async (incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    const wanted = wantedBy(deps, incoming)
    admitOrigin(incoming)
    keyFromProtocol(incoming)
    const principal = await gate(incoming, wanted.area.scope)
    if (principal === null) throw new HubError('unauthorized', 'This needs an API key.')
    const { form, after } = readQuery({ url: incoming.url ?? '/' }, query)
    const afterSeq = await live.begin(after)
    // Who is gone already leaves no seat behind: nobody would be told of it.
    if (socket.destroyed) return
    const seat = live.seats.take(principal)
    const bearer = bearerOf(incoming) ?? ''
    const listener: Listener = { principal, now: () => live.principalOf(bearer), afterSeq, signal: seat.signal }
    socket.once('close', () => seat.leave())
    server.handleUpgrade(incoming, socket, head, (webSocket) => {
      const messages =
        wanted.kind === 'alerts'
          ? alertMessages(deps, listener)
          : metricMessages({ ...deps, values }, listener, {
              area: wanted.area.area,
              kind: wanted.kind === 'events' ? 'events' : 'forms',
              ids: wanted.kind === 'events' ? [wanted.id] : (form ?? null),
              isNew: after === undefined,
            })
      serve(deps, { webSocket, seat, messages }).catch((error: unknown) => {
        logger.error({ err: error }, 'a live connection failed')
        webSocket.terminate()
      })
    })
  }
  return (incoming, socket, head) => {
    socket.on('error', () => socket.destroy())
    open(incoming, socket, head).catch((error: unknown) => {
      const told = answerable(error)
      if (told.status >= 500)
        logger.error({ err: error, request: newId('request') }, 'A live connection was not opened')
      refuseSocket(socket, told)
    })
  }
}

interface Served {
  readonly webSocket: WebSocket
  readonly seat: Seat
  readonly messages: AsyncGenerator<Message, void, void>
}

/** Sends one message after the other, each once the one before has left; whoever takes too long, or is silent, is cut off. */
async function serve({ clock, limits }: SocketDeps, { webSocket, seat, messages }: Served): Promise<void> {
  let isAlive = true
  webSocket.on('pong', () => (isAlive = true))
  webSocket.on('error', () => webSocket.terminate())
  webSocket.once('close', () => seat.leave())
  const end = (code: number): void => {
    webSocket.close(code)
    clock.after(CLOSE_MS, () => webSocket.terminate())
  }
  const beat = setInterval(() => {
    if (!isAlive) return webSocket.terminate()
    isAlive = false
    webSocket.ping()
  }, limits.liveHeartbeatMs)
  seat.signal.addEventListener('abort', () => {
    clearInterval(beat)
    end(CODE.stopping)
  })
  for await (const message of messages) {
    const isSlow = clock.after(limits.liveStalledMsMax, () => webSocket.terminate())
    await new Promise<void>((resolve) => webSocket.send(JSON.stringify(message), () => resolve()))
    isSlow()
    if (webSocket.readyState !== webSocket.OPEN) break
  }
  if (!seat.signal.aborted) end(CODE.notAllowed)
  seat.leave()
}

/** By path: an area of the API that tells numbers live. */
function wantedBy({ pluginAreas = [] }: SocketDeps, incoming: IncomingMessage): Wanted {
  const pathname = URL.parse(incoming.url ?? '/', 'http://hub')?.pathname ?? ''
  const [, name, kind, id] = /^\/ws\/([a-z0-9-]+)\/(?:(live|alerts)|events\/([^/]+))$/.exec(pathname) ?? []
  const area = pluginAreas.find((each) => each.area === name && each.isLive)
  if (area === undefined) throw new HubError('not_found', `No WebSocket is served at ${pathname.slice(0, 200)}.`)
  return { area, kind: kind === 'live' || kind === 'alerts' ? kind : 'events', id: decodedId(id ?? '') }
}

function decodedId(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new HubError('bad_request', 'The path is not well-formed.')
  }
}

/** A page of another site has no business here, even if somebody has pasted a key into it. */
function admitOrigin({ headers }: IncomingMessage): void {
  const { origin, host } = headers
  if (origin === undefined || (URL.canParse(origin) && new URL(origin).host === host)) return
  throw new HubError('forbidden', 'Live connections are for pages of this hub, and for programs, which send no Origin.')
}

/** A key among the subprotocols is moved to where all keys are, so nothing else ever sees it. */
function keyFromProtocol({ headers }: IncomingMessage): void {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim())
  const key = offered.map((each) => KEY_PROTOCOL.exec(each)?.[1]).find((each) => each !== undefined)
  if (key === undefined) return
  if (!offered.includes(PROTOCOL)) throw new HubError('bad_request', `Offer the subprotocol "${PROTOCOL}", too.`)
  headers.authorization ??= `Bearer ${key}`
  headers['sec-websocket-protocol'] = PROTOCOL
}

/** Asks the plugin behind the area. */
const askingOf =
  ({ pluginRoute, pluginAreas = [] }: SocketDeps): AskValues =>
  async ({ workspace, area, kind, id }) => {
    const installation = pluginAreas.find((each) => each.area === area)?.installationIn(workspace)?.id
    if (installation === undefined || pluginRoute === undefined) return null
    const path = `/live/${kind}/${encodeURIComponent(id)}`
    const request = { method: 'GET', path, query: {}, headers: {}, bytes: '' } as const
    const { status = 200, json } = await pluginRoute({
      workspace,
      area,
      installation,
      requestId: null,
      seesErrors: false,
      request,
    })
    if (status === 404) return null
    if (status !== 200) throw new HubError('unavailable', `${path} answered ${status}.`)
    return json as Record<string, number | null>
  }
