/**
 * Responses that plugins submit: the ordinary acceptance under an id of the installation's, which is the sender's on every
 * repeat. What the form does not take is put aside instead of lost, and taken as soon as it fits.
 */
import { rfc3339 } from '../clock.ts'
import type { Json, Submitted } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { FieldProblem } from '../errors.ts'
import { newId } from '../ids.ts'
import { FORM_MISMATCH } from '../model.ts'
import type { Quarantined, ResponseStatus, WorkspaceId } from '../model.ts'
import type { Submission } from '../storage/store.ts'
import { pluginClientId } from './client-id.ts'
import { invalid } from './envelope.ts'
import type { FormCache } from './form-cache.ts'
import { toPointer } from './form-definition.ts'
import { parseJson } from './json-scan.ts'
import type { PluginForms } from './plugin-forms.ts'
import { acceptAll, metaText, tell } from './receive.ts'
import type { Receipt, ReceiverDeps } from './receive.ts'
import { submissionOf } from './submission.ts'
import { takeIn } from './take-in.ts'
import type { Answers, CompiledForm } from './validate.ts'

/** Who submits: an installation. */
export interface Submitter {
  readonly workspace: WorkspaceId
  readonly id: string
  readonly plugin: { readonly manifest: { readonly id: string } }
}

export interface PluginSubmission {
  readonly installation: Submitter
  readonly form: string
  /** The sender's own. */
  readonly id: string
  readonly status: ResponseStatus
  readonly data: Answers
  readonly meta: Answers
  /** Answers to no field are refused, whatever the form says. */
  readonly refusesUnknown: boolean
  /** UTC. */
  readonly startedAt: string | null
  readonly submittedAt: string | null
}

/** The inlet as routes of plugins have it. */
export interface PluginInlet {
  readonly submit: (submission: PluginSubmission) => Promise<Submitted>
  readonly forms: PluginForms
}

export interface ByPluginDeps extends ReceiverDeps {
  readonly forms: Pick<FormCache, 'get'>
}

export interface ByPlugin {
  /** On disk when it resolves. Rejects with what the inlet rejects with: limits of JSON, `overloaded`, `storage_…`. */
  submit(submission: PluginSubmission): Promise<Submitted>
  /**
   * Holds what was put aside against the form as it is now, and shows it to the transforms, which have not seen it. Rejects
   * with `invalid_response` when it still does not fit, and it stays; with `response_rejected` when a transform refuses it.
   */
  retake(item: Quarantined): Promise<Receipt>
}

const PROBLEMS_MAX = 100
const NOBODY = { ip: null, userAgent: null, referrer: null } as const

/** Makes the two. */
export const openByPlugin = (deps: ByPluginDeps): ByPlugin => ({
  submit: (submission) => submit(deps, submission),
  retake: (item) => retake(deps, item),
})

async function submit(deps: ByPluginDeps, input: PluginSubmission): Promise<Submitted> {
  const { installation, status } = input
  // Text once more: depth, keys and lengths have the limits of every sender.
  const data = again(input.data, deps)
  const meta = again(input.meta, deps)
  const nowMs = deps.clock.nowMs()
  const at = rfc3339(nowMs)
  const compiled = await deps.forms.get(installation.workspace, input.form)
  const checked = check(compiled, data, input)
  const { submittedAt } = input
  const isPast = submittedAt !== null && Date.parse(submittedAt) <= nowMs
  const submission = submissionOf({
    workspace: installation.workspace,
    formId: input.form,
    formVersion: compiled?.form.version ?? 0,
    status,
    data: checked.ok ? checked.data : data,
    meta: metaText(meta, NOBODY),
    clientId: pluginClientId(installation.id, input.id),
    startedAt: input.startedAt,
    at,
    ...(isPast ? { submittedAt } : {}),
  })
  if (!checked.ok || compiled === undefined)
    return putAside(deps, submission, { installation, problems: problemsOf(checked) })
  const [receipt] = await acceptAll(
    deps,
    { compiled, headers: {} },
    { submissions: [submission], others: 'passed over' },
  )
  if (!(receipt instanceof HubError)) return answer(receipt as Receipt)
  if (receipt.code !== 'response_rejected') throw receipt
  return { result: 'refused', responseId: null, message: receipt.message, problems: [] }
}

