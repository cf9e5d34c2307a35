/** SQL under construction: text with values apart, so nothing that anybody wrote is ever part of the text. */
import type { Value } from '../engine/database.ts'

export class Values {
  readonly list: Value[] = []

  /** The place that stands for the value. */
  add(value: Value): string {
    this.list.push(value)
    return `$${this.list.length}`
  }
}
