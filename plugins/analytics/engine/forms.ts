/** Forms by their ids: as their responses made them, or, where nobody has answered one yet, as the hub has it. */
import type { FormPage, FormPart, NativeServices } from 'manifold/plugin'
import { hasChoices, kindOf, RESPONSE_COLUMNS, sqlType } from './columns.ts'
import type { Column } from './columns.ts'
import type { ProjectedForm, Projection } from './projection.ts'

export interface Forms {
  /** Undefined: there is no such form. */
  find(id: string): Promise<ProjectedForm | undefined>
  /** All that there are, answered or not, page by page. */
  list(query: { after: string | null; limit: number }): Promise<FormPage>
}

export function openForms(projection: Pick<Projection, 'form' | 'applied'>, hub: NativeServices['forms']): Forms {
  return {
    find: async (id) => {
      const known = projection.form(id)
      if (known !== undefined) return known
      const form = await hub.find(id)
      return form === null ? undefined : unanswered(form, projection.applied())
    },
    list: (query) => hub.list(query),
  }
}

/** What it will have, and not one row of it. `applied`: the place of the log that is told of it at least. */
export function unanswered(
  { id, name, version, fields, timezone, hidden = [] }: FormPart,
  applied: number,
): ProjectedForm {
  const shown = fields.filter(({ key }) => !hidden.includes(key))
  const own = shown.map((field, n): Column => {
    const [path, kind] = [`data.${field.key}`, kindOf(field)]
    return { path, kind, name: `f${n + 1}`, isOpen: hasChoices(field), isPii: field.pii }
  })
  const columns = [...RESPONSE_COLUMNS, ...own]
  const typed = [
    ...columns.map(({ name: column, kind }) => `NULL::${sqlType(kind)} AS ${column}`),
    'NULL::BIGINT AS started_seq',
    'NULL::BIGINT AS submitted_seq',
  ]
  return {
    id,
    name,
    version,
    table: `(SELECT ${typed.join(', ')} WHERE false)`,
    fields: shown,
    timezone: timezone ?? null,
    hidden: new Set(hidden),
    columns: new Map(columns.map((column) => [column.path, column])),
    // No answered form is ever there: what is kept of this one is kept apart, and until the log says more.
    changedAt: -applied,
    // Nobody else is told that it changes.
    changedBy: '',
    isUnanswered: true,
  }
}
