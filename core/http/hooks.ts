/** `/api/v2/hooks`: programs outside (Zapier, Make, n8n, Activepieces, a script) ask to be sent events, and stop asking. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HOOK_EVENTS } from '../contract/index.ts'
import type { HookEvent } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { isWebUrl } from '../ingest/form-definition.ts'
import { HOOK_SOURCES } from '../model.ts'
import type { Form, Hook, Scope, WorkspaceId } from '../model.ts'
import { allows, OPERATOR_ID } from '../registry/api-keys.ts'
import type { Principal } from '../registry/api-keys.ts'
import { endOfHook } from '../registry/hook-ends.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { samplesOf } from './hook-samples.ts'
import { instant, pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, noContent, readBodyAs, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const URL_CHARS_MAX = 2_048
const ZAP_ID_CHARS_MAX = 200
/** Of a token it names issuer and subject. */
const KEY_ID_CHARS_MAX = 1_000
const SAMPLES_MAX = 10
const SAMPLES_DEFAULT = 3

/** One spelling for one address. */
const hrefOf = (url: string): string => URL.parse(url)?.href ?? url
const webUrl = z.string().max(URL_CHARS_MAX).refine(isWebUrl, 'use an absolute http:// or https:// URL without a login')
const targetUrl = z.string().max(URL_CHARS_MAX).transform(hrefOf)
const hubUrl = webUrl
  .transform((url) => url.replace(/\/+$/, ''))
  .openapi({ description: "The hub's address as you reach it: links begin with it. Without it they are paths." })
const event = z.enum(HOOK_EVENTS)

const hookSchema = z
  .object({
    id: z.string(),
    source: z.enum(HOOK_SOURCES),
    event,
    form_id: z.string().nullable().openapi({ description: 'Null: every form.' }),
    target_url: z.string().openapi({
      description:
        'Whole in the answer to whoever asks for it; from then on its host alone, since whoever knows it can send to it.',
    }),
    hub_url: z.string().nullable(),
    meta: z.object({ zap_id: z.string().nullable() }),
    key_id: z.string().openapi({ description: 'The key that it was made with: it may see what that key may see.' }),
    key_name: z.string().nullable().openapi({ description: 'What that key is called; null: it was a token.' }),
    state: z.enum(['active', 'expired', 'form_gone', 'key_expired', 'key_revoked', 'unattended']).openapi({
      description:
        'Only active ones are sent to. Subscribing again with a key in force brings one back; one whose form is gone needs another form; one that is unattended waits for an installation that sends.',
    }),
    created_at: z.string(),
    updated_at: z.string(),
    expires_at: z.string().nullable(),
    ends_at: z.string().nullable().openapi({
      description: 'When it ends by itself, which is when its key expires or at `expires_at`; null: never.',
    }),
    ended_at: z
      .string()
      .nullable()
      .openapi({ description: 'When it ended; null: it has not, or nobody sends to hooks' }),
    last_success_at: z.string().nullable(),
    last_failure_at: z.string().nullable(),
    last_reason: z
      .string()
      .nullable()
      .openapi({ description: 'What the last failure was; of one that has ended, why.' }),
  })
  .openapi('Hook')

const hookBody = z.strictObject({
  target_url: webUrl.transform(hrefOf),
  event,
  form_id: z.string().max(100).nullable().default(null),
  source: z.enum(HOOK_SOURCES).default('other'),
  hub_url: hubUrl.nullable().default(null),
  expires_at: instant.nullable().default(null),
  meta: z
    .looseObject({ zap_id: z.string().min(1).max(ZAP_ID_CHARS_MAX).nullable().default(null) })
    .default({ zap_id: null }),
})

const listQuery = z.object({
  event: event.optional(),
  form: z.string().max(100).optional(),
  source: z.enum(HOOK_SOURCES).optional(),
  target_url: targetUrl.optional(),
  zap_id: z.string().max(ZAP_ID_CHARS_MAX).optional(),
  key: z.string().max(KEY_ID_CHARS_MAX).optional().openapi({ description: 'Id of the key that they were made with.' }),
  state: z.enum(['active', 'stopped']).optional().openapi({ description: 'stopped: nothing is sent to them.' }),
  ...pageQuery,
})

