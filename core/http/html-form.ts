/** `/f/{id}`: the form as a page anybody can try, and the door for plain HTML forms of other sites. */
import type { IncomingMessage } from 'node:http'
import { rfc3339 } from '../clock.ts'
import { ERRORS, HubError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { newId } from '../ids.ts'
import type { HtmlInputs, Receipt } from '../ingest/receive.ts'
import type { Form } from '../model.ts'
import type { AddressBook } from './address.ts'
import type { HttpDeps } from './deps.ts'
import { readForm } from './form-body.ts'
import { formPage } from './form-page.ts'
import type { Typed } from './form-page.ts'
import { html } from '../html.ts'
import { page } from './html.ts'
import { answerable, problemResponse, retryAfterSeconds } from './problem.ts'
import type { Call, Refused, Route } from './route.ts'
import { answer, findForm, incomingOf } from './submit.ts'

/** Both routes of `/f/{id}`. Callers that ask for JSON get the API's answers, everybody else gets pages. */
export function htmlFormRoutes(deps: HttpDeps, addresses: AddressBook): Route[] {
  return [
    {
      method: 'GET',
      path: '/f/{id}',
      access: 'open',
      refusal: errorPage,
      handler: (call) =>
        orErrorPage(deps, call, async () => {
          const { form } = await findForm(deps, call, call.param('id'))
          const typed = typedOf([...new URL(call.url, 'http://hub').searchParams])
          return show(deps, call, { form, typed, problems: [], status: 200 })
        }),
    },
    {
      method: 'POST',
      path: '/f/{id}',
      access: 'submit',
      refusal: errorPage,
      doc: {
        tag: 'Responses',
        summary: 'Submit a plain HTML form',
        description:
          'The action of a `<form method="post">` on any site. Answers with a redirect to the form\'s `redirect_url` or a thank-you page; with `Accept: application/json` as the API does. Of uploaded files only name, type and size are kept. A filled-in honeypot input is answered like a success and stored nowhere.',
        responses: {
          200: { description: 'Thank-you page', type: 'text/html' },
          303: { description: 'Redirect to `redirect_url`' },
          422: { description: 'The form again, with what is wrong', type: 'text/html' },
        },
      },
      handler: (call) => orErrorPage(deps, call, () => receive(deps, addresses, call)),
    },
  ]
}

/** What somebody at the form can do something about. */
const SHOWN_IN_FORM: ReadonlySet<string> = new Set<ErrorCode>(['invalid_response', 'response_rejected'])

async function receive(deps: HttpDeps, addresses: AddressBook, call: Call): Promise<Response> {
  const compiled = await findForm(deps, call, call.param('id'))
  const inputs = await readForm(call.incoming, deps.limits)
  try {
    const receipt = await deps.receiver.receiveHtml({ ...incomingOf(call, compiled, addresses), inputs })
    return thanks(call, compiled.form, receipt ?? pretended(compiled.form, deps.clock.nowMs()))
  } catch (error) {
    if (!(error instanceof HubError) || !SHOWN_IN_FORM.has(error.code) || wantsJson(call.incoming)) throw error
    deps.meter.responseRejected(error.code)
    // A refusal is about no answer in particular.
    const problems = error.problems.length > 0 ? error.problems : [{ pointer: '', detail: error.message }]
    return show(deps, call, { form: compiled.form, typed: typedOf(inputs), problems, status: 422 })
  }
}

function thanks(call: Call, form: Form, receipt: Receipt): Response {
  if (wantsJson(call.incoming)) return answer(call, receipt)
  if (form.redirectUrl !== null) {
    return new Response(null, {
      status: 303,
      headers: { location: form.redirectUrl, 'cache-control': 'no-store', 'x-request-id': call.requestId },
    })
  }
  return page({
    title: `Thank you – ${form.name}`,
    requestId: call.requestId,
    body: html`<h1>Thank you</h1><p>Your answers to “${form.name}” have arrived.</p>`,
  })
}

/** What a robot that filled in the honeypot gets: it looks like any other receipt and names nothing. */
const pretended = (form: Form, nowMs: number): Receipt => {
  const responseId = newId('response')
  return {
    kind: 'stored',
    responseId,
    formId: form.id,
    status: 'completed',
    submittedAt: rfc3339(nowMs),
    eventId: `evt${responseId.slice(3)}`,
  }
}

function show(
  { collector }: Pick<HttpDeps, 'collector'>,
  call: Call,
  input: { form: Form; typed: Typed; problems: HubError['problems']; status: number },
): Response {
  const { form, typed, problems, status } = input
  const { redirectUrl } = form
  const consent = collector.consentFor(form.id)
  return page({
    title: problems.length === 0 ? form.name : `Not sent yet – ${form.name}`,
    requestId: call.requestId,
    status,
    body: formPage({ form, typed, problems, once: newId('request') }),
    // A form for keys alone is not filled in here, and strangers' events about it are refused.
    snippet: form.access === 'key' || consent === 'denied' ? undefined : { consent },
    // Browsers apply form-action to the redirect after the form as well.
    formOrigins: redirectUrl === null ? [] : [new URL(redirectUrl).origin],
  })
}

function typedOf(inputs: HtmlInputs): Typed {
  const typed = new Map<string, string[]>()
  for (const [name, value] of inputs) {
    if (typeof value !== 'string') continue
    const before = typed.get(name)
    if (before === undefined) typed.set(name, [value])
    else before.push(value)
  }
  return typed
}

const wantsJson = (incoming: IncomingMessage): boolean => {
  const accept = incoming.headers.accept ?? ''
  return accept.includes('json') && !accept.includes('text/html')
}

async function orErrorPage(deps: HttpDeps, call: Call, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle()
  } catch (thrown) {
    const error = answerable(thrown)
    if (error.code === 'internal') throw thrown
    if (call.incoming.method === 'POST') deps.meter.responseRejected(error.code)
    return errorPage({ incoming: call.incoming, error, requestId: call.requestId })
  }
}

function errorPage({ incoming, error, requestId }: Refused): Response {
  if (wantsJson(incoming)) return problemResponse(error, requestId)
  const seconds = retryAfterSeconds(error)
  return page({
    title: ERRORS[error.code].title,
    status: error.status,
    requestId,
    body: html`<h1>${ERRORS[error.code].title}</h1><p>${error.message}</p><p class="soft">Request ${requestId}</p>`,
    headers: {
      ...(seconds === null ? {} : { 'retry-after': String(seconds) }),
      ...(error.status === 413 ? { connection: 'close' } : {}),
    },
  })
}
