/** What was answered, field by field: shares of choices, summaries of numbers, and where people left. */
import type { FieldInfo } from 'manifold/plugin'
import type { Column } from '../engine/columns.ts'
import type { Row } from '../engine/database.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import type { Ask } from '../engine/readers.ts'
import { numberOf, share } from './numbers.ts'

export interface Choice {
  readonly value: string
  readonly label: string
  readonly count: number
  /** Of the completed responses that answered this field; several choices of one response can make more than 1 together. */
  readonly share: number | null
}

export interface FieldMetrics {
  readonly key: string
  readonly label: string
  readonly type: string
  /** Completed responses that answered it. */
  readonly answered: number
  /** All responses, partial ones too, that came as far as this field; and those of them that went no further. */
  readonly reached: number
  readonly left: number
  readonly dropOff: number | null
  readonly choices?: readonly Choice[]
  readonly numbers?: {
    readonly average: number | null
    readonly min: number | null
    readonly max: number | null
    readonly median: number | null
    readonly sum: number | null
  }
}

const CHOICE_TYPES: ReadonlySet<string> = new Set(['select', 'radio', 'multi_select', 'boolean', 'rating'])
const CHOICES_MAX = 200

interface Asked {
  readonly field: FieldInfo
  readonly column: Column
}

export async function fieldMetrics(ask: Ask, form: ProjectedForm): Promise<readonly FieldMetrics[]> {
  const asked = form.fields.flatMap((field): Asked[] => {
    const column = form.columns.get(`data.${field.key}`)
    return column === undefined ? [] : [{ field, column }]
  })
  if (asked.length === 0) return []
  const [row = {}] = await ask(numbersSql(form, asked))
  const choices = await choicesOf(ask, form, asked)
  const last = await lastAnswers(ask, form, asked)
  return asked.map(({ field, column: { name, kind } }, n) => {
    const answered = Number(row[`${name}_answered`])
    // Whoever answered the one before was shown this one; a completed response came to the end.
    const reached = last.slice(n).reduce((sum, count) => sum + count, Number(row['completed']))
    const left = last[n] ?? 0
    const counted = choices.get(name)
    return {
      key: field.key,
      label: field.label,
      type: field.type,
      answered,
      reached,
      left,
      dropOff: share(left, reached),
      ...(counted === undefined ? {} : { choices: choicesShown(field, counted, answered) }),
      ...(kind === 'number' ? { numbers: summary(row, name) } : {}),
    }
  })
}

/** Completed responses in one pass. */
function numbersSql({ table }: ProjectedForm, asked: readonly Asked[]): string {
  const parts = asked.flatMap(({ column: { name, kind } }) => [
    `count(${name}) AS ${name}_answered`,
    ...(kind === 'number' ? ['avg', 'min', 'max', 'median', 'sum'].map((fn) => `${fn}(${name}) AS ${name}_${fn}`) : []),
  ])
  return `SELECT ${parts.join(', ')}, count(*) AS completed FROM ${table} WHERE submitted_seq IS NOT NULL`
}

/** How many partial responses have their last answer at this place; 0: none at all. */
async function lastAnswers(ask: Ask, { table }: ProjectedForm, asked: readonly Asked[]): Promise<readonly number[]> {
  const places = asked.map(({ column: { name } }, n) => `CASE WHEN ${name} IS NOT NULL THEN ${n + 1} END`)
  const rows = await ask(
    `SELECT greatest(0, ${places.join(', ')}) AS last, count(*) AS count FROM ${table} WHERE submitted_seq IS NULL GROUP BY 1`,
  )
  const counts = Array.from({ length: asked.length + 1 }, () => 0)
  for (const row of rows) counts[Number(row['last'])] = Number(row['count'])
  return counts
}

const summary = (row: Row, name: string): NonNullable<FieldMetrics['numbers']> => ({
  average: numberOf(row, `${name}_avg`),
  min: numberOf(row, `${name}_min`),
  max: numberOf(row, `${name}_max`),
  median: numberOf(row, `${name}_median`),
  sum: numberOf(row, `${name}_sum`),
})

async function choicesOf(
  ask: Ask,
  { table }: ProjectedForm,
  asked: readonly Asked[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, number>>> {
  const counted = new Map<string, Map<string, number>>()
  const parts = asked
    .filter(({ field }) => CHOICE_TYPES.has(field.type))
    .map(({ column: { name, kind } }) => {
      counted.set(name, new Map())
      const value = kind === 'list' ? `unnest(${name})` : `${name}`
      return `(SELECT '${name}' AS field, CAST(value AS VARCHAR) AS value, count(*) AS count
        FROM (SELECT ${value} AS value FROM ${table} WHERE submitted_seq IS NOT NULL) WHERE value IS NOT NULL
        GROUP BY 2 ORDER BY 3 DESC LIMIT ${CHOICES_MAX})`
    })
  if (parts.length === 0) return counted
  for (const row of await ask(parts.join(' UNION ALL ')))
    counted.get(String(row['field']))?.set(plain(String(row['value'])), Number(row['count']))
  return counted
}

/** A whole number of a rating is a DOUBLE to the engine. */
const plain = (value: string): string => value.replace(/\.0$/, '')

/** Those of the form in its order, also when nobody chose them; then what is no choice any more. */
function choicesShown(
  { options = [] }: FieldInfo,
  counted: ReadonlyMap<string, number>,
  answered: number,
): readonly Choice[] {
  const labels = new Map(options.map(({ value, label }) => [value, label]))
  const values = [...labels.keys(), ...[...counted.keys()].filter((value) => !labels.has(value))]
  return values.map((value) => {
    const count = counted.get(value) ?? 0
    return { value, label: labels.get(value) ?? value, count, share: share(count, answered) }
  })
}
