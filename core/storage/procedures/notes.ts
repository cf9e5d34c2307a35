/** Notes that were written to responses. They go with the response. */
import { HubError } from '../../errors.ts'
import type { WorkspaceId } from '../../model.ts'
import { all, first, run } from '../procedure.ts'
import type { Procedure } from '../procedure.ts'
import type { NoteRow } from '../rows.ts'
import type { NewNote } from '../store.ts'

/** False when there is no such response; throws `conflict` when it has as many as it may. */
export function* addNote(input: { readonly note: NewNote; readonly notesMax: number }): Procedure<boolean> {
  const { workspace, responseId, id, author, at, text } = input.note
  const found = yield* first('SELECT id FROM responses WHERE workspace = ? AND id = ?', [workspace, responseId])
  if (found === undefined) return false
  const row = yield* first<{ n: number }>(
    'SELECT count(*) AS n FROM response_notes WHERE workspace = ? AND response_id = ?',
    [workspace, responseId],
  )
  if (Number(row?.n ?? 0) >= input.notesMax)
    throw new HubError('conflict', `The response has ${input.notesMax} notes already; no more are taken.`)
  yield* run('INSERT INTO response_notes (workspace, response_id, id, author, at, note) VALUES (?, ?, ?, ?, ?, ?)', [
    workspace,
    responseId,
    id,
    author,
    at,
    text,
  ])
  return true
}

/** All of one response, oldest first. */
export function* listNotes(input: {
  readonly workspace: WorkspaceId
  readonly responseId: string
}): Procedure<readonly NoteRow[]> {
  return yield* all<NoteRow>(
    'SELECT id, author, at, note FROM response_notes WHERE workspace = ? AND response_id = ? ORDER BY id',
    [input.workspace, input.responseId],
  )
}