interface Checking extends Pick<PluginSubmission, 'form' | 'status'> {
  readonly refusesUnknown?: boolean
}

type CheckedHere =
  | { readonly ok: true; readonly data: Answers }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] }

function check(compiled: CompiledForm | undefined, data: Answers, input: Checking): CheckedHere {
  const { form, status, refusesUnknown = false } = input
  if (compiled === undefined)
    return { ok: false, problems: [{ pointer: '', detail: `is for the form "${form}", which does not exist` }] }
  const checked = compiled.check(data, { source: 'json', partial: status === 'partial' })
  if (!refusesUnknown) return checked
  const known = new Set(compiled.form.fields.map(({ key }) => key))
  const strange = Object.keys(data).filter((key) => !known.has(key))
  if (strange.length === 0) return checked
  const problems = strange.map((key) => ({
    pointer: `/data${toPointer([key])}`,
    detail: 'is not a field of this form',
  }))
  return { ok: false, problems: [...(checked.ok ? [] : checked.problems), ...problems].slice(0, PROBLEMS_MAX) }
}

const problemsOf = (checked: CheckedHere): readonly FieldProblem[] => (checked.ok ? [] : checked.problems)

const answer = ({ kind, responseId }: Receipt): Submitted => ({ result: kind, responseId, message: null, problems: [] })

/** As a transform's refusal is: in quarantine, with its event. What is stored already counts, whatever a repeat looks like. */
async function putAside(
  deps: ByPluginDeps,
  submission: Submission,
  { installation, problems }: { readonly installation: Submitter; readonly problems: readonly FieldProblem[] },
): Promise<Submitted> {
  const { message } = invalid(problems)
  const plugin = installation.plugin.manifest.id
  const why = { verdict: 'rejected', code: FORM_MISMATCH, message, installation: installation.id, plugin } as const
  const [result] = await takeIn(deps, [{ ...submission, aside: { ...why, eventId: newId('event') } }])
  if (result === undefined || result.kind === 'mismatch') throw new HubError('internal', 'The store answered nothing.')
  if (result.kind === 'duplicate' && result.rejection === undefined)
    return { result: 'duplicate', responseId: result.responseId, message: null, problems: [] }
  if (result.kind === 'quarantined') {
    deps.meter.responseRejected(FORM_MISMATCH)
    const { event } = result
    tell(deps, () => deps.published([event]))
  }
  return { result: 'refused', responseId: result.responseId, message, problems }
}

async function retake(deps: ByPluginDeps, item: Quarantined): Promise<Receipt> {
  const compiled = await deps.forms.get(item.workspace, item.formId)
  const checked = check(compiled, item.received, { form: item.formId, status: item.status })
  if (!checked.ok || compiled === undefined) throw invalid(problemsOf(checked))
  const submission = submissionOf({
    workspace: item.workspace,
    formId: item.formId,
    formVersion: compiled.form.version,
    status: item.status,
    data: checked.data,
    meta: JSON.stringify(item.meta),
    clientId: item.clientId,
    startedAt: item.startedAt,
    at: rfc3339(deps.clock.nowMs()),
    submittedAt: item.submittedAt ?? item.receivedAt,
  })
  const [receipt] = await acceptAll(
    deps,
    { compiled, headers: {} },
    { submissions: [submission], others: 'passed over' },
  )
  if (receipt instanceof HubError) throw receipt
  return receipt as Receipt
}

/** A copy without prototypes, within the limits of JSON that comes in. */
const again = (value: Answers, { limits }: ByPluginDeps): Answers =>
  parseJson(Buffer.from(JSON.stringify(value)), limits) as { readonly [key: string]: Json }
