/** Which columns a response has, and what stands in each: the admin's list, or each field of the form by its label. */
import mustache from 'mustache'
import { flatWords } from 'manifold/plugin'
import type { FieldInfo, HubEvent, Json } from 'manifold/plugin'
import { textOf } from './cells.ts'
import type { CellType } from './cells.ts'
import type { Config } from './types.d.ts'

/** One column: found by its header, filled from the event. */
export interface Column {
  readonly header: string
  readonly type: CellType
  readonly value: (event: RowEvent) => Json | undefined
}

/** What a row is made of. */
export type RowEvent = Pick<HubEvent, 'id' | 'at' | 'data' | 'form' | 'response' | 'meta'> & {
  /** The row is recognised by it, not by the event: installations that share a tab bring a row each for one event. */
  readonly deliveryId: string
}

const SUBMITTED_AT = 'Submitted at'
const ONE_TAG = /^\s*\{\{\{?&?\s*([\w$-]+(?:\.[\w$-]+)*)\s*\}?\}\}\s*$/
const TYPES: { readonly [type: string]: CellType | undefined } = {
  number: 'number',
  rating: 'number',
  boolean: 'boolean',
  date: 'date',
  datetime: 'datetime',
}

/** The id column is always the first: it is never empty, so the table that Google looks for begins in it. */
export function columnsOf(config: Pick<Config, 'columns' | 'idHeader'>, form: RowEvent['form']): readonly Column[] {
  const id: Column = { header: config.idHeader.trim(), type: 'text', value: (event) => event.deliveryId }
  const taken = new Set([id.header])
  const rest =
    config.columns?.map(({ header, value, type }) => ({ header: header.trim(), type, value: valueOf(value) })) ??
    formColumns(form)
  return [id, ...rest.filter(({ header }) => !taken.has(header) && taken.add(header))]
}

/** Of fields with the same label the first keeps it, the others add their key: no two share a column. */
function formColumns(form: RowEvent['form']): readonly Column[] {
  const submitted: Column = {
    header: SUBMITTED_AT,
    type: 'datetime',
    value: ({ response, at }) => response?.submittedAt ?? at,
  }
  const columns = [submitted]
  const labels = new Set([submitted.header])
  for (const field of form?.fields ?? []) {
    const label = field.label.trim() === '' ? field.key : field.label.trim()
    const header = labels.has(label) ? `${label} (${field.key})` : label
    labels.add(header)
    columns.push(fieldColumn(field, header))
  }
  return columns
}

const fieldColumn = ({ key, type }: FieldInfo, header: string): Column => ({
  header,
  type: TYPES[type] ?? 'text',
  value: ({ data = {} }) => (Object.hasOwn(data, key) ? data[key] : undefined),
})

/**
 * One tag alone keeps the answer's type; anything else renders to text, with nothing escaped. `data.x` and `answers` are the
 * answers themselves as `textOf` writes them (a choice is its value, a list "a, b"), not `flatWords`: a sheet is calculated
 * with, and rows that are there would stand beside others. Whoever wants labels says `texts.x`.
 */
function valueOf(template: string): Column['value'] {
  const path = ONE_TAG.exec(template)?.[1]?.split('.')
  if (path !== undefined) return (event) => find(viewOf(event), path)
  mustache.parse(template)
  return (event) => mustache.render(template, viewOf(event), undefined, { escape: (value: Json) => textOf(value) })
}

const viewOf = ({ id, at, data = {}, form, response, meta = {} }: RowEvent) => ({
  data,
  answers: answersOf(form?.fields ?? [], data),
  ...flatWords({ data, form, response }),
  meta,
  event: { id, at },
  form: form === undefined ? {} : { id: form.id, name: form.name, version: form.version },
  response:
    response === undefined
      ? {}
      : {
          id: response.id,
          status: response.status,
          started_at: response.startedAt,
          submitted_at: response.submittedAt,
        },
})

/** The answers in the form's order with their questions. */
const answersOf = (fields: readonly FieldInfo[], data: { readonly [key: string]: Json }): readonly Json[] =>
  fields
    .filter(({ key }) => Object.hasOwn(data, key))
    .map(({ key, label, type }) => ({ key, label, type, value: data[key] as Json }))

/** Own properties only. */
function find(view: unknown, path: readonly string[]): Json | undefined {
  let value = view
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as { [name: string]: unknown })[name]
  }
  return value as Json | undefined
}
