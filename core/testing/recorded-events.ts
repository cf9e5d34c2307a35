/** Puts events into the log of a test as they would have come: responses through the inlet, the rest appended. */
import { rfc3339 } from '../clock.ts'
import type { FieldInfo, HubEvent, Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { parseForm } from '../ingest/form-definition.ts'
import type { FormWire } from '../ingest/form-definition.ts'
import { openReceiver } from '../ingest/receive.ts'
import { takeIn } from '../ingest/take-in.ts'
import { compileForm } from '../ingest/validate.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { LogEvent, QuarantineVerdict } from '../model.ts'
import type { Submission } from '../storage/store.ts'
import type { TestRooms } from './rooms.ts'

/** An event as JSON, such as one copied out of a hub's log; only the type is needed. */
export type RecordedEvent = Pick<HubEvent, 'type'> & Partial<Omit<HubEvent, 'type'>>

/** What a sender says beside the answers. */
export interface SubmitOptions {
  readonly status?: 'partial' | 'completed'
  readonly meta?: { readonly [key: string]: Json }
  /** Of the request, in lower case; transforms see those that their manifest names. */
  readonly headers?: { readonly [name: string]: string }
}

const LIST_MAX = 1_000

/** The form of events that name none. */
const FORM = { id: 'test', name: 'Test', version: 1, fields: [] }

/** Makes the form, or a new version of it, as a file would; throws what is wrong with the definition. */
export async function saveForm(rooms: TestRooms, id: string, wire: FormWire): Promise<void> {
  const parsed = parseForm(wire)
  if (!parsed.ok)
    throw new TypeError(parsed.problems.map(({ pointer, detail }) => `form "${id}" ${pointer}: ${detail}`).join('\n'))
  const { event } = await rooms.store.saveForm({
    workspace: DEFAULT_WORKSPACE,
    id,
    definition: parsed.definition,
    managedBy: 'file',
    at: rfc3339(rooms.clock.nowMs()),
    eventId: newId('event', rooms.clock.nowMs()),
    mode: 'upsert',
  })
  if (event !== null) rooms.published([event])
}

/** What became of answers that were submitted. */
export interface TestResponse {
  readonly id: string
  /** Null: it is stored. Else it waits in quarantine; only the sender of a rejected one was told. */
  readonly verdict: QuarantineVerdict | null
  /** `flagged`, `transform_failed`, or the code of the refusal; null when it is stored. */
  readonly code: string | null
  readonly message: string | null
  /** As stored, or as a release would store it. */
  readonly data: { readonly [key: string]: Json }
  readonly meta: { readonly [key: string]: Json }
}

/** Answers through the hub's own inlet and the plugin's transform. Rejects for what the form does not take. */
export async function submit(
  rooms: TestRooms,
  {
    form: id,
    answers,
    status,
    meta,
    headers = {},
  }: { form: string; answers: { readonly [key: string]: Json } } & SubmitOptions,
): Promise<TestResponse> {
  const form = await rooms.store.getForm(DEFAULT_WORKSPACE, id)
  if (form === undefined) throw new TypeError(`There is no form "${id}"; give it to testPlugin as forms: { ${id}: … }.`)
  const body = { data: answers, ...(status === undefined ? {} : { status }), ...(meta === undefined ? {} : { meta }) }
  await rooms.recorder.ready()
  const receiver = openReceiver({ ...rooms, admission: () => {}, onAccepted: rooms.stored })
  const sent = receiver.receiveJson({
    compiled: compileForm(form),
    origin: { ip: '192.0.2.1', userAgent: 'test', referrer: null },
    headers,
    idempotencyKey: null,
    keyed: true,
    body,
    bytes: Buffer.from(JSON.stringify(body)),
  })
  const receipt = await sent.catch((error: unknown) => {
    if (error instanceof HubError && error.code === 'response_rejected') return null
    throw error
  })
  return await responseOf(rooms, receipt?.responseId ?? null)
}

/** Null: the last that was put aside. */
async function responseOf({ store }: TestRooms, id: string | null): Promise<TestResponse> {
  const stored = id === null ? undefined : await store.getResponse(DEFAULT_WORKSPACE, id)
  if (stored !== undefined)
    return { id: stored.id, verdict: null, code: null, message: null, data: stored.data, meta: stored.meta }
  const { items } = await store.listQuarantine(DEFAULT_WORKSPACE, { limit: LIST_MAX })
  const aside = id === null ? items[0] : items.find((each) => each.id === id)
  if (aside === undefined) throw new Error(`The response ${id ?? ''} is neither stored nor in quarantine.`)
  const { verdict, code, message, data, meta } = aside
  return { id: aside.id, verdict, code, message, data, meta }
}

/** A recorded response once more as if it were sent now, through the transform. */
export async function resubmit(
  rooms: TestRooms,
  { form = FORM, data = {}, ...event }: RecordedEvent,
): Promise<TestResponse> {
  await saveForm(rooms, form.id, { name: form.name, fields: form.fields.map(fieldWire) })
  const { ip: _ip, user_agent: _agent, referrer: _referrer, ...meta } = event.meta ?? {}
  return await submit(rooms, {
    form: form.id,
    answers: data,
    status: event.type === 'response.partial' ? 'partial' : 'completed',
    meta,
  })
}

/** The event as it was recorded, id and time included. Answers its id. */
export async function record(rooms: TestRooms, event: RecordedEvent): Promise<string> {
  const id = event.id ?? newId('event', rooms.clock.nowMs())
  if (rooms.log.some((known) => known.id === id))
    throw new TypeError(
      `The event "${id}" is in the log: ids are given once. That a repeat changes nothing is for conformance() to see.`,
    )
  const at = event.at ?? rfc3339(rooms.clock.nowMs())
  const isResponse = event.type === 'response.submitted' || event.type === 'response.partial'
  const form = event.form ?? (isResponse ? FORM : undefined)
  if (form !== undefined) await saveForm(rooms, form.id, { name: form.name, fields: form.fields.map(fieldWire) })
  if (isResponse && form !== undefined) await store(rooms, await submissionOf(rooms, { ...event, form, id, at }))
  else rooms.published(await rooms.store.appendEvents(DEFAULT_WORKSPACE, [appended({ ...event, id, at })]))
  return id
}

const appended = ({ id, type, at, form, response, data }: RecordedEvent & Pick<HubEvent, 'id' | 'at'>) => ({
  id,
  type,
  at,
  formId: form?.id ?? null,
  responseId: response?.id ?? null,
  hops: 0,
  data: JSON.stringify(data ?? {}),
})

const fieldWire = ({
  key,
  label,
  type,
  required,
  pii,
  options,
}: FieldInfo): FormWire['fields'] extends readonly (infer Field)[] | undefined ? Field : never => ({
  key,
  label,
  type: type as 'text',
  required,
  pii,
  ...(options === undefined ? {} : { options: options.map((option) => ({ ...option })) }),
})

async function submissionOf(
  rooms: TestRooms,
  { type, form, id, at, data, meta, response }: RecordedEvent & Required<Pick<HubEvent, 'form' | 'id' | 'at'>>,
): Promise<Submission> {
  const saved = form === undefined ? undefined : await rooms.store.getForm(DEFAULT_WORKSPACE, form.id)
  return {
    workspace: DEFAULT_WORKSPACE,
    responseId: response?.id ?? newId('response', rooms.clock.nowMs()),
    formId: form?.id ?? FORM.id,
    formVersion: saved?.version ?? 1,
    status: type === 'response.partial' ? 'partial' : 'completed',
    data: JSON.stringify(data ?? {}),
    meta: JSON.stringify(meta ?? {}),
    clientId: null,
    startedAt: response?.startedAt ?? null,
    at: response?.submittedAt ?? at,
    eventId: id,
    idempotency: null,
  }
}

async function store(rooms: TestRooms, submission: Submission): Promise<void> {
  const results = await takeIn(rooms, [submission])
  rooms.stored(results.flatMap((result) => (result.kind === 'stored' || result.kind === 'completed' ? [result] : [])))
}

/** The event of the log with this id. */
export const eventOf = (rooms: TestRooms, id: string): LogEvent | undefined =>
  rooms.log.find((event) => event.id === id)
