/**
 * What SQL may name: one view a form, with columns called as its fields are, and those about all forms. Whatever is not in
 * this list is not there for whoever asks.
 */
import { sqlType } from '../engine/columns.ts'
import { EVENT_COLUMNS } from '../engine/event-columns.ts'
import type { ProjectedForm } from '../engine/projection.ts'
import { STAR_VIEWS } from '../engine/star.ts'

export interface ViewColumn {
  readonly name: string
  /** As the engine calls it. */
  readonly type: string
}

export interface View {
  readonly name: string
  readonly about: string
  readonly columns: readonly ViewColumn[]
  /** What it selects; `main` is the schema of the projection's own tables. */
  readonly select: (main: string) => string
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** About more than one form; their names come before those of forms. */
const SHARED: readonly View[] = [
  {
    name: 'forms',
    about: 'Forms that somebody has answered.',
    columns: [
      { name: 'id', type: 'VARCHAR' },
      { name: 'name', type: 'VARCHAR' },
      { name: 'version', type: 'INTEGER' },
    ],
    select: (main) => `SELECT id, name, version FROM ${main}.forms`,
  },
  {
    name: 'events',
    about: 'Behaviour events.',
    columns: Object.entries(EVENT_COLUMNS).map(([name, type]) => ({ name, type })),
    select: (main) => `SELECT ${Object.keys(EVENT_COLUMNS).map(quoted).join(', ')} FROM ${main}.events`,
  },
  ...Object.entries(STAR_VIEWS).map(([name, { about, columns }]): View => {
    const list = Object.entries(columns).map(([column, type]) => ({ name: column, type }))
    const typed = list.map((column) => `CAST(${quoted(column.name)} AS ${column.type}) AS ${quoted(column.name)}`)
    return { name, about, columns: list, select: (main) => `SELECT ${typed.join(', ')} FROM ${main}.${name}` }
  }),
]

const SHARED_NAMES: ReadonlySet<string> = new Set(SHARED.map(({ name }) => name))

/** All there are at the moment. The engine does not tell names apart by their case. */
export const viewsOf = (forms: Iterable<ProjectedForm>): readonly View[] => {
  const taken = new Set(SHARED_NAMES)
  return [...SHARED, ...[...forms].map((form) => viewOf(form, taken))]
}

function viewOf(form: ProjectedForm, taken: Set<string>): View {
  const columns: (ViewColumn & { readonly from: string })[] = []
  const names = new Set<string>()
  for (const { path, kind, name } of form.columns.values()) {
    const key = path.startsWith('data.') ? path.slice('data.'.length) : path.replace('.', '_')
    columns.push({ name: free(key, names), type: sqlType(kind), from: name })
  }
  return {
    name: free(form.id, taken),
    about: form.name,
    columns: columns.map(({ name, type }) => ({ name, type })),
    select: (main) =>
      `SELECT ${columns.map(({ from, name }) => `${from} AS ${quoted(name)}`).join(', ')} FROM ${main}.${form.table}`,
  }
}

/** The name itself, or with the first number behind it that nobody has. */
function free(name: string, taken: Set<string>): string {
  for (let n = 1; ; n += 1) {
    const tried = n === 1 ? name : `${name}_${n}`
    if (taken.has(tried.toLowerCase())) continue
    taken.add(tried.toLowerCase())
    return tried
  }
}

/** The statement that makes it for one connection; it leaves nothing in the file. */
export const createView = ({ name, select }: View, main: string): string =>
  `CREATE OR REPLACE TEMP VIEW ${quoted(name)} AS ${select(main)}`

export const dropView = (name: string): string => `DROP VIEW IF EXISTS temp.main.${quoted(name)}`
