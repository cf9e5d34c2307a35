/** Opens the log and the numbers of one process. Made once by the composition root and handed to every room. */
import { Registry, collectDefaultMetrics } from 'prom-client'
import { openLog } from './log.ts'
import type { LogLevel, LogSink } from './log.ts'
import { openMeter, registerGauges } from './meter.ts'
import type { GaugeSources } from './meter.ts'
import type { Counters, Logger } from './observe.ts'

export type { GaugeSources } from './meter.ts'

/** The log, the meter and the text of `/metrics`. */
export interface Observe {
  readonly logger: Logger
  readonly meter: Counters
  /** Content type of `metricsText`. */
  readonly metricsType: string
  /** Asked at every scrape; may be called again as rooms come up, later sources replace earlier ones of the same name. */
  gauges(sources: GaugeSources): void
  metricsText(): Promise<string>
  /** Writes out the last log lines. */
  close(): void
}

/** `sink` catches log lines in tests; otherwise they go to stderr. */
export function openObserve(options: { level: LogLevel; sink?: LogSink }): Observe {
  const log = openLog(options)
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'manifold_', eventLoopMonitoringPrecision: 20 })
  const meter = openMeter(registry)
  let sources: GaugeSources = {}
  registerGauges({ registry, sources: () => sources, logger: log.logger })
  return {
    logger: log.logger,
    meter,
    metricsType: registry.contentType,
    gauges: (more) => {
      sources = { ...sources, ...more }
    },
    metricsText: () => registry.metrics(),
    close: () => log.flush(),
  }
}
