/** Forms and their versions. */
import { HubError } from '../../errors.ts'
import type { Field, Form, FormDefinition, WorkspaceId } from '../../model.ts'
import { all, first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { FormRow } from '../rows.ts'
import type { FormQuery } from '../store.ts'
import { newestFirst, olderThan, page, when, where } from '../where.ts'
import { append } from './events.ts'

const COLUMNS = 'workspace, id, version, definition, managed_by, created_at, updated_at'

/** The store's `saveForm` with its definition as text. */
export interface SaveForm {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly definition: string
  readonly managedBy: Form['managedBy']
  readonly at: string
  readonly eventId: string
  readonly mode: 'create' | 'update' | 'upsert'
  readonly basedOn?: number | undefined
}

/** The saved row; `seq` and `payload` of its event when something changed. */
export interface SavedForm {
  readonly row: FormRow
  readonly event: { readonly seq: number; readonly data: string } | null
}

/** One text for equal definitions, whatever the order of keys they came with. */
export function definitionText(definition: FormDefinition): string {
  const { name, fields, access, unknownFields, redirectUrl, honeypotField, timezone } = definition
  const plain = { name, fields: fields.map(plainField), access, unknownFields, redirectUrl, honeypotField, timezone }
  return JSON.stringify(plain)
}

function plainField({ key, label, type, required, pii, options, min, max, help }: Field): object {
  const plainOptions = options.map(({ value, label: optionLabel }) => ({ value, label: optionLabel }))
  return { key, label, type, required, pii, options: plainOptions, min, max, help }
}

/** Creates or changes a form, keeps the version, and logs `form.changed` when something differs. */
export function* saveForm(input: SaveForm): Procedure<SavedForm> {
  const { workspace, id, definition, managedBy, at, mode, basedOn } = input
  const before = yield* first<FormRow>(`SELECT ${COLUMNS} FROM forms WHERE workspace = ? AND id = ?`, [workspace, id])
  if (before !== undefined && mode === 'create')
    throw new HubError('conflict', `A form with the id "${id}" exists already.`)
  if (before === undefined && mode === 'update') throw new HubError('not_found', `There is no form "${id}".`)
  if (before !== undefined && basedOn !== undefined && before.version !== basedOn)
    throw new HubError(
      'conflict',
      `The form "${id}" was changed meanwhile: it is version ${before.version} now, not ${basedOn}. Read it again, and change that.`,
    )
  if (before === undefined) yield* refuseWhileErasing(workspace, id)
  if (before !== undefined && before.definition === definition && before.managed_by === managedBy) {
    return { row: before, event: null }
  }
  const row: FormRow = {
    workspace,
    id,
    version: (before?.version ?? 0) + 1,
    definition,
    managed_by: managedBy,
    created_at: before?.created_at ?? at,
    updated_at: at,
  }
  const values = [workspace, id, row.version, definition, managedBy, row.created_at, at]
  yield* run(
    `INSERT INTO forms (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (workspace, id) DO UPDATE SET version = excluded.version, definition = excluded.definition,
        managed_by = excluded.managed_by, updated_at = excluded.updated_at`,
    values,
  )
  yield* run(`INSERT INTO form_versions (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`, values)
  const data = JSON.stringify({ form_id: id, version: row.version, created: before === undefined })
  const event = { id: input.eventId, type: 'form.changed', at, formId: id, responseId: null, hops: 0, data }
  const seq = yield* append(workspace, [event])
  return { row, event: { seq, data } }
}

function* refuseWhileErasing(workspace: WorkspaceId, id: string): Procedure<void> {
  const erasing = yield* first('SELECT form_id FROM erasures WHERE workspace = ? AND form_id = ?', [workspace, id])
  if (erasing === undefined) return
  throw new HubError('conflict', `The form "${id}" is still being deleted; try again in a moment or take another id.`)
}

/** One form by its id. */
export function* getForm(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<FormRow | undefined> {
  return yield* first<FormRow>(`SELECT ${COLUMNS} FROM forms WHERE workspace = ? AND id = ?`, [
    input.workspace,
    input.id,
  ])
}

/** A page in the order of ids, or of when they were made. */
export function* listForms(input: {
  readonly workspace: WorkspaceId
  readonly query: FormQuery
}): Procedure<{ readonly rows: readonly FormRow[]; readonly next: string | null }> {
  const { limit, after, order } = input.query
  const isNewest = order === 'newest'
  const { sql, params } = where([
    ['workspace = ?', input.workspace],
    isNewest ? olderThan(after, 'created_at') : when('id > ?', after),
  ])
  const by = isNewest ? 'created_at DESC, id DESC' : 'id'
  const rows = yield* all<FormRow>(`SELECT ${COLUMNS} FROM forms WHERE ${sql} ORDER BY ${by} LIMIT ?`, [
    ...params,
    limit + 1,
  ])
  return page(rows, limit, (row) => (isNewest ? newestFirst(row) : row.id))
}

/** All versions, oldest first. */
export function* listFormVersions(input: {
  readonly workspace: WorkspaceId
  readonly id: string
}): Procedure<readonly FormRow[]> {
  return yield* all<FormRow>(`SELECT ${COLUMNS} FROM form_versions WHERE workspace = ? AND id = ? ORDER BY version`, [
    input.workspace,
    input.id,
  ])
}
