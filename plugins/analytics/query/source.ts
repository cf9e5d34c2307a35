/** What a question is about: the responses of a form, or one of the data sets of the star. */
import type { Column } from '../engine/columns.ts'
import type { ProjectedForm, Projection } from '../engine/projection.ts'
import { eventColumn } from '../engine/event-columns.ts'
import { DATA_SETS } from '../engine/star.ts'
import type { DataSetName } from '../engine/star.ts'

export interface Source {
  /** In messages: "is no field of …". */
  readonly what: string
  /** Table or view. */
  readonly table: string
  /** The column that a path means. */
  readonly column: (path: string) => Column | undefined
  /** Place of the log up to which it was told when it last changed: an answer stays right while this stays. */
  readonly changedAt: number
  /** The column that `from` and `to` are about. */
  readonly time: string
  /** Columns whose least and greatest bound all times of it. */
  readonly span: readonly string[]
  /** SQL: the row is whole; null where rows are never partial. */
  readonly isWhole: string | null
}

export const formSource = (form: ProjectedForm): Source => ({
  what: 'this form',
  table: form.table,
  column: (path) => form.columns.get(path) ?? form.columns.get(`data.${path}`),
  changedAt: form.changedAt,
  time: 'submitted_at',
  span: ['submitted_at', 'started_at'],
  isWhole: 'submitted_seq IS NOT NULL',
})

export function dataSetSource(name: DataSetName, projection: Pick<Projection, 'applied' | 'eventsChangedAt'>): Source {
  const { view, time, hasProperties, fields } = DATA_SETS[name]
  const own = new Map(Object.entries(fields).map(([field, kind]) => [field, { path: field, kind, name: field }]))
  const isProperty = (path: string): boolean => hasProperties && path.startsWith('properties.')
  return {
    what: `the data set "${name}"`,
    table: view,
    column: (path) => own.get(path) ?? (isProperty(path) ? eventColumn(path) : undefined),
    changedAt: name === 'responses' ? projection.applied() : projection.eventsChangedAt(),
    time,
    span: [...own.values()].filter(({ kind }) => kind === 'time').map(({ name: column }) => column),
    isWhole: name === 'responses' ? "status = 'completed'" : null,
  }
}
