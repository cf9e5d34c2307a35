/** The log: one JSON object a line on stderr, written by pino, with every field and message scrubbed first. */
import { pino } from 'pino'
import type { Logger as PinoLogger } from 'pino'
import type { Logger } from './observe.ts'
import { scrubFields, scrubText } from './scrub.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Where lines go; `process.stderr` unless a test catches them. */
export interface LogSink {
  write(line: string): void
}

export interface OpenLog {
  readonly logger: Logger
  /** Writes out what is still buffered; called last at shutdown. */
  flush(): void
}

/** Opens the log. Lines look like `{"level":"info","time":"…Z","installation":"crm","msg":"…"}`. */
export function openLog(options: { level: LogLevel; sink?: LogSink }): OpenLog {
  // Asynchronous, so that a slow reader of stderr never stalls a request; pino flushes when the process exits.
  const stream = options.sink === undefined ? pino.destination({ dest: 2, sync: false }) : null
  const root = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      // Errors come flattened by the scrubber; pino must not unfold them again.
      serializers: { err: (shown: unknown) => shown },
      formatters: { level: (label) => ({ level: label }) },
    },
    stream ?? (options.sink as LogSink),
  )
  return { logger: scrubbing(root), flush: () => stream?.flushSync() }
}

function scrubbing(inner: PinoLogger): Logger {
  const say = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (inner.isLevelEnabled(level)) inner[level](scrubFields(fields), '%s', scrubText(message))
  }
  return {
    debug: say('debug'),
    info: say('info'),
    warn: say('warn'),
    error: say('error'),
    child: (fields) => scrubbing(inner.child(scrubFields(fields))),
  }
}
