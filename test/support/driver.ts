/**
 * An honest client outside the hub: submits at a steady pace, writes each key into the ledger before it sends and each
 * 201 after it came, and sends again what stayed open. It knows nothing of the hub but its address.
 */
import { Agent, request } from 'undici'
import type { Ledger } from './ledger.ts'
import { sleep } from './wait.ts'

const RESENDERS = 16
const RESEND_TRIES_MAX = 20
const REFUSED_WAIT_MS = 100

export interface DriverOptions {
  /** Asked before each request: a hub that starts again may listen elsewhere. */
  readonly url: () => string
  readonly adminKey: string
  readonly ledger: Ledger
  /** A form with a text field `key`. */
  readonly form: string
  readonly perSecond?: number
  /** First part of every key it makes. */
  readonly prefix?: string
  readonly timeoutMs?: number
  /** Makes each submission this much larger. */
  readonly padChars?: number
}

export interface Driver extends AsyncDisposable {
  /** How often each status was answered (200 is a repeat); 0 counts requests without any answer. */
  readonly answers: ReadonlyMap<number, number>
  /** Sends one submission now. Returns the status, 0 when no answer came. */
  submit(key: string): Promise<number>
  /** Starts the steady pace. */
  start(): void
  /** Starts so many clients instead, each of which sends its next as soon as its last was answered: the full load. */
  startClosed(clients: number): void
  /** Ends the pace, or the clients, and waits for the requests in flight. */
  stop(): Promise<void>
  /** Sends again, with the same Idempotency-Key, what was sent and never acknowledged. */
  resendOpen(): Promise<void>
}

/** `await using driver = openDriver({ url: () => hub.url, ... })`. */
export function openDriver(options: DriverOptions): Driver {
  const { ledger, form, perSecond = 50, prefix = 'k', timeoutMs = 10_000, padChars = 0 } = options
  const agent = new Agent({ connections: 64, keepAliveTimeout: 4_000 })
  const answers = new Map<number, number>()
  const inFlight = new Set<Promise<unknown>>()
  let timer: NodeJS.Timeout | undefined
  let n = 0
  let stopped = false

  const send = async (key: string): Promise<number> => {
    const status = await post(key).catch(() => 0)
    answers.set(status, (answers.get(status) ?? 0) + 1)
    return status
  }
  const post = async (key: string): Promise<number> => {
    const answer = await request(`${options.url()}/api/v2/forms/${form}/responses`, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        authorization: `Bearer ${options.adminKey}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      },
      body: JSON.stringify({ data: { key }, ...(padChars === 0 ? {} : { meta: { pad: 'x'.repeat(padChars) } }) }),
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    })
    const text = await answer.body.text()
    if (answer.statusCode === 201 || answer.statusCode === 200)
      ledger.acknowledged(key, (JSON.parse(text) as { id: string }).id)
    return answer.statusCode
  }
  const submit = (key: string): Promise<number> => {
    ledger.sent(key)
    const sending = send(key)
    inFlight.add(sending)
    void sending.finally(() => inFlight.delete(sending))
    return sending
  }
  const persist = async (key: string): Promise<void> => {
    for (let tries = 0; tries < RESEND_TRIES_MAX && (await send(key)) === 0; tries += 1) await sleep(100)
  }
  const nextKey = (): string => `${prefix}-${process.pid}-${n++}`
  const client = async (): Promise<void> => {
    // A refused one comes again after a breath, as an honest client does.
    while (!stopped) if ((await submit(nextKey())) !== 201) await sleep(REFUSED_WAIT_MS)
  }
  const stop = async (): Promise<void> => {
    stopped = true
    clearInterval(timer)
    await Promise.all(inFlight)
  }
  return {
    answers,
    submit,
    start: () => {
      clearInterval(timer)
      timer = setInterval(() => void submit(nextKey()), 1_000 / perSecond)
    },
    startClosed: (clients) => {
      stopped = false
      for (let i = 0; i < clients; i += 1) void client()
    },
    stop,
    resendOpen: async () => {
      const open = [...ledger.open()]
      const resend = async () => {
        for (let key = open.pop(); key !== undefined; key = open.pop()) await persist(key)
      }
      await Promise.all(Array.from({ length: RESENDERS }, resend))
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
      await agent.destroy()
    },
  }
}