const removeQuery = z.object({
  target_url: targetUrl.optional().openapi({
    description: 'The address that was asked for: a hook that is elsewhere by now stays.',
  }),
})

const sampleQuery = z.object({
  event,
  form: z.string().max(100).optional(),
  hub_url: hubUrl.optional(),
  limit: z.coerce.number({ error: 'must be a number' }).int().min(1).max(SAMPLES_MAX).default(SAMPLES_DEFAULT),
})

const EXAMPLE = {
  target_url: 'https://hooks.zapier.com/hooks/standard/1/abc/',
  event: 'response.submitted',
  form_id: 'contact',
  source: 'zapier',
  hub_url: 'https://forms.example.com',
  meta: { zap_id: '4711' },
}

/** Every route of hooks. */
export const hookRoutes = (deps: HttpDeps): Route[] => [...writingRoutes(deps), ...readingRoutes(deps)]

function writingRoutes(deps: HttpDeps): Route[] {
  return [
    {
      method: 'POST',
      path: '/api/v2/hooks',
      access: 'hooks:write',
      doc: {
        tag: 'Hooks',
        summary: 'Ask to be sent an event',
        description:
          'The body of each request is what `/api/v2/hooks/sample` shows. `meta.zap_id` with `source`, or else address, event and form, name a subscription: asking again changes the one there is. By the id of a Zap another key than the one that made it has to name the same address, unless it is an admin key or the hook has ended. It is sent what happens from now on. A token makes hooks that end with it. A key sees what it may read: responses need `responses:read`, forms `forms:read`, dead deliveries `deliveries:write`, alerts `admin`. An answer of 410 ends the subscription, 429 is waited for, everything else is tried again and never ends it.',
        body: { schema: hookBody, example: EXAMPLE },
        responses: {
          200: { description: 'It was there, and is as you ask now', schema: hookSchema },
          201: { description: 'Created', schema: hookSchema },
        },
      },
      handler: (call) => subscribe(deps, call),
    },
    {
      method: 'DELETE',
      path: '/api/v2/hooks/{id}',
      access: 'hooks:write',
      doc: {
        tag: 'Hooks',
        summary: 'Stop asking',
        description:
          'Also when it is gone already. With the key that it was made with, an admin key, or any where it has ended. A `hook.removed` event is appended. With `target_url` a call that comes late does not end what was asked for at another address since.',
        query: removeQuery,
        responses: { 204: { description: 'Nothing is sent to that address any more' } },
      },
      handler: async (call) => {
        await unsubscribe(deps, call)
        return noContent(call)
      },
    },
  ]
}

