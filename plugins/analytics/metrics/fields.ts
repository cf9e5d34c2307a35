/** What was answered, field by field: shares of choices, summaries of numbers, and where people left. */
import type { FieldInfo } from 'manifold/plugin'
import type { Column } from '../engine/columns.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import { leavingOf } from './completion.ts'
import type { Leaving, Watched } from './completion.ts'
import { share } from './numbers.ts'

export interface Choice {
  readonly value: string
  readonly label: string
  readonly count: number
  /** Of the completed responses that answered this field; several choices of one response can make more than 1 together. */
  readonly share: number | null
}

export interface NumberSummary {
  readonly average: number | null
  readonly min: number | null
  readonly max: number | null
  readonly median: number | null
  readonly sum: number | null
}

export interface FieldMetrics {
  readonly key: string
  readonly label: string
  readonly type: string
  /** Completed responses that answered it. */
  readonly answered: number
  /** Those who came as far as this field, and those of them who went no further: of responses, or of what the snippet saw. */
  readonly reached: number
  readonly left: number
  readonly dropOff: number | null
  readonly choices?: readonly Choice[]
  readonly numbers?: NumberSummary
}

/** A field of the newest version with the column that holds its answers. */
export interface Asked {
  readonly field: FieldInfo
  readonly column: Column
}

export const askedOf = ({ fields, columns }: Pick<ProjectedForm, 'fields' | 'columns'>): readonly Asked[] =>
  fields.flatMap((field): Asked[] => {
    const column = columns.get(`data.${field.key}`)
    return column === undefined ? [] : [{ field, column }]
  })

/** What is known of one field's completed responses. */
export interface FieldFacts {
  readonly answered: number
  readonly choices?: ReadonlyMap<string, number>
  readonly numbers?: NumberSummary
}

export interface AnswerFacts {
  /** That came to the end, of those whose last answers are counted. */
  readonly completed: number
  /** How many partial responses have their last answer at this place of the form, from 1 on; 0: none at all. */
  readonly last: readonly number[]
  of(asked: Asked): FieldFacts
}

export function fieldMetrics(
  asked: readonly Asked[],
  facts: AnswerFacts,
  watched: Watched | null,
): readonly FieldMetrics[] {
  return asked.map((each, n) => {
    const { field } = each
    const { answered, choices, numbers } = facts.of(each)
    const { reached, left } = watched === null ? leavingOfResponses(facts, n) : leavingOf(watched, field.key)
    return {
      key: field.key,
      label: field.label,
      type: field.type,
      answered,
      reached,
      left,
      dropOff: share(left, reached),
      ...(choices === undefined ? {} : { choices: choicesShown(each, choices, answered) }),
      ...(numbers === undefined ? {} : { numbers }),
    }
  })
}

/** Whoever answered the one before was shown this one; a completed response came to the end. */
const leavingOfResponses = ({ completed, last }: AnswerFacts, place: number): Leaving => ({
  reached: last.slice(place).reduce((sum, count) => sum + count, completed),
  left: last[place] ?? 0,
})

/** What is no choice of the form any more, at most so many. */
const FORMER_MAX = 200

/**
 * Those of the form in its order, also when nobody chose them; then what is no choice any more, the most frequent first, unless
 * it may have been written.
 */
function choicesShown(
  { field: { options = [] }, column: { isOpen } }: Asked,
  counted: ReadonlyMap<string, number>,
  answered: number,
): readonly Choice[] {
  const labels = new Map(options.map(({ value, label }) => [value, label]))
  const former = [...counted]
    .filter(([value]) => isOpen && !labels.has(value))
    .toSorted(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .slice(0, FORMER_MAX)
  return [...labels.keys(), ...former.map(([value]) => value)].map((value) => {
    const count = counted.get(value) ?? 0
    return { value, label: labels.get(value) ?? value, count, share: share(count, answered) }
  })
}
