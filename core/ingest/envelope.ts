/** The envelope of a submission in JSON: `{data, status?, started_at?, submitted_at?, meta?, client_id?, form_id?}`. */
import type { Json } from '../contract/index.ts'
import { HubError, told } from '../errors.ts'
import type { FieldProblem } from '../errors.ts'
import type { ResponseStatus } from '../model.ts'
import { toPointer } from './form-definition.ts'
import { utcTime } from './times.ts'
import type { Answers, CompiledForm } from './validate.ts'

/** What was read, whichever way it came. */
export interface Envelope {
  readonly data: Answers
  readonly status: ResponseStatus
  readonly startedAt: string | null
  /** Of what was answered elsewhere before, as far as the sender may say so; null: now. */
  readonly submittedAt: string | null
  readonly meta: Answers | null
  readonly clientId: string | null
}

/** Longest client id, in characters. */
export const CLIENT_ID_CHARS_MAX = 200
const ENVELOPE_KEYS: ReadonlySet<string> = new Set([
  'data',
  'form_id',
  'status',
  'started_at',
  'submitted_at',
  'meta',
  'client_id',
])

/** Who sends, and when. */
export interface Sender {
  /** With an API key: who has none does not say when it was. */
  readonly keyed: boolean
  readonly nowMs: number
}

/** Reads it, saying everything that is wrong at once. */
export function readEnvelope(body: Json, compiled: CompiledForm, sender: Sender): Envelope {
  if (!isObject(body)) throw invalid([{ pointer: '', detail: 'must be an object such as {"data": {...}}' }])
  const problems: FieldProblem[] = []
  const {
    data,
    status,
    started_at: startedAt,
    submitted_at: submittedAt,
    meta,
    client_id: clientId,
    form_id: formId,
  } = body
  for (const key of Object.keys(body)) {
    if (!ENVELOPE_KEYS.has(key))
      problems.push({
        pointer: toPointer([key.slice(0, CLIENT_ID_CHARS_MAX)]),
        detail: 'is not known here; answers belong under "data"',
      })
  }
  if (data === undefined) problems.push({ pointer: '/data', detail: 'is required: an object of answers by field key' })
  else if (!isObject(data)) problems.push({ pointer: '/data', detail: 'must be an object of answers by field key' })
  if (status !== undefined && status !== 'partial' && status !== 'completed')
    problems.push({ pointer: '/status', detail: 'must be "partial" or "completed"' })
  const submitted = submittedTime(submittedAt, status, sender)
  if (submitted.wrong !== null) problems.push({ pointer: '/submitted_at', detail: submitted.wrong })
  const started = typeof startedAt === 'string' ? utcTime(startedAt) : null
  if (started === null && startedAt !== undefined && startedAt !== null)
    problems.push({
      pointer: '/started_at',
      detail: NO_TIME,
    })
  if (meta !== undefined && meta !== null && !isObject(meta))
    problems.push({ pointer: '/meta', detail: 'must be an object' })
  if (
    clientId !== undefined &&
    clientId !== null &&
    (typeof clientId !== 'string' || clientId === '' || clientId.length > CLIENT_ID_CHARS_MAX)
  ) {
    problems.push({ pointer: '/client_id', detail: `must be a text of 1 to ${CLIENT_ID_CHARS_MAX} characters` })
  }
  if (formId !== undefined && formId !== compiled.form.id)
    problems.push({ pointer: '/form_id', detail: 'differs from the form in the path' })
  if (problems.length > 0) throw invalid(problems)
  return {
    data: data as Answers,
    status: status === 'partial' ? 'partial' : 'completed',
    startedAt: started,
    submittedAt: submitted.at,
    meta: isObject(meta) ? meta : null,
    clientId: typeof clientId === 'string' ? clientId : null,
  }
}

const NO_TIME = 'must be a time with its offset (RFC 3339), such as 2026-05-31T09:30:00Z'

/** Whoever imports says when it was; a stranger could only make up times, and what is partial was not submitted. */
function submittedTime(
  given: Json | undefined,
  status: Json | undefined,
  { keyed, nowMs }: Sender,
): { readonly at: string | null; readonly wrong: string | null } {
  if (given === undefined || given === null) return { at: null, wrong: null }
  const at = typeof given === 'string' ? utcTime(given) : null
  const wrong = (why: string): { at: null; wrong: string } => ({ at: null, wrong: why })
  if (!keyed) return wrong('needs an API key with the scope "responses:write": leave it out')
  if (at === null) return wrong(NO_TIME)
  if (status === 'partial') return wrong('is of completed responses; leave it out')
  const ms = Date.parse(at)
  if (ms > nowMs) return wrong('lies in the future')
  return ms < 0 ? wrong('lies before 1970') : { at, wrong: null }
}

/** What is wrong with a submission. */
export const invalid = (problems: readonly FieldProblem[]): HubError =>
  new HubError('invalid_response', told(problems), { problems })

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
