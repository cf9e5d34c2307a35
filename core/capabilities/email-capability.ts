/** The `email` capability of one run: who may be written to, the message, the breaker, the mail server, and the record of it. */
import { mailPrint } from '../config/mail-settings.ts'
import type { EmailAnswer, Json } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import type { Limits } from '../limits.ts'
import type { Exchange, WorkspaceId } from '../model.ts'
import type { EmailGrant, Installation } from '../registry/installation.ts'
import type { FormView } from '../routing/event-json.ts'
import type { Store } from '../storage/store.ts'
import { argumentReader, type Args } from './arguments.ts'
import { emailBytes, emailOf, type OutgoingEmail } from './email-message.ts'
import { cut } from './exchange-record.ts'
import { NEVER_LEFT } from './http-capability.ts'
import type { HttpTrace } from './http-capability.ts'
import { errorClassOf } from './http-errors.ts'
import { mailAddress, maskedAddress } from './mail-address.ts'
import { unconfigured, type MailServer } from './mail-server.ts'
import type { Mask } from './mask.ts'

/** The delivery an action runs for: e-mail is sent for one, so that its id can be the message's. */
export interface ActFor {
  readonly deliveryId: string
  readonly responseId: string | null
}

export interface EmailScope {
  readonly mail: MailServer | undefined
  readonly store: Pick<Store, 'getResponse'>
  readonly formOf: (workspace: WorkspaceId, formId: string) => Promise<FormView | undefined> | FormView | undefined
  readonly installation: Installation
  /** Undefined where no e-mail can be sent: outside actions, and in a batch of several. */
  readonly actFor: ActFor | undefined
  readonly limits: Pick<Limits, 'emailBytesMax' | 'emailTimeoutMs' | 'attemptBodyBytesMax'>
  readonly breakerOpenMs: (host: string) => number | null
  /** What is left of the run's time; undefined: it has no end. */
  readonly runLeftMs: () => number | undefined
  readonly monotonicMs: () => number
  readonly mask: Mask
  readonly trace: HttpTrace
}

/** Sends one e-mail and answers what the server said. Throws HubError. */
export async function sendEmail(args: Args, scope: EmailScope): Promise<Json> {
  const { mail, installation, actFor, limits, trace } = scope
  const grant = installation.email
  if (grant === undefined) throw denied('The manifest does not ask for permissions.email.')
  if (actFor === undefined)
    throw denied('E-mail is sent by actions, one delivery at a time: enqueue an action without a batch.')
  const settings = mail?.settings() ?? null
  if (mail === undefined || settings === null) throw unconfigured()
  // A new file is being put to work: what this one says of a login would be held against the other's.
  if (grant.server !== mailPrint(settings))
    throw counted(
      new HubError('plugin_interrupted', 'The mail server is being changed; the e-mail is for another run.'),
      trace,
    )
  const email = emailOf(withoutOddReplyTo(args), { deliveryId: actFor.deliveryId, from: settings.from })
  await checkRecipient(email.to, grant, { ...scope, actFor })
  const host = `${settings.host}:${settings.port}`
  trace.lastHost = host
  checkBreaker(host, scope)
  const bytes = await emailBytes(email)
  if (bytes.length > limits.emailBytesMax)
    throw new HubError(
      'capability_limit',
      `The e-mail has ${bytes.length} bytes; the limit is ${limits.emailBytesMax}.`,
    )
  let startMs: number | null = null
  const begins = (): number => {
    checkBreaker(host, scope)
    startMs = scope.monotonicMs()
    trace.begun += 1
    trace.writes += 1
    return Math.min(limits.emailTimeoutMs, scope.runLeftMs() ?? Infinity)
  }
  const record = (end: EmailAnswer | HubError): void => {
    // In line for its turn nothing of it was anywhere.
    if (startMs === null) return
    const durationMs = Math.round((scope.monotonicMs() - startMs) * 1000) / 1000
    trace.hosts.push(host)
    trace.exchanges.push({ ...recorded(email, scope), url: `smtp://${host}`, durationMs, ...endOf(end) })
  }
  try {
    const lineMs = (scope.runLeftMs() ?? limits.emailTimeoutMs) * LINE_FRACTION
    const said = await mail.send({ email, bytes, lineMs, begins })
    // Servers like to repeat whom they do not know; the answer becomes a reason in logs that no erasure reaches.
    const response = scope.mask(said.response.replaceAll(email.to, maskedAddress(email.to)))
    const answer = { ...said, response }
    record(answer)
    if (answer.accepted !== null) trace.isProven = true
    return answer
  } catch (error) {
    const failure =
      error instanceof HubError
        ? error
        : new HubError('internal', 'The e-mail failed inside the hub.', { cause: error })
    record(failure)
    if (startMs !== null && NEVER_LEFT.has(errorClassOf(failure.code))) trace.writes -= 1
    throw counted(failure, trace)
  }
}

