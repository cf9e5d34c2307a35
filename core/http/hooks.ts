/** `/api/v2/hooks`: programs outside (Zapier, Make, n8n, Activepieces, a script) ask to be sent events, and stop asking. */
import { z } from '@hono/zod-openapi'
import { rfc3339 } from '../clock.ts'
import { HOOK_EVENTS } from '../contract/index.ts'
import type { HookEvent } from '../contract/index.ts'
import { HubError } from '../errors.ts'
import { newId } from '../ids.ts'
import { isWebUrl } from '../ingest/form-definition.ts'
import { HOOK_SOURCES } from '../model.ts'
import type { Form, Hook, Scope } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import type { Principal } from '../registry/api-keys.ts'
import { isExpired } from '../registry/hooks.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { samplesOf } from './hook-samples.ts'
import { instant, pageOf, pageQuery, toPageQuery, toWirePage } from './paging.ts'
import { json, noContent, readBodyAs, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const URL_CHARS_MAX = 2_048
const ZAP_ID_CHARS_MAX = 200
const SAMPLES_MAX = 10
const SAMPLES_DEFAULT = 3

const webUrl = z.string().max(URL_CHARS_MAX).refine(isWebUrl, 'use an absolute http:// or https:// URL without a login')
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
    target_url: z
      .string()
      .openapi({ description: 'Whole for the key that made it and for admins; for other keys the host alone.' }),
    hub_url: z.string().nullable(),
    meta: z.object({ zap_id: z.string().nullable() }),
    key_id: z.string().openapi({ description: 'The key that it was made with: it may see what that key may see.' }),
    state: z
      .enum(['active', 'expired', 'key_revoked'])
      .openapi({ description: 'Only active ones are sent to. Subscribing again with a key in force brings one back.' }),
    created_at: z.string(),
    updated_at: z.string(),
    expires_at: z.string().nullable(),
    last_success_at: z.string().nullable(),
    last_failure_at: z.string().nullable(),
    last_reason: z.string().nullable().openapi({ description: 'What the last failure was.' }),
  })
  .openapi('Hook')

const hookBody = z.strictObject({
  target_url: webUrl,
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
  target_url: z.string().max(URL_CHARS_MAX).optional(),
  zap_id: z.string().max(ZAP_ID_CHARS_MAX).optional(),
  key: z.string().max(100).optional().openapi({ description: 'Id of the key that they were made with.' }),
  ...pageQuery,
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
          'The body of each request is what `/api/v2/hooks/sample` shows. `meta.zap_id` with `source`, or else address, event and form, name a subscription: asking again changes the one there is. A key sees what it may read: responses need `responses:read`, forms `forms:read`, dead deliveries `deliveries:write`, alerts `admin`. An answer of 410 ends the subscription, 429 is waited for, everything else is tried again and never ends it.',
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
        description: 'Also when it is gone already. A `hook.removed` event is appended.',
        responses: { 204: { description: 'Gone' } },
      },
      handler: async (call) => {
        await deps.hooks.remove(call.principal.workspace, call.param('id'), 'unsubscribed')
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
        const page = await store.listHooks(workspace, {
          ...toPageQuery(query),
          event: query.event,
          form: query.form,
          source: query.source,
          targetUrl: query.target_url,
          zapId: query.zap_id,
          key: query.key,
        })
        return json(call, toWirePage(page, await wireOf(deps, call.principal)))
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
          form: await formOf(deps, call, form ?? null),
          limit,
          hubUrl: base,
          pii: deps.hookCarriers.in(workspace)?.pii ?? false,
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
        return json(call, (await wireOf(deps, call.principal))(hook))
      },
    },
  ]
}

async function subscribe(deps: HttpDeps, call: KeyedCall): Promise<Response> {
  const { principal } = call
  const { workspace } = principal
  const { body } = await readJson(call.incoming, deps.limits)
  const wish = readBodyAs(body, hookBody)
  mayRead(principal, wish.event)
  await formOf(deps, call, wish.form_id)
  const nowMs = deps.clock.nowMs()
  if (wish.expires_at !== null && Date.parse(wish.expires_at) <= nowMs)
    throw refused('/expires_at', 'must be in the future')
  if (deps.hookCarriers.in(workspace) === undefined) throw nobodyCarries(deps)
  const wrong = await deps.checkUrl(wish.target_url)
  if (wrong !== null) throw refused('/target_url', wrong.message)
  const { hook, created } = await deps.store.saveHook({
    id: newId('hook', nowMs),
    workspace,
    keyId: principal.keyId,
    source: wish.source,
    zapId: wish.meta.zap_id,
    targetUrl: wish.target_url,
    hubUrl: wish.hub_url,
    event: wish.event,
    formId: wish.form_id,
    expiresAtMs: wish.expires_at === null ? null : Date.parse(wish.expires_at),
    at: rfc3339(nowMs),
  })
  const headers = { location: `/api/v2/hooks/${hook.id}` }
  return json(call, (await wireOf(deps, principal))(hook), { status: created ? 201 : 200, headers })
}

const refused = (pointer: string, detail: string): HubError =>
  new HubError('bad_request', `The hook cannot be made: ${pointer.slice(1)} ${detail}`, {
    problems: [{ pointer, detail }],
  })

function nobodyCarries({ hookCarriers }: HttpDeps): HubError {
  const [plugin = 'a plugin with permissions.hooks'] = hookCarriers.plugins
  return new HubError(
    'conflict',
    `Nobody would send to this hook: add "- { id: ${plugin}, use: ${plugin} }" to the installations of manifold.yaml.`,
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

/** How hooks look to this caller. */
async function wireOf(deps: HttpDeps, principal: Principal): Promise<(hook: Hook) => z.output<typeof hookSchema>> {
  const nowMs = deps.clock.nowMs()
  const keys = await deps.keys.list(principal.workspace)
  const ended = new Set(
    keys
      .filter(
        ({ revokedAt, expiresAt }) => revokedAt !== null || (expiresAt !== null && Date.parse(expiresAt) <= nowMs),
      )
      .map(({ id }) => id),
  )
  const stateOf = (hook: Hook) =>
    ended.has(hook.keyId) ? 'key_revoked' : isExpired(hook, nowMs) ? 'expired' : 'active'
  return (hook) => ({
    id: hook.id,
    source: hook.source,
    event: hook.event,
    form_id: hook.formId,
    target_url:
      hook.keyId === principal.keyId || allows(principal, 'admin') ? hook.targetUrl : new URL(hook.targetUrl).origin,
    hub_url: hook.hubUrl,
    meta: { zap_id: hook.zapId },
    key_id: hook.keyId,
    state: stateOf(hook),
    created_at: hook.createdAt,
    updated_at: hook.updatedAt,
    expires_at: hook.expiresAtMs === null ? null : rfc3339(hook.expiresAtMs),
    last_success_at: hook.lastSuccessAt,
    last_failure_at: hook.lastFailureAt,
    last_reason: hook.lastReason,
  })
}
