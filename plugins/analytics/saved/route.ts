/** `/api/v2/analytics/saved`: questions that are kept under a name. */
import { z } from 'zod'
import type { Context, Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import { behaviourOf } from './answer.ts'
import { failure, jsonOf, readAs } from '../query/failure.ts'
import { problem } from '../query/problem.ts'
import { readQuestion } from '../query/question.ts'
import { withMoments } from '../query/times.ts'
import { Refusal } from '../query/refusal.ts'
import { dropSaved, findSaved, keepSaved, KINDS, newSavedId, SAVED_MAX, savedOf } from './saved.ts'
import type { Kind, Saved, SavedLine } from './saved.ts'

const NAME_CHARS_MAX = 100
const NOTE_CHARS_MAX = 1_000
const QUESTION_CHARS_MAX = 16_384
const VIEW_PARTS_MAX = 50

const name = z.string().trim().min(1).max(NAME_CHARS_MAX)
const note = z.string().trim().max(NOTE_CHARS_MAX)
const question = z.record(z.string(), z.unknown())
const view = z
  .record(z.string().max(40), z.string().max(1_000))
  .refine((parts) => Object.keys(parts).length <= VIEW_PARTS_MAX, `has more than ${VIEW_PARTS_MAX} parts`)

const newSchema = z.strictObject({
  name,
  kind: z.enum(KINDS, { error: `use one of ${KINDS.join(', ')}` }),
  question,
  view: view.default({}),
  note: note.default(''),
})
const changeSchema = z.strictObject({
  name: name.optional(),
  note: note.optional(),
  question: question.optional(),
  view: view.optional(),
})

type Parts = Pick<Context, 'kv'>

const lineWire = ({ id, name: called, kind, createdAt }: SavedLine) => ({
  id,
  name: called,
  kind,
  created_at: createdAt,
})

const wire = (saved: Saved): Json => ({
  ...lineWire(saved),
  question: saved.question,
  view: saved.view,
  note: saved.note,
})

/** What is answered for an id that names nothing. */
export const noSaved = (): RouteResponse =>
  problem(404, 'not_found', { title: 'There is no such thing', detail: 'No question of this id is saved.' })

export async function listSaved({ kv }: Parts): Promise<RouteResponse> {
  return { json: { items: (await savedOf(kv)).map(lineWire), next_cursor: null } }
}

export async function showSaved({ params }: Pick<RouteRequest, 'params'>, { kv }: Parts): Promise<RouteResponse> {
  const saved = await findSaved(kv, params['id'] ?? '')
  return saved === undefined ? noSaved() : { json: wire(saved) }
}

export async function createSaved({ body }: Pick<RouteRequest, 'body'>, { kv }: Parts): Promise<RouteResponse> {
  try {
    const given = readAs(newSchema, jsonOf(body))
    const checked = questionOf(given.kind, given.question)
    if ((await savedOf(kv)).length >= SAVED_MAX) {
      const detail = `${SAVED_MAX} questions are saved, which is the limit. Delete some first.`
      return problem(409, 'conflict', { title: 'It exists already or changed meanwhile', detail })
    }
    const saved = { ...given, question: checked, id: newSavedId(), createdAt: new Date().toISOString() }
    await keepSaved(kv, saved)
    return { status: 201, json: wire(saved) }
  } catch (error) {
    return failure(error)
  }
}

export async function changeSaved(
  { params, body }: Pick<RouteRequest, 'params' | 'body'>,
  { kv }: Parts,
): Promise<RouteResponse> {
  try {
    const change = readAs(changeSchema, jsonOf(body))
    const before = await findSaved(kv, params['id'] ?? '')
    if (before === undefined) return noSaved()
    const saved: Saved = {
      ...before,
      name: change.name ?? before.name,
      note: change.note ?? before.note,
      view: change.view ?? before.view,
      question: change.question === undefined ? before.question : questionOf(before.kind, change.question),
    }
    await keepSaved(kv, saved)
    return { json: wire(saved) }
  } catch (error) {
    return failure(error)
  }
}

export async function deleteSaved({ params }: Pick<RouteRequest, 'params'>, { kv }: Parts): Promise<RouteResponse> {
  return (await dropSaved(kv, params['id'] ?? '')) ? { status: 204 } : noSaved()
}

/** Refuses what its route would refuse for its shape. */
function questionOf(kind: Kind, given: Readonly<Record<string, unknown>>): Json {
  const text = JSON.stringify(given)
  if (text.length > QUESTION_CHARS_MAX)
    throw new Refusal([{ pointer: '/question', detail: `is longer than ${QUESTION_CHARS_MAX} characters` }])
  try {
    if (kind === 'query') readQuestion(text)
    else readAs(behaviourOf(kind).schema, withMoments(given, 'UTC'))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw new Refusal(error.mistakes.map((mistake) => ({ ...mistake, pointer: `/question${mistake.pointer}` })))
  }
  return given as Json
}
