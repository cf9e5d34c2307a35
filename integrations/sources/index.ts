/**
 * Webhooks of form builders in, responses out. Whoever cannot prove the secret is refused before a byte of the body is
 * looked at; what is answered with 2xx is on disk; what the form does not take is in quarantine, and the sender gets 422.
 */
import { definePlugin } from 'manifold/plugin'
import type { ContextOf, FormInfo, Json, RouteRequest, RouteResponse, Submitted } from 'manifold/plugin'
import { objectAt, Unreadable } from './arrival.ts'
import type { Answer, Arrival, Passed } from './arrival.ts'
import { readFormbricks } from './formbricks.ts'
import { readGoogleForms } from './google-forms.ts'
import { readJotform } from './jotform.ts'
import { readJson } from './json.ts'
import { fitted, formOf, missing, named } from './mapping.ts'
import { proofOf } from './signature.ts'
import { readTally } from './tally.ts'
import type { Config, Plugin } from './types.d.ts'
import { readTypeform } from './typeform.ts'

type Ctx = ContextOf<Plugin>

export default definePlugin<Plugin>({
  routes: { 'POST /in': take, 'POST /in/{token}': take, 'POST /jotform/{token}': take },
})

async function take(request: RouteRequest, ctx: Ctx): Promise<RouteResponse> {
  const { config } = ctx
  const refusal = await whyNot(ctx)
  if (refusal !== null) {
    ctx.metric('sources_refused')
    ctx.log.warn('a webhook was refused: its signature is not right', { from: config.from, reason: refusal })
    return { status: 401, json: { error: `The signature is ${refusal}.` } }
  }
  let read: Arrival | Passed
  try {
    read = readBody(request, config)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    ctx.metric('sources_unreadable')
    ctx.log.warn('a signed webhook could not be read', { from: config.from, what: error.message })
    return { status: 400, json: { error: `This is not what ${config.from} sends: ${error.message}.` } }
  }
  if ('passed' in read) {
    ctx.log.info('a webhook was passed over', { from: config.from, what: read.passed })
    return { json: { result: 'ignored', what: read.passed } }
  }
  return answerOf(await submit(read, ctx), ctx)
}

/** Null: it knows the secret, the one of now or the one before. */
async function whyNot({ config, verify }: Ctx): Promise<string | null> {
  const proof = proofOf(config.from, config.json)
  const first = await verify({ ...proof, key: config.secret })
  if (first.ok || config.previousSecret === undefined) return first.reason
  return (await verify({ ...proof, key: config.previousSecret })).reason
}

function readBody({ body, form }: RouteRequest, config: Config): Arrival | Passed {
  if (config.from === 'jotform') {
    if (form.length === 0) throw new Unreadable('it is no form post')
    return readJotform(form)
  }
  let parsed: Json
  try {
    parsed = JSON.parse(body) as Json
  } catch {
    throw new Unreadable('the body is not JSON')
  }
  if (config.from === 'json') {
    if (config.json === undefined) throw new Unreadable('the settings have no "json"')
    return readJson(parsed, config.json, config.fields)
  }
  return READERS[config.from](objectAt(parsed))
}

const READERS = {
  typeform: readTypeform,
  tally: readTally,
  formbricks: readFormbricks,
  'google-forms': readGoogleForms,
} as const

async function submit(arrival: Arrival, ctx: Ctx): Promise<Submitted> {
  const { from, forms, fields } = ctx.config
  const id = formOf(from, arrival, ctx.config.form)
  const answers = from === 'json' ? arrival.answers : named(arrival.answers, fields)
  const form = await formFor(ctx, id, { arrival, answers })
  const { data, left } = fitted(answers, form, forms)
  if (left.length > 0)
    ctx.log.info('answers without a field were left out', { form: id, response: arrival.id, unknown: left.join(', ') })
  const { startedAt, submittedAt, status } = arrival
  return await ctx.submit({
    form: id,
    id: arrival.id,
    status,
    data,
    meta: { source: from, source_form: arrival.formId, source_response: arrival.id },
    ...(forms === 'strict' ? { unknown: 'refuse' as const } : {}),
    ...(startedAt === null ? {} : { startedAt }),
    ...(submittedAt === null ? {} : { submittedAt }),
  })
}

/** With `create`: with what is missing added, as far as that can be. What does not fit then is for the quarantine to show. */
async function formFor(
  { forms, config, log }: Ctx,
  id: string,
  { arrival, answers }: { readonly arrival: Arrival; readonly answers: readonly Answer[] },
): Promise<FormInfo | undefined> {
  const form = await forms.get(id)
  const wish = config.forms === 'create' ? missing(answers, form, arrival) : null
  if (wish === null) return form
  try {
    const made = await forms.ensure({ id, ...wish })
    if (made.version !== form?.version) {
      const fields = made.fields.filter(({ key }) => !form?.fields.some((field) => field.key === key))
      const what = form === undefined ? 'a form was made of what arrived' : 'a form was extended by what arrived'
      log.info(what, { form: id, fields: fields.map(({ key }) => key).join(', ') })
    }
    return made
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string }
    if (code === undefined || !UNMENDABLE.has(code)) throw error
    log.warn('the form could not be extended', { form: id, code, why: message })
    return form
  }
}

const UNMENDABLE: ReadonlySet<string> = new Set(['managed_by_file', 'invalid_form', 'conflict'])

function answerOf({ result, responseId, message, problems }: Submitted, ctx: Ctx): RouteResponse {
  if (result !== 'refused') {
    ctx.metric(result === 'duplicate' ? 'sources_repeated' : 'sources_taken')
    return { json: { id: responseId, result } }
  }
  ctx.metric('sources_quarantined')
  ctx.log.warn('a response is in quarantine: the form does not take it', {
    response: responseId ?? '',
    why: message ?? '',
  })
  return { status: 422, json: { id: responseId, error: message, problems: problems as Json } }
}
