/**
 * The use cases of the inlet: answers in, rows for the store out. Checks against the form, normalises, recognises
 * repeats, waits for admission, and tells the live bus what was committed. Grouping commits is the store's business.
 */
import { hash } from 'node:crypto'
import { rfc3339 } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { LogEvent, ResponseStatus } from '../model.ts'
import type { Logger, Meter } from '../observe/observe.ts'
import type { AcceptResult, Submission } from '../storage/store.ts'
import { batchRows } from './batch-rows.ts'
import type { BatchFormat } from './batch-rows.ts'
import { storedClientId } from './client-id.ts'
import { CLIENT_ID_CHARS_MAX, invalid, readEnvelope } from './envelope.ts'
import type { Envelope } from './envelope.ts'
import { parseJson } from './json-scan.ts'
import { eventIdOf, submissionOf } from './submission.ts'
import { takeIn } from './take-in.ts'
import type { TakeInDeps } from './take-in.ts'
import type { Became, RequestHeaders, Transforms } from './transforms.ts'
import type { Answers, AnswerSource, CompiledForm } from './validate.ts'

/** What the connection says about the sender; stored in `meta`, where the sender cannot overwrite it. */
export interface Origin {
  readonly ip: string | null
  readonly userAgent: string | null
  readonly referrer: string | null
}

/** What every use case is told beside the answers. */
export interface Incoming {
  readonly compiled: CompiledForm
  readonly origin: Origin
  readonly idempotencyKey: string | null
  /** Of the request; transforms see those that their manifest names. */
  readonly headers: RequestHeaders
  /** The sender showed an API key. Strangers cannot use up the idempotency keys and client ids of those who did. */
  readonly keyed: boolean
}

/** What became of one submission; the same for a repeat as for the first. */
export interface Receipt {
  readonly kind: 'stored' | 'completed' | 'duplicate'
  readonly responseId: string
  readonly formId: string
  readonly status: ResponseStatus
  readonly submittedAt: string | null
  readonly eventId: string
  /** It was put aside, which its sender is not told. */
  readonly isHeld?: true
}

/** One row of a batch. `line` counts from 1: lines of NDJSON, places of an array. */
export type RowReceipt =
  | { readonly line: number; readonly receipt: Receipt }
  | { readonly line: number; readonly error: HubError }

export interface Receiver {
  /** `body` is the parsed envelope, `bytes` what it was parsed from. */
  receiveJson(input: Incoming & { body: Json; bytes: Buffer }): Promise<Receipt>
  /** Rows are independent: a bad one is reported and the others are stored. */
  receiveBatch(input: Incoming & { bytes: Buffer; format: BatchFormat }): Promise<readonly RowReceipt[]>
  /** Null: the honeypot was filled in; nothing is stored and the sender is not told. */
  receiveHtml(input: Incoming & { inputs: HtmlInputs }): Promise<Receipt | null>
}

/** What a browser sent, by input name in the order sent. */
export type HtmlInputs = readonly (readonly [name: string, value: Json])[]

/** A response that is on disk. */
export type Stored = Extract<AcceptResult, { deliveries: unknown }>

export interface ReceiverDeps extends TakeInDeps {
  readonly clock: Clock
  readonly limits: Limits
  readonly meter: Meter
  readonly logger: Logger
  /** Waits when the hub is behind with delivering; rejects with `overloaded` when waiting would not help. */
  readonly admission: () => Promise<void> | void
  /** Those who look at responses before they are stored. */
  readonly transforms: Transforms
  /** Hears of `response.quarantined`, committed. */
  readonly published: (events: readonly LogEvent[]) => void
  /** Hears of the events just committed, and of what was forwarded with them. */
  readonly onAccepted: (stored: readonly Stored[]) => void
}

/** Hidden input of the hub's own HTML form: makes a second click on "send" the same response. */
export const ONCE_INPUT = '_once'

/** Makes the use cases. */
export function openReceiver(deps: ReceiverDeps): Receiver {
  return {
    receiveJson: async (input) => {
      const nowMs = deps.clock.nowMs()
      const at = rfc3339(nowMs)
      checkIdempotencyKey(input.idempotencyKey, deps.limits)
      const idempotency = idempotencyOf(input, input.bytes)
      const submission = toSubmission(
        { ...readEnvelope(input.body, input.compiled, { ...input, nowMs }), ...input, at, idempotency, source: 'json' },
        deps.limits,
      )
      const [receipt] = await acceptAll(deps, input, { submissions: [submission], others: 'told' })
      if (receipt instanceof HubError) throw receipt
      return receipt as Receipt
    },
    receiveBatch: (input) => receiveBatch(deps, input),
    receiveHtml: async (input) => {
      const { form } = input.compiled
      const inputs = input.inputs.filter(([name]) => name !== form.honeypotField && name !== ONCE_INPUT)
      if (input.inputs.some(([name, value]) => name === form.honeypotField && value !== '')) {
        deps.meter.responseRejected('honeypot')
        return null
      }
      const once = input.inputs.find(([name]) => name === ONCE_INPUT)?.[1]
      const clientId = typeof once === 'string' && once !== '' && once.length <= CLIENT_ID_CHARS_MAX ? once : null
      const envelope: Envelope = {
        data: groupInputs(inputs),
        status: 'completed',
        startedAt: null,
        submittedAt: null,
        meta: null,
        clientId,
      }
      const at = rfc3339(deps.clock.nowMs())
      checkIdempotencyKey(input.idempotencyKey, deps.limits)
      const idempotency = idempotencyOf(input, Buffer.from(JSON.stringify(inputs)))
      const submission = toSubmission({ ...envelope, ...input, at, idempotency, source: 'html' }, deps.limits)
      const [receipt] = await acceptAll(deps, input, { submissions: [submission], others: 'passed over' })
      if (receipt instanceof HubError) throw receipt
      return receipt as Receipt
    },
  }
}

