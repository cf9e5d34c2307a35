/** What the headline numbers of one form are made of, counted: each response is added and taken away by itself. */
import type { StoredRow } from '../engine/rows.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import { ExactSum } from './exact-sum.ts'
import { hasChoices } from '../engine/columns.ts'
import { askedOf } from './fields.ts'
import type { AnswerFacts, Asked, NumberSummary } from './fields.ts'
import { Ordered } from './ordered.ts'

/** What a map takes for an entry, about. */
const CHOICE_BYTES = 120

/** Columns whose answers are counted, in the form's order; others make other counts. */
export const shapeOf = (form: ProjectedForm): string =>
  JSON.stringify([form.table, askedOf(form).map(({ field, column }) => [column.name, column.kind, hasChoices(field)])])

interface FieldCounts {
  answered: number
  readonly choices: Map<string, number> | null
  readonly numbers: NumberCounts | null
}

class NumberCounts {
  readonly values = new Ordered()
  readonly #sum = new ExactSum()

  add(value: number, count: number): void {
    this.values.add(value, count)
    this.#sum.addTimes(value, count)
  }

  remove(value: number): void {
    this.values.remove(value)
    this.#sum.add(-value)
  }

  summary(): NumberSummary {
    const { size, min, max } = this.values
    return { min, max, median: this.values.quantile(0.5), ...this.#sum.of(size) }
  }
}

export class FormCounts implements AnswerFacts {
  readonly shape: string
  /** When completed ones were submitted. */
  readonly times = new Ordered()
  readonly durations = new Ordered()
  readonly last: number[]
  started = 0
  completed = 0
  readonly #fields: ReadonlyMap<string, FieldCounts>

  constructor(form: ProjectedForm) {
    const asked = askedOf(form)
    this.shape = shapeOf(form)
    this.last = Array.from({ length: asked.length + 1 }, () => 0)
    this.#fields = new Map(
      asked.map(({ field, column: { name, kind } }) => [
        name,
        {
          answered: 0,
          choices: hasChoices(field) ? new Map() : null,
          numbers: kind === 'number' ? new NumberCounts() : null,
        },
      ]),
    )
  }

  add(row: StoredRow): void {
    this.#count(row, 1)
  }

  /** Throws when it was never added: the counts are of no use then. */
  remove(row: StoredRow): void {
    this.#count(row, -1)
  }

  field(name: string): FieldCounts {
    const counts = this.#fields.get(name)
    if (counts === undefined) throw new Error(`the column "${name}" is not counted`)
    return counts
  }

  /** A number that so many completed responses gave. */
  addNumber(name: string, value: number, count: number): void {
    this.field(name).numbers?.add(value, count)
  }

  of({ column: { name } }: Asked): { answered: number; choices?: Map<string, number>; numbers?: NumberSummary } {
    const { answered, choices, numbers } = this.field(name)
    return {
      answered,
      ...(choices === null ? {} : { choices }),
      ...(numbers === null ? {} : { numbers: numbers.summary() }),
    }
  }

  /** What it takes in memory, about. */
  get bytes(): number {
    let sum = this.times.bytes + this.durations.bytes
    for (const { choices, numbers } of this.#fields.values())
      sum += (choices?.size ?? 0) * CHOICE_BYTES + (numbers?.values.bytes ?? 0)
    return sum
  }

  #count(row: StoredRow, sign: 1 | -1): void {
    this.started += sign
    if (!row.isCompleted) return this.#countPartial(row, sign)
    this.completed += sign
    count(this.times, row.submittedMs, sign)
    count(this.durations, row.durationS, sign)
    for (const [name, counts] of this.#fields) {
      const value = row.answers[name] ?? null
      if (value === null) continue
      counts.answered += sign
      if (counts.choices !== null) countChoices(counts.choices, Array.isArray(value) ? value : [value], sign)
      if (counts.numbers === null || typeof value !== 'number') continue
      if (sign === 1) counts.numbers.add(value, 1)
      else counts.numbers.remove(value)
    }
  }

  #countPartial({ answers }: StoredRow, sign: 1 | -1): void {
    const names = [...this.#fields.keys()]
    const place = names.findLastIndex((name) => (answers[name] ?? null) !== null) + 1
    this.last[place] = (this.last[place] ?? 0) + sign
  }
}

function count(numbers: Ordered, value: number | null, sign: 1 | -1): void {
  if (value === null) return
  if (sign === 1) numbers.add(value)
  else numbers.remove(value)
}

function countChoices(choices: Map<string, number>, values: readonly unknown[], sign: 1 | -1): void {
  for (const value of values) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') continue
    const text = String(value)
    const many = (choices.get(text) ?? 0) + sign
    if (many === 0) choices.delete(text)
    else choices.set(text, many)
  }
}
