/**
 * Prometheus metrics whose recording costs a map look-up and an addition: prom-client validates and hashes labels on
 * every call, which on the way of a submission is dearer than the work it counts. They are turned into prom-client's
 * form only when somebody scrapes.
 */
import { Counter, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

/** More label sets than this are counted under `other`: no sender or plugin can grow the registry without bound. */
const SERIES_MAX = 2_000
const SEPARATOR = '\u0000'

interface TallyOptions<Label extends string> {
  readonly registry: Registry
  readonly name: string
  readonly help: string
  readonly labels: readonly Label[]
}

/** A counter; label values are given in the order of `labels`. */
export class TallyCounter<Label extends string> {
  readonly #sums = new Map<string, number>()
  readonly #labels: readonly Label[]

  constructor(options: TallyOptions<Label>) {
    this.#labels = options.labels
    const sums = this.#sums
    const labels = options.labels
    // oxlint-disable-next-line no-new -- prom-client registers in the constructor
    new Counter({
      name: options.name,
      help: options.help,
      labelNames: labels,
      registers: [options.registry],
      collect() {
        this.reset()
        for (const [key, sum] of sums) {
          if (labels.length === 0) this.inc(sum)
          else this.inc(labelsOf(labels, key), sum)
        }
      },
    })
  }

  add(by: number, first = '', second?: string): void {
    const key = second === undefined ? first : first + SEPARATOR + second
    const sum = this.#sums.get(key)
    if (sum !== undefined) this.#sums.set(key, sum + by)
    else if (this.#sums.size < SERIES_MAX) this.#sums.set(key, by)
    else this.#addToRest(by)
  }

  #addToRest(by: number): void {
    const rest = this.#labels.map(() => 'other').join(SEPARATOR)
    this.#sums.set(rest, (this.#sums.get(rest) ?? 0) + by)
  }
}

interface Series {
  readonly buckets: Float64Array
  sum: number
  count: number
}

/** A histogram with one label. */
export class TallyHistogram<Label extends string> extends Histogram<Label> {
  readonly #series = new Map<string, Series>()
  readonly #bounds: readonly number[]
  readonly #options: TallyOptions<Label>

  constructor(options: TallyOptions<Label> & { readonly bounds: readonly number[] }) {
    super({
      name: options.name,
      help: options.help,
      labelNames: options.labels,
      buckets: [...options.bounds],
      registers: [options.registry],
    })
    this.#options = options
    this.#bounds = options.bounds
  }

  record(value: number, label: string): void {
    const series = this.#series.get(label) ?? this.#open(label)
    series.sum += value
    series.count += 1
    const bounds = this.#bounds
    let slot = 0
    while (slot < bounds.length && value > (bounds[slot] as number)) slot += 1
    series.buckets[slot] = (series.buckets[slot] as number) + 1
  }

  #open(label: string): Series {
    const key = this.#series.size < SERIES_MAX ? label : 'other'
    const series = this.#series.get(key) ?? { buckets: new Float64Array(this.#bounds.length + 1), sum: 0, count: 0 }
    this.#series.set(key, series)
    return series
  }

  /** What the registry asks for, in place of prom-client's own store of observations. */
  async getForPromString() {
    const { name, help, labels } = this.#options
    const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = []
    for (const [key, series] of this.#series) {
      const own = labelsOf(labels, key)
      let running = 0
      for (const [slot, bound] of this.#bounds.entries()) {
        running += series.buckets[slot] as number
        values.push({ metricName: `${name}_bucket`, labels: { le: bound, ...own }, value: running })
      }
      values.push({ metricName: `${name}_bucket`, labels: { le: '+Inf', ...own }, value: series.count })
      values.push({ metricName: `${name}_sum`, labels: own, value: series.sum })
      values.push({ metricName: `${name}_count`, labels: own, value: series.count })
    }
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
}

function labelsOf<Label extends string>(labels: readonly Label[], key: string): Record<Label, string> {
  const parts = key.split(SEPARATOR)
  return Object.fromEntries(labels.map((label, index) => [label, parts[index] ?? ''])) as Record<Label, string>
}
