/** What a question is about: the responses of a form, or one of the data sets of the star. */
import type { Column } from '../engine/columns.ts'
import type { ProjectedForm, Projection } from '../engine/projection.ts'
import { eventColumn, starColumn } from '../engine/event-columns.ts'
import { DATA_SETS } from '../engine/star.ts'
import type { DataSetName } from '../engine/star.ts'

export interface Source {
  /** Why a path means no column, in a sentence that begins with it. */
  readonly absent: (path: string) => string
  /** Table or view. */
  readonly table: string
  /** The column that a path means. */
  readonly column: (path: string) => Column | undefined
  /** Place of the log up to which it was told when it last changed: an answer stays right while this stays. */
  readonly changedAt: number
  /** Id of the event that changed it last, the same in every process. */
  readonly changedBy: string
  /** Place of the log that it was looked up at. */
  readonly asOf: number
  /** The column that `from` and `to` are about. */
  readonly time: string
  /** Its rows are made of single behaviour events; `history`: what each is depends on all that was before. */
  readonly ofEvents: 'history' | 'period' | null
  /** Fields that depend on all that was before where rows do not. */
  readonly historic: readonly string[]
  /** SQL: the row is whole; null where rows are never partial. */
  readonly isWhole: string | null
}

/** What is private, and was not granted, is told apart from what does not exist. */
const absentOf = ({ hidden }: ProjectedForm, path: string): string => {
  const name = `"${path.slice(0, 200)}"`
  return hidden.has(path.replace(/^data\./, ''))
    ? `${name} is marked pii, and analytics was not granted it: "pii" of the installation in manifold.yaml does`
    : `${name} is no field of this form`
}

export const formSource = (form: ProjectedForm, asOf: number): Source => ({
  absent: (path) => absentOf(form, path),
  table: form.table,
  column: (path) => form.columns.get(path) ?? form.columns.get(`data.${path}`) ?? form.columns.get(`response.${path}`),
  changedAt: form.changedAt,
  changedBy: form.changedBy,
  asOf,
  time: 'submitted_at',
  ofEvents: null,
  historic: [],
  isWhole: 'submitted_seq IS NOT NULL',
})

/** What is kept of an event in place of what was sent. */
const insteadOf = (path: string): string => (/(?:^|\.)referrer$/.test(path) ? '; its host is "referrer_host"' : '')

export function dataSetSource(
  name: DataSetName,
  projection: Pick<Projection, 'applied' | 'forms' | 'lastId' | 'eventsChangedAt' | 'eventsChangedBy'>,
): Source {
  const dataSet = DATA_SETS[name]
  const { view, time, hasProperties, fields } = dataSet
  const own = new Map(Object.entries(fields).map(([field, kind]) => [field, starColumn(field, kind)]))
  const isProperty = (path: string): boolean => hasProperties && path.startsWith('properties.')
  return {
    absent: (path) => `"${path}" is no field of the data set "${name}"${insteadOf(path)}`,
    table: view,
    column: (path) => own.get(path) ?? (isProperty(path) ? trackedColumn(path, projection) : undefined),
    asOf: projection.applied(),
    changedAt: name === 'responses' ? projection.applied() : projection.eventsChangedAt(),
    changedBy: name === 'responses' ? projection.lastId() : projection.eventsChangedBy(),
    time,
    ofEvents: name === 'responses' ? null : name === 'users' ? 'history' : 'period',
    historic: 'historic' in dataSet ? dataSet.historic : [],
    isWhole: name === 'responses' ? "status = 'completed'" : null,
  }
}

/** Of behaviour events. A property that is called as a private field of some form may hold its answers. */
export function trackedColumn(path: string, { forms }: Pick<Projection, 'forms'>): Column | undefined {
  const column = eventColumn(path)
  const [of, key = ''] = path.split('.')
  if (column === undefined || of !== 'properties') return column
  const isPii = [...forms()].some(({ columns }) => columns.get(`data.${key}`)?.isPii === true)
  return { ...column, isPii }
}
