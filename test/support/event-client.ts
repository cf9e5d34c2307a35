/**
 * An honest sender of behaviour events outside the hub, as the driver is one of responses: batches through the doors of page
 * views, conversions and all families in turn, each event under an id of its own that the ledger knows before it is sent.
 */
import { Agent, request } from 'undici'
import type { Ledger } from './ledger.ts'
import { sleep } from './wait.ts'

const DOORS = ['track', 'page', 'conversion'] as const
type Door = (typeof DOORS)[number]
/** Of each conversion: sums of it are whole. */
export const VALUE = 2
const EACH = 3
const TRIES_MAX = 50

export interface EventClientOptions {
  /** Asked before each request: a hub that starts again may listen elsewhere. */
  readonly url: () => string
  readonly adminKey: string
  readonly ledger: Ledger
  readonly batchesPerSecond: number
  readonly timeoutMs: number
}

export interface EventClient extends AsyncDisposable {
  start(): void
  /** Ends the pace and waits for the requests in flight. */
  stop(): Promise<void>
  /** Sends again, under their ids, what was sent and never acknowledged. */
  resendOpen(): Promise<void>
}

/** Of which door an event is stands in its id. */
export const isConversion = (id: string): boolean => id.startsWith('conversion-')

const PARTS: Readonly<Record<Door, object>> = {
  track: { type: 'click', properties: { element: 'buy' } },
  page: { page: { path: '/pricing' } },
  conversion: { name: 'order', value: VALUE, currency: 'EUR' },
}
const doorOf = (id: string): Door => id.slice(0, id.indexOf('-')) as Door

export function openEventClient(options: EventClientOptions): EventClient {
  const { ledger, url, adminKey, batchesPerSecond, timeoutMs } = options
  const agent = new Agent({ connections: 16, keepAliveTimeout: 4_000 })
  const inFlight = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let n = 0

  const post = async (ids: readonly string[]): Promise<void> => {
    const [first = ''] = ids
    const door = doorOf(first)
    const events = ids.map((id) => ({ event_id: id, user_id: `u-${id.length % 5}`, ...PARTS[door] }))
    const answer = await request(`${url()}/api/v2/events/${door}`, {
      dispatcher: agent,
      method: 'POST',
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(events),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200) return
    const { items } = JSON.parse(text) as { items: { line: number; status: number; event?: { id: string } }[] }
    for (const { line, event } of items) if (event !== undefined) ledger.acknowledged(ids[line - 1] ?? '', event.id)
  }
  const send = (): void => {
    const door = DOORS[n % DOORS.length] as Door
    const ids = Array.from({ length: EACH }, (_, k) => `${door}-${process.pid}-${n}-${k}`)
    n += 1
    for (const id of ids) ledger.sent(id)
    const sending = post(ids).catch(() => undefined)
    inFlight.add(sending)
    void sending.finally(() => inFlight.delete(sending))
  }
  const stop = async (): Promise<void> => {
    clearInterval(timer)
    await Promise.all(inFlight)
  }
  return {
    start: () => {
      clearInterval(timer)
      timer = setInterval(send, 1_000 / batchesPerSecond)
    },
    stop,
    resendOpen: async () => {
      for (let tries = 0; tries < TRIES_MAX && ledger.open().length > 0; tries += 1) {
        if (tries > 0) await sleep(100)
        for (const id of ledger.open()) await post([id]).catch(() => undefined)
      }
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
      await agent.destroy()
    },
  }
}
