/** SQL under construction: text with values apart, so nothing that anybody wrote is ever part of the text. */
import type { DuckDBValue } from '@duckdb/node-api'

export class Values {
  readonly list: DuckDBValue[] = []

  /** The place that stands for the value. */
  add(value: DuckDBValue): string {
    this.list.push(value)
    return `$${this.list.length}`
  }
}