interface SubmissionInput extends Envelope {
  readonly compiled: CompiledForm
  readonly origin: Origin
  readonly at: string
  readonly idempotency: Submission['idempotency']
  readonly source: AnswerSource
  readonly keyed: boolean
}

function toSubmission(input: SubmissionInput, limits: Limits): Submission {
  const { compiled, status, source, at } = input
  const { form } = compiled
  const checked = compiled.check(input.data, { source, partial: status === 'partial' })
  if (!checked.ok) throw invalid(checked.problems)
  return submissionOf({
    workspace: form.workspace,
    formId: form.id,
    formVersion: form.version,
    status,
    data: checked.data,
    meta: metaText(input.meta, input.origin),
    clientId: input.clientId === null ? null : storedClientId(input.clientId, input.keyed),
    startedAt: startOf(input, limits),
    at,
    ...(input.submittedAt === null ? {} : { submittedAt: input.submittedAt }),
    idempotency: input.idempotency,
  })
}

/** When it was begun; strangers can neither begin what they send in times that nobody remembers nor later than they send it. */
function startOf({ startedAt, keyed, at }: SubmissionInput, { publicStartAgeMsMax }: Limits): string | null {
  if (startedAt === null || keyed) return startedAt
  const earliest = rfc3339(Date.parse(at) - publicStartAgeMsMax)
  if (startedAt < earliest) return earliest
  return startedAt > at ? at : startedAt
}

/** `meta` as it is stored: what the connection says cannot be overwritten. */
export function metaText(meta: Answers | null, origin: Origin): string {
  const { ip, userAgent, referrer } = origin
  if (meta === null) return JSON.stringify({ ip, user_agent: userAgent, referrer })
  const all = Object.create(null) as Record<string, Json>
  for (const [key, value] of Object.entries(meta)) all[key] = value
  all['ip'] = ip
  all['user_agent'] = userAgent
  all['referrer'] = referrer
  return JSON.stringify(all)
}

/**
 * One transaction for all; each gets its receipt or its own error. `others`: what becomes of other answers under the
 * client id of a completed response. A page's second click passes them over, senders that chose the id are told.
 */
export async function acceptAll(
  deps: ReceiverDeps,
  { compiled, headers }: Pick<Incoming, 'compiled' | 'headers'>,
  sent: { readonly submissions: readonly Submission[]; readonly others: 'told' | 'passed over' },
): Promise<(Receipt | HubError)[]> {
  const wait = deps.admission()
  if (wait !== undefined) await wait
  const { transforms } = deps
  const { submissions, became } = transforms.wants(compiled.form)
    ? await transforms.apply({ compiled, headers, submissions: sent.submissions })
    : { submissions: sent.submissions, became: null }
  const results = await takeIn(deps, submissions)
  if (became !== null) tell(deps, () => became(results.map(becameOf)))
  const stored: Stored[] = []
  const quarantined: LogEvent[] = []
  const receipts = submissions.map((submission, index) => {
    const result = results[index] as AcceptResult
    if (result.kind === 'mismatch')
      return mismatch('This Idempotency-Key was sent before with another body. Use a new key')
    if (result.kind === 'quarantined') quarantined.push(result.event)
    const refusal = refusalOf(submission, result, sent.others)
    if (refusal !== null) return refusal
    deps.meter.responseAccepted(result.kind)
    if (result.kind === 'stored' || result.kind === 'completed') {
      deps.meter.responseCame(submission.workspace)
      stored.push(result)
    }
    return toReceipt(submission, result)
  })
  if (stored.length > 0) tell(deps, () => deps.onAccepted(stored))
  if (quarantined.length > 0) tell(deps, () => deps.published(quarantined))
  return receipts
}

/** In quarantine it has an id of its own, whatever its sender was told. */
function becameOf(result: AcceptResult): Became | null {
  if (!('event' in result)) return null
  const { event } = result
  const responseId = result.kind === 'quarantined' ? (event.responseId ?? result.responseId) : result.responseId
  return { responseId, eventId: event.id }
}

