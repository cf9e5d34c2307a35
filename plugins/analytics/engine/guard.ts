/** Ends what the engine does for a question: when it takes too long, too much, or nobody waits for it any more. */
import type { DuckDBConnection } from '@duckdb/node-api'

/** Took longer, or more, than it may. */
export class TooSlow extends Error {
  override readonly name = 'TooSlow'
}

export interface Bounds {
  /** Whoever asks has gone, or the time of their request is over. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** What the process may grow by. */
  readonly memoryMb?: number
}

/** Throws TooSlow once it is over: to be called between steps that take long. */
export type InTime = () => void

/** How often it is looked; an interrupt that comes between two statements ends neither, so it is repeated as often. */
const LOOK_EVERY_MS = 50
const BYTES_PER_MB = 2 ** 20

/** What `work` throws is thrown on, but for what only says that it was ended. */
export async function guarded<T>(
  connection: Pick<DuckDBConnection, 'interrupt'>,
  { signal, timeoutMs, memoryMb }: Bounds,
  work: (inTime: InTime) => Promise<T>,
): Promise<T> {
  const startedMs = performance.now()
  const bytesMax = memoryMb === undefined ? Infinity : process.memoryUsage.rss() + memoryMb * BYTES_PER_MB
  let why: string | null = null
  const look = (): void => {
    const tookMs = performance.now() - startedMs
    if (tookMs > timeoutMs) why ??= `the question takes longer than ${timeoutMs} ms`
    else if (signal.aborted) why ??= `${endOf(signal)}, after ${Math.round(tookMs)} ms of it`
    else if (process.memoryUsage.rss() > bytesMax) why ??= `the question takes more than ${memoryMb} MB of memory`
    if (why !== null) connection.interrupt()
  }
  const inTime = (): void => {
    look()
    if (why !== null) throw new TooSlow(why)
  }
  const looking = setInterval(look, LOOK_EVERY_MS)
  signal.addEventListener('abort', look)
  try {
    inTime()
    return await work(inTime)
  } catch (error) {
    throw why === null ? error : new TooSlow(why)
  } finally {
    clearInterval(looking)
    signal.removeEventListener('abort', look)
  }
}

/** The signal of a run fires when its time is up, or when whoever asked has gone. */
const endOf = ({ reason }: AbortSignal): string =>
  reason instanceof DOMException && reason.name === 'TimeoutError'
    ? 'the request has no time left for the question'
    : 'nobody waits for the answer any more'
