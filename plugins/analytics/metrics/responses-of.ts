/** The responses of many forms as one table of SQL. */
import type { ProjectedForm } from '../engine/projection.ts'
import { sqlText } from '../engine/sql-text.ts'

type Form = Pick<ProjectedForm, 'id' | 'table'>

/** What all of them say of when they were begun and sent. */
export const responsesOf = (forms: readonly Form[]): string =>
  `(${forms.map(({ id, table }) => `SELECT ${sqlText(id)} AS form_id, ${COLUMNS} FROM ${table}`).join(' UNION ALL ')})`

const COLUMNS = 'started_at, submitted_at, duration_s, submitted_seq'