function readingRoutes(deps: HttpDeps): Route[] {
  const { store } = deps
  return [
    {
      method: 'GET',
      path: '/api/v2/hooks',
      access: 'hooks:write',
      doc: {
        tag: 'Hooks',
        summary: 'List hooks, newest first',
        description: 'With when sending to each went well and failed last, and why.',
        query: listQuery,
        responses: { 200: { description: 'A page of hooks', schema: pageOf(hookSchema) } },
      },
      handler: async (call) => {
        const query = readQuery(call, listQuery)
        const { workspace } = call.principal
        await deps.hooks.flush()
        const nowMs = deps.clock.nowMs()
        const isCarried = deps.hookCarriers.in(workspace) !== undefined
        if (!isCarried && query.state === 'active') return json(call, { items: [], next_cursor: null })
        const page = await store.listHooks(workspace, {
          ...toPageQuery(query),
          event: query.event,
          form: query.form,
          source: query.source,
          targetUrl: query.target_url,
          zapId: query.zap_id,
          key: query.key,
          endedMs: isCarried && query.state === 'stopped' ? nowMs : undefined,
          inForceMs: query.state === 'active' ? nowMs : undefined,
        })
        return json(call, toWirePage(page, wireOf(deps, call.principal.workspace)))
      },
    },
    {
      method: 'GET',
      path: '/api/v2/hooks/sample',
      access: 'hooks:write',
      doc: {
        tag: 'Hooks',
        summary: 'What a hook is sent',
        description:
          'Bodies for what happened last, newest first. Where nothing has happened yet, one that is made up.',
        query: sampleQuery,
        responses: {
          200: {
            description: 'Bodies',
            schema: z.object({ items: z.array(z.record(z.string(), z.unknown())), made_up: z.boolean() }),
          },
        },
      },
      handler: async (call) => {
        const { event: wanted, form, limit, hub_url: base = null } = readQuery(call, sampleQuery)
        const { workspace } = call.principal
        mayRead(call.principal, wanted)
        const { items, madeUp } = await samplesOf(deps, {
          workspace,
          event: wanted,
          form: await sampledForm(deps, call, form),
          limit,
          hubUrl: base,
          carrier: deps.hookCarriers.in(workspace) ?? null,
        })
        return json(call, { items, made_up: madeUp })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/hooks/{id}',
      access: 'hooks:write',
      doc: {
        tag: 'Hooks',
        summary: 'Read a hook',
        responses: { 200: { description: 'The hook', schema: hookSchema } },
      },
      handler: async (call) => {
        await deps.hooks.flush()
        const hook = await store.getHook(call.principal.workspace, call.param('id'))
        if (hook === undefined) throw new HubError('not_found', `There is no hook "${call.param('id').slice(0, 100)}".`)
        return json(call, wireOf(deps, call.principal.workspace)(hook))
      },
    },
  ]
}

/** Whoever may ask for hooks is not told what names of the hub's network stand for, nor which there are. */
const NOT_SENT_TO =
  'has no address, or one that the hub does not send to. If it is meant, list its network in network.allow of manifold.yaml.'

const ENDS_WITH_PROCESS =
  'A hook ends with its key, and this one ends with the hub\'s process: make one with "manifold keys create", and ask with that.'

async function subscribe(deps: HttpDeps, call: KeyedCall): Promise<Response> {
  const { principal } = call
  const { workspace } = principal
  const { body } = await readJson(call.incoming, deps.limits)
  const wish = readBodyAs(body, hookBody)
  mayRead(principal, wish.event)
  if (principal.keyId === OPERATOR_ID) throw new HubError('forbidden', ENDS_WITH_PROCESS)
  await formOf(deps, call, wish.form_id)
  const nowMs = deps.clock.nowMs()
  if (wish.expires_at !== null && Date.parse(wish.expires_at) <= nowMs)
    throw refused('/expires_at', 'must be in the future')
  if (deps.hookCarriers.in(workspace) === undefined) throw nobodyCarries(deps)
  const wrong = await deps.checkUrl(wish.target_url)
  if (wrong !== null) throw refused('/target_url', wrong.code === 'http_refused_url' ? wrong.message : NOT_SENT_TO)
  const { hook, created } = await deps.hooks.save({
    id: newId('hook', nowMs),
    workspace,
    keyId: principal.keyId,
    source: wish.source,
    zapId: wish.meta.zap_id,
    targetUrl: wish.target_url,
    hubUrl: wish.hub_url,
    event: wish.event,
    formId: wish.form_id,
    expiresAtMs: endOf(wish.expires_at, principal),
    at: rfc3339(nowMs),
    ofAnyKey: allows(principal, 'admin'),
  })
  const headers = { location: `/api/v2/hooks/${hook.id}` }
  const told = { ...wireOf(deps, workspace)(hook), target_url: hook.targetUrl }
  return json(call, told, { status: created ? 201 : 200, headers })
}

async function unsubscribe({ store, hooks, clock }: HttpDeps, call: KeyedCall): Promise<void> {
  const { workspace, keyId } = call.principal
  const { target_url: wanted } = readQuery(call, removeQuery)
  const hook = await store.getHook(workspace, call.param('id'))
  if (hook === undefined || (wanted !== undefined && hrefOf(hook.targetUrl) !== wanted)) return
  const isMine = hook.keyId === keyId || allows(call.principal, 'admin')
  // Of one that has ended nobody loses anything, and whoever goes on with a new key has to be able to tidy up.
  if (!isMine && (await store.getHook(workspace, hook.id, clock.nowMs())) !== undefined)
    throw new HubError(
      'forbidden',
      'This hook was made with another key: remove it with that one or an admin key, or revoke that key first.',
    )
  const ifThere = wanted === undefined ? {} : { targetUrl: hook.targetUrl }
  await hooks.remove(workspace, hook.id, { reason: 'unsubscribed', ...ifThere })
}

/** What a token may see it may see until it ends, and so may its hooks. */
function endOf(wanted: string | null, { endsAtMs = Infinity }: Principal): number | null {
  const endMs = Math.min(wanted === null ? Infinity : Date.parse(wanted), endsAtMs)
  return endMs === Infinity ? null : endMs
}

const refused = (pointer: string, detail: string): HubError =>
  new HubError('bad_request', `The hook cannot be made: ${pointer.slice(1)} ${detail}`, {
    problems: [{ pointer, detail }],
  })

function nobodyCarries({ hookCarriers }: HttpDeps): HubError {
  const [plugin = 'a plugin with permissions.hooks'] = hookCarriers.plugins
  return new HubError(
    'conflict',
    `Nobody would send to this hook: add "- { id: ${plugin}, use: ${plugin}, pii: true }" to the installations of manifold.yaml. Without "pii: true" answers that a form marks pii, such as e-mail addresses, stay blank.`,
  )
}

/** A hook is a way of reading, so its key needs the right to read. */
function mayRead(principal: Principal, wanted: HookEvent): void {
  const scope = READ_SCOPES[wanted]
  if (!allows(principal, scope))
    throw new HubError('forbidden', `A hook for ${wanted} needs a key with the scope "${scope}" as well.`)
}

const READ_SCOPES: Readonly<Record<HookEvent, Scope>> = {
  'response.submitted': 'responses:read',
  'response.partial': 'responses:read',
  'form.created': 'forms:read',
  'form.changed': 'forms:read',
  'delivery.dead': 'deliveries:write',
  'alert.raised': 'admin',
}

async function formOf(deps: HttpDeps, call: KeyedCall, id: string | null): Promise<Form | null> {
  if (id === null) return null
  const form = await deps.store.getForm(call.principal.workspace, id)
  if (form === undefined) throw refused('/form_id', `is "${id}", and there is no such form`)
  return form
}

async function sampledForm(deps: HttpDeps, call: KeyedCall, id: string | undefined): Promise<Form | null> {
  if (id === undefined) return null
  const form = await deps.store.getForm(call.principal.workspace, id)
  if (form !== undefined) return form
  const detail = `there is no form "${id}"; GET /api/v2/forms lists those there are`
  throw new HubError('invalid_query', `There is no sample: ${detail}.`, { problems: [{ pointer: '/form', detail }] })
}

function endsAt({ expiresAtMs, key }: Hook): string | null {
  const endMs = Math.min(expiresAtMs ?? Infinity, key?.expiresAt ? Date.parse(key.expiresAt) : Infinity)
  return endMs === Infinity ? null : rfc3339(endMs)
}

const UNATTENDED = 'no installation of manifold.yaml sends to hooks any more'

/** How hooks look: where one is sent to is nobody's to read, as it is nobody's to send to. */
function wireOf(deps: HttpDeps, workspace: WorkspaceId): (hook: Hook) => z.output<typeof hookSchema> {
  const nowMs = deps.clock.nowMs()
  const isCarried = deps.hookCarriers.in(workspace) !== undefined
  const stateOf = (hook: Hook): Pick<z.output<typeof hookSchema>, 'state' | 'last_reason' | 'ended_at'> => {
    const end = endOfHook(hook, nowMs)
    if (end !== undefined) return { state: end.state, last_reason: end.reason, ended_at: end.at }
    return isCarried
      ? { state: 'active', last_reason: hook.lastReason, ended_at: null }
      : { state: 'unattended', last_reason: UNATTENDED, ended_at: null }
  }
  return (hook) => ({
    id: hook.id,
    source: hook.source,
    event: hook.event,
    form_id: hook.formId,
    target_url: `${new URL(hook.targetUrl).origin}/…`,
    hub_url: hook.hubUrl,
    meta: { zap_id: hook.zapId },
    key_id: hook.keyId,
    key_name: hook.key?.name ?? null,
    created_at: hook.createdAt,
    updated_at: hook.updatedAt,
    expires_at: hook.expiresAtMs === null ? null : rfc3339(hook.expiresAtMs),
    ends_at: endsAt(hook),
    last_success_at: hook.lastSuccessAt,
    last_failure_at: hook.lastFailureAt,
    ...stateOf(hook),
  })
}
