/** Connections to Redis for tests, closed when the test ends, with what they logged. */
import { connectRedis } from '../../core/cache/redis/connection.ts'
import type { RedisConnection } from '../../core/cache/redis/connection.ts'
import { systemClock } from '../../core/clock.ts'
import type { Logger } from '../../core/observe/observe.ts'

/** As the product waits. */
export const USUAL_MS = 100

export interface TestConnection extends RedisConnection, AsyncDisposable {
  /** Level, message and fields of each line, as JSON. */
  readonly lines: readonly string[]
}

/** More than any answer of a healthy server takes on a busy machine. */
const PATIENT_MS = 10_000

/** As one process of a fleet would connect, but more patient unless told otherwise. */
export async function connect(url: string, answerTimeoutMs = PATIENT_MS): Promise<TestConnection> {
  const lines: string[] = []
  const record = (level: string) => (fields: object, message: string) =>
    void lines.push(JSON.stringify({ level, message, ...fields }))
  const logger: Logger = {
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
    child: () => logger,
  }
  const connection = await connectRedis({ url, clock: systemClock, logger, answerTimeoutMs })
  return { ...connection, lines, [Symbol.asyncDispose]: () => connection.close() }
}
