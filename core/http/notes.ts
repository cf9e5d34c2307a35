/** `/api/v2/responses/{id}/notes`: what people and programs write to a response. Deleted with it. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { newId } from '../ids.ts'
import { LIMITS } from '../limits.ts'
import type { ResponseNote } from '../model.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { pageOf } from './paging.ts'
import { noResponse } from './responses.ts'
import { json, readBodyAs } from './route.ts'
import type { Route } from './route.ts'

const noteSchema = z
  .object({
    id: z.string(),
    response_id: z.string(),
    author: z.string().openapi({ description: 'Name of the key that it came with.' }),
    at: z.string(),
    text: z.string(),
  })
  .openapi('Note')

const noteBody = z.strictObject({ text: z.string().trim().min(1).max(LIMITS.noteCharsMax) })

const noteWire = (responseId: string, { id, author, at, text }: ResponseNote): z.output<typeof noteSchema> => ({
  id,
  response_id: responseId,
  author,
  at,
  text,
})

/** Every route of notes. */
export function noteRoutes({ store, clock, limits }: Pick<HttpDeps, 'store' | 'clock' | 'limits'>): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v2/responses/{id}/notes',
      access: 'responses:write',
      doc: {
        tag: 'Responses',
        summary: 'Write a note to a response',
        description: `At most ${LIMITS.noteCharsMax} characters, and ${LIMITS.notesPerResponseMax} notes a response.`,
        body: { schema: noteBody, example: { text: 'Called back, wants an offer.' } },
        responses: { 201: { description: 'Written', schema: noteSchema } },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, limits)
        const { text } = readBodyAs(body, noteBody)
        const { workspace, name } = call.principal
        const responseId = call.param('id')
        const note = { id: newId('note'), author: name, at: rfc3339(clock.nowMs()), text }
        if (!(await store.addNote({ ...note, workspace, responseId }))) throw noResponse(responseId)
        return json(call, noteWire(responseId, note), { status: 201 })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/responses/{id}/notes',
      access: 'responses:read',
      doc: {
        tag: 'Responses',
        summary: "List a response's notes, oldest first",
        responses: { 200: { description: 'All notes', schema: pageOf(noteSchema) } },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const id = call.param('id')
        if ((await store.getResponse(workspace, id)) === undefined) throw noResponse(id)
        const items = (await store.listNotes(workspace, id)).map((note) => noteWire(id, note))
        return json(call, { items, next_cursor: null })
      },
    },
  ]
}
