/** A client of server-sent events, as the standard has them: remembers the last id, tells comments apart. */
import { until } from './wait.ts'

export interface StreamEvent {
  readonly id: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface StreamOptions {
  readonly key: string
  readonly query?: string
  readonly lastEventId?: string
}

export interface Stream extends AsyncDisposable {
  readonly status: number
  readonly headers: Headers
  readonly events: readonly StreamEvent[]
  readonly comments: readonly string[]
  /** What a reconnect would send. */
  readonly lastId: string
  /** The whole answer when it was no stream. */
  readonly refusal: string
  /** Resolves when the server or the network ended it. */
  readonly ended: Promise<void>
  /** Waits until so many events came. */
  reached(count: number): Promise<readonly StreamEvent[]>
}

export async function openStream(url: string, { key, query = '', lastEventId }: StreamOptions): Promise<Stream> {
  const abort = new AbortController()
  const answer = await fetch(`${url}/api/v2/stream${query}`, {
    signal: abort.signal,
    headers: {
      authorization: `Bearer ${key}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
  })
  const events: StreamEvent[] = []
  const comments: string[] = []
  let lastId = lastEventId ?? ''
  const isStream = answer.headers.get('content-type')?.startsWith('text/event-stream') === true
  const hear = (block: string): void => {
    const fields: Record<string, string> = {}
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? []
      if (name === '') comments.push(value)
      else fields[name] = value
    }
    lastId = fields['id'] ?? lastId
    if (fields['data'] !== undefined)
      events.push({ id: lastId, event: fields['event'] ?? '', data: JSON.parse(fields['data']) as StreamEvent['data'] })
  }
  const read = async (): Promise<void> => {
    let text = ''
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const blocks = (text + chunk).split('\n\n')
      text = blocks.pop() ?? ''
      blocks.forEach(hear)
    }
  }
  const refusal = isStream ? '' : await answer.text()
  const ended = isStream ? read().catch(() => undefined) : Promise.resolve()
  return {
    status: answer.status,
    headers: answer.headers,
    events,
    comments,
    get lastId() {
      return lastId
    },
    refusal,
    ended,
    reached: async (count) => {
      await until(`${count} events of the stream`, () => events.length >= count)
      return events
    },
    [Symbol.asyncDispose]: async () => {
      abort.abort()
      await ended
    },
  }
}
