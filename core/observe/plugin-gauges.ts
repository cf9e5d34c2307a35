/** What plugins use, by installation: counted by the accounts, asked when somebody scrapes. */
import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { BREACHES } from '../accounting/cost.ts'
import { RUN_OUTCOMES } from '../accounting/usage.ts'
import type { Usage } from '../accounting/usage.ts'
import { RUN_KINDS } from '../model.ts'
import { askedCounter } from './asked-counter.ts'
import type { Logger } from './observe.ts'

const MS_PER_SECOND = 1_000

interface PluginGaugeOptions {
  readonly registry: Registry
  readonly logger: Logger
  /** By key (`workspace/id`), of those that run in this process. */
  readonly usage: () => ReadonlyMap<string, Usage>
}

/** Registers `manifold_plugin_*`, before any plugin can name a counter of its own. */
export function registerPluginGauges({ registry, logger, usage }: PluginGaugeOptions): void {
  const counter = askedCounter({ registry, logger })
  const each = (tell: (installation: string, used: Usage) => void): void => {
    for (const [key, used] of usage()) tell(key.slice(key.indexOf('/') + 1), used)
  }
  const single = (name: string, help: string, of: (used: Usage) => number): void =>
    counter({ name, help, labels: ['installation'] }, (add) =>
      each((installation, used) => add({ installation }, of(used))),
    )
  single(
    'manifold_plugin_cpu_seconds_total',
    'CPU time of plugin code, loading included',
    ({ cpuMs }) => cpuMs / MS_PER_SECOND,
  )
  single('manifold_plugin_wall_seconds_total', 'Time of runs, waiting included', ({ wallMs }) => wallMs / MS_PER_SECOND)
  single('manifold_plugin_host_ops_total', 'Calls of capabilities, without those for http', ({ hostOps }) => hostOps)
  single('manifold_plugin_http_calls_total', 'Requests asked for by runs', ({ httpCalls }) => httpCalls)
  counter(
    {
      name: 'manifold_plugin_runs_total',
      help: 'Runs in the sandbox by kind and outcome',
      labels: ['installation', 'kind', 'outcome'],
    },
    (add) =>
      each((installation, { runs }) => {
        for (const kind of RUN_KINDS)
          for (const outcome of RUN_OUTCOMES)
            if (runs[kind][outcome] > 0) add({ installation, kind, outcome }, runs[kind][outcome])
      }),
  )
  counter(
    {
      name: 'manifold_plugin_breaches_total',
      help: 'Limits that runs broke, and processes that were killed for it',
      labels: ['installation', 'limit'],
    },
    (add) =>
      each((installation, { breaches }) => {
        for (const limit of BREACHES) if (breaches[limit] > 0) add({ installation, limit }, breaches[limit])
      }),
  )
  const gauge = (name: string, help: string, of: (used: Usage) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['installation'],
      registers: [registry],
      collect() {
        this.reset()
        each((installation, used) => this.set({ installation }, of(used)))
      },
    })
  gauge('manifold_plugin_points', 'Points left; none left is a pause', ({ points }) => points)
  gauge('manifold_plugin_heap_bytes', 'Heap of the isolate when it was measured last', ({ heapBytes }) => heapBytes)
}
