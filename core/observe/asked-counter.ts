/** Counters that somebody else counts: asked when somebody scrapes, as gauges are. */
import { Counter } from 'prom-client'
import type { Registry } from 'prom-client'
import type { Logger } from './observe.ts'

interface CounterShape<Label extends string> {
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
}

/** Registers a counter whose sums `fill` gives anew at every scrape; one that throws is left out and logged. */
export function askedCounter({ registry, logger }: { readonly registry: Registry; readonly logger: Logger }) {
  return <Label extends string>(
    { name, help, labels }: CounterShape<Label>,
    fill: (add: (labels: Record<Label, string>, sum: number) => void) => void,
  ): void => {
    // oxlint-disable-next-line no-new -- prom-client registers in the constructor
    new Counter({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      collect() {
        this.reset()
        // Without labels a reset is a zero, which would say something where there is nothing to say.
        if (labels.length === 0) this.remove()
        try {
          fill((own, sum) => this.inc(own, sum))
        } catch (error) {
          logger.warn({ err: error, metric: name }, 'A metric could not be read')
        }
      },
    })
  }
}