/** Of the run's time; the rest is for the message, so that none is begun that would be cut off between its end and the answer. */
const LINE_FRACTION = 0.5

/**
 * A run that the hub interrupts is repeated at once and counts for nothing, which is right only while it has begun nothing:
 * whatever it had sent before would go out with each repeat. It says nothing of the mail server either way.
 */
function counted(failure: HubError, trace: HttpTrace): HubError {
  if (failure.code !== 'plugin_interrupted' || trace.begun === 0) return failure
  trace.lastHost = null
  return new HubError('email_timeout', failure.message, { cause: failure })
}

function checkBreaker(host: string, { breakerOpenMs }: EmailScope): void {
  const openMs = breakerOpenMs(host)
  if (openMs === null) return
  const message = `${host} failed repeatedly; the next attempt is in ${Math.ceil(openMs / 1000)} s.`
  throw new HubError('breaker_open', message, { retryAfterMs: openMs })
}

/**
 * What an answer was filled into may be no address; then the e-mail goes without it, so that nobody who answers oddly keeps it
 * from whom it is for.
 */
function withoutOddReplyTo(args: Args): Args {
  const replyTo = args.optionalText('replyTo')
  if (replyTo === undefined || mailAddress(replyTo) !== null) return args
  return argumentReader('email', { ...args.all, replyTo: null }, [])
}

/** Nobody can be written to but whom the admin typed, or who answered this very response: the hub is no open relay. */
async function checkRecipient(
  to: string,
  grant: EmailGrant,
  scope: EmailScope & { readonly actFor: ActFor },
): Promise<void> {
  if (grant.addresses.includes(to)) return
  const answers = grant.fields.length === 0 ? [] : await answeredAddresses(grant, scope)
  if (answers.includes(to)) return
  throw denied(
    'The recipient is no address of the settings and no answer of the response that permissions.email.to leads to. An answer marked pii needs the consent of the installation (pii: true).',
  )
}

async function answeredAddresses(
  { fields }: EmailGrant,
  { store, formOf, installation, actFor }: EmailScope & { readonly actFor: ActFor },
): Promise<readonly string[]> {
  const { workspace, pii } = installation
  const response = actFor.responseId === null ? undefined : await store.getResponse(workspace, actFor.responseId)
  const view = response === undefined ? undefined : await formOf(workspace, response.formId)
  if (response === undefined || view === undefined) return []
  const isHidden = (key: string): boolean =>
    view.piiKeys.includes(key) && pii !== true && !(Array.isArray(pii) && pii.includes(key))
  return view.form.fields
    .filter(({ key, type }) => type === 'email' && (fields.includes(key) || fields.includes('*')) && !isHidden(key))
    .flatMap(({ key }) => {
      const answer = Object.hasOwn(response.data, key) ? response.data[key] : undefined
      const address = typeof answer === 'string' ? mailAddress(answer) : null
      return address === null ? [] : [address]
    })
}

type Sent = Pick<Exchange, 'method' | 'requestHeaders' | 'requestBody' | 'responseHeaders' | 'truncated'>

/** What the log shows: the address only so far that one can be told from another. */
function recorded(
  { messageId, from, to, replyTo, subject, text, headers }: OutgoingEmail,
  { mask, limits }: EmailScope,
): Sent {
  const body = cut(mask(text), limits.attemptBodyBytesMax)
  const shown = {
    'message-id': messageId,
    from: from.address,
    to: maskedAddress(to),
    ...(replyTo === null ? {} : { 'reply-to': maskedAddress(replyTo) }),
    subject: mask(subject),
    ...headers,
  }
  return { method: 'SMTP', requestHeaders: shown, requestBody: body.text, responseHeaders: {}, truncated: body.short }
}

const endOf = (end: EmailAnswer | HubError): Pick<Exchange, 'status' | 'responseBody' | 'error'> =>
  end instanceof HubError
    ? { status: null, responseBody: null, error: errorClassOf(end.code) }
    : {
        status: end.accepted === null ? null : end.code,
        responseBody: end.response,
        error: end.accepted === null ? 'reset' : null,
      }

const denied = (message: string): HubError => new HubError('capability_denied', message)