/** Why the sender gets no receipt; null: it gets one. What is stored already counts, whatever transforms say of a repeat. */
function refusalOf(
  { aside }: Submission,
  result: Exclude<AcceptResult, { kind: 'mismatch' }>,
  others: 'told' | 'passed over',
): HubError | null {
  if (result.kind === 'quarantined') return aside?.verdict === 'rejected' ? rejected(aside.message ?? '') : null
  if (result.kind !== 'duplicate') return null
  if (result.rejection !== undefined) return rejected(result.rejection.message)
  if (result.differs !== true || others === 'passed over') return null
  return mismatch(
    `This client_id is that of ${result.responseId}, which was completed with other answers. Use a new one`,
  )
}

const mismatch = (why: string): HubError => new HubError('idempotency_mismatch', `${why} for a new response.`)

const rejected = (message: string): HubError =>
  new HubError('response_rejected', message === '' ? 'This response is not taken here.' : message)

/** What is committed stays committed, whatever a listener does: the sender gets its 201. */
export function tell(deps: Pick<ReceiverDeps, 'logger'>, listeners: () => void): void {
  try {
    listeners()
  } catch (error) {
    deps.logger.error({ err: error }, 'A listener for accepted events failed')
  }
}

function toReceipt(submission: Submission, result: Exclude<AcceptResult, { kind: 'mismatch' }>): Receipt {
  const { formId } = submission
  if (result.kind === 'duplicate') {
    const { kind, responseId, status, at } = result
    const eventId = result.eventId ?? eventIdOf(responseId)
    return { kind, responseId, formId, status, submittedAt: status === 'completed' ? at : null, eventId }
  }
  const { at, submittedAt = at, eventId, status } = submission
  // Put aside, it looks like any other.
  const kind = result.kind === 'quarantined' ? (result.completes ? 'completed' : 'stored') : result.kind
  return {
    kind,
    responseId: result.responseId,
    formId,
    status,
    submittedAt: status === 'completed' ? submittedAt : null,
    eventId,
    ...(result.kind === 'quarantined' ? { isHeld: true } : {}),
  }
}

async function receiveBatch(
  deps: ReceiverDeps,
  input: Incoming & { bytes: Buffer; format: BatchFormat },
): Promise<readonly RowReceipt[]> {
  const { limits } = deps
  const nowMs = deps.clock.nowMs()
  const at = rfc3339(nowMs)
  const results: RowReceipt[] = []
  checkIdempotencyKey(input.idempotencyKey, limits)
  const good: { readonly line: number; readonly submission: Submission }[] = []
  for (const { line, bytes } of batchRows(input.bytes, input.format, limits)) {
    try {
      if (bytes.length > limits.bodyBytesMax)
        throw new HubError('body_too_large', `A row may have at most ${limits.bodyBytesMax} bytes.`)
      // Each row has its own key, so that sending the whole batch again stores only the rows that were missing.
      const rowKey = input.idempotencyKey === null ? null : `${input.idempotencyKey}#${line}`
      const idempotency = idempotencyOf({ ...input, idempotencyKey: rowKey }, bytes)
      const envelope = readEnvelope(parseJson(bytes, limits), input.compiled, { ...input, nowMs })
      const submission = toSubmission({ ...envelope, ...input, at, idempotency, source: 'json' }, limits)
      good.push({ line, submission })
    } catch (error) {
      if (!(error instanceof HubError)) throw error
      deps.meter.responseRejected(error.code)
      results.push({ line, error })
    }
  }
  const receipts =
    good.length === 0
      ? []
      : await acceptAll(deps, input, { submissions: good.map(({ submission }) => submission), others: 'told' })
  good.forEach(({ line }, index) => {
    const receipt = receipts[index] as Receipt | HubError
    results.push(receipt instanceof HubError ? { line, error: receipt } : { line, receipt })
  })
  return results.toSorted((one, other) => one.line - other.line)
}

/** Namespaced by form and by whether the sender showed a key, since the store's namespace is the whole workspace. */
function idempotencyOf(input: Incoming, bytes: Buffer): Submission['idempotency'] {
  const { idempotencyKey: key, keyed, compiled } = input
  if (key === null) return null
  return { key: `${keyed ? 'k' : 'p'}:${compiled.form.id}:${key}`, bodyHash: hash('sha256', bytes, 'hex') }
}

/** The key as the sender gave it; a batch's rows add their line to it afterwards. */
function checkIdempotencyKey(key: string | null, limits: Limits): void {
  if (key === null || (key !== '' && key.length <= limits.idempotencyKeyCharsMax)) return
  throw new HubError('bad_request', `The Idempotency-Key must have 1 to ${limits.idempotencyKeyCharsMax} characters.`)
}

/** Inputs of the same name become a list, as a browser means it; a single one stays what it is. */
function groupInputs(inputs: HtmlInputs): Answers {
  const data = Object.create(null) as Record<string, Json>
  for (const [name, value] of inputs) {
    const before = data[name]
    data[name] = before === undefined ? value : Array.isArray(before) ? [...(before as Json[]), value] : [before, value]
  }
  return data
}
