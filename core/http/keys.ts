/** `/api/v2/keys` and `/api/v2/me`: who may do what. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { SCOPES } from '../model.ts'
import type { WorkspaceId } from '../model.ts'
import type { ApiKeyRow } from '../storage/key-store.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { tellStoppedHooks } from './forms.ts'
import { instant, pageOf } from './paging.ts'
import { json, noContent, readBodyAs, readQuery } from './route.ts'
import type { Route } from './route.ts'

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(z.string()),
    created_at: z.string(),
    expires_at: z.string().nullable(),
    last_used_at: z.string().nullable(),
    revoked_at: z.string().nullable(),
  })
  .openapi('ApiKey')

const meSchema = z.object({
  workspace: z.string(),
  key: z.object({ id: z.string(), name: z.string(), scopes: z.array(z.string()) }),
  version: z.string(),
})

const keyBody = z.strictObject({
  name: z.string().trim().min(1).max(100),
  scopes: z.array(z.enum(SCOPES)).min(1),
  expires_at: instant.nullable().default(null),
})

const keyWire = (row: ApiKeyRow): z.output<typeof keySchema> => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  scopes: [...row.scopes],
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  last_used_at: row.lastUsedAt,
  revoked_at: row.revokedAt,
})

const revokeQuery = z.object({ force: z.enum(['true', 'false']).default('false') })

/** What somebody who is about to revoke a key has to know. */
const hooksStop = (count: number): string =>
  `${count === 1 ? '1 hook uses' : `${count} hooks use`} this key (Zapier, Make, n8n) and would stop: GET /api/v2/hooks?key= shows them. Connect them with another key first, or revoke it with ?force=true.`

type Deps = Pick<HttpDeps, 'keys' | 'limits' | 'clock' | 'version' | 'store' | 'hooks' | 'logger'>

/** Every route of keys. */
export function keyRoutes(deps: Deps): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/me',
      access: 'any-key',
      doc: {
        tag: 'Keys',
        summary: 'Who this key is',
        responses: { 200: { description: 'Workspace, key and its scopes', schema: meSchema } },
      },
      handler: (call) => {
        const { workspace, keyId, name, scopes } = call.principal
        return json(call, { workspace, key: { id: keyId, name, scopes: [...scopes] }, version: deps.version })
      },
    },
    {
      method: 'POST',
      path: '/api/v2/keys',
      access: 'admin',
      doc: {
        tag: 'Keys',
        summary: 'Create an API key',
        description: 'The key is in this answer and cannot be shown again; the hub keeps only its hash.',
        body: { schema: keyBody, example: { name: 'website', scopes: ['responses:write'], expires_at: null } },
        responses: { 201: { description: 'The key, once', schema: keySchema.extend({ key: z.string() }) } },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const { name, scopes, expires_at: expiresAt } = readBodyAs(body, keyBody)
        if (expiresAt !== null && Date.parse(expiresAt) <= deps.clock.nowMs()) {
          throw new HubError('bad_request', 'The key would be expired already.', {
            problems: [{ pointer: '/expires_at', detail: 'must be in the future' }],
          })
        }
        const made = await deps.keys.create({
          workspace: call.principal.workspace,
          name,
          scopes: [...new Set(scopes)],
          expiresAt,
        })
        return json(call, { ...keyWire(made.row), key: made.key }, { status: 201 })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/keys',
      access: 'admin',
      doc: {
        tag: 'Keys',
        summary: 'List API keys',
        description: 'Revoked ones too.',
        responses: { 200: { description: 'All keys', schema: pageOf(keySchema) } },
      },
      handler: async (call) =>
        json(call, { items: (await deps.keys.list(call.principal.workspace)).map(keyWire), next_cursor: null }),
    },
    ...oneKey(deps),
  ]
}

function oneKey(deps: Deps): Route[] {
  const hooksOf = (workspace: WorkspaceId, key: string): Promise<number> =>
    deps.store.countHooks(workspace, { key, inForceMs: deps.clock.nowMs() })
  return [
    {
      method: 'GET',
      path: '/api/v2/keys/{id}',
      access: 'admin',
      doc: {
        tag: 'Keys',
        summary: 'One API key',
        description: 'With the number of hooks that would stop if it were revoked.',
        responses: {
          200: {
            description: 'The key',
            schema: keySchema.extend({ hooks: z.number().int() }).openapi('ApiKeyDetail'),
          },
        },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const id = call.param('id')
        const row = (await deps.keys.list(workspace)).find((each) => each.id === id)
        if (row === undefined) throw new HubError('not_found', `There is no key "${id.slice(0, 100)}".`)
        return json(call, { ...keyWire(row), hooks: await hooksOf(workspace, id) })
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/keys/{id}',
      access: 'admin',
      doc: {
        tag: 'Keys',
        summary: 'Revoke an API key',
        description:
          'While hooks use it, 409 says how many; `?force=true` revokes it all the same. Nothing is sent to those hooks from then on, until their subscriber asks again with another key; an alert (`hooks_stopped`) says so.',
        query: revokeQuery,
        responses: { 204: { description: 'Revoked' } },
      },
      handler: async (call) => {
        const { force } = readQuery(call, revokeQuery)
        const count = force === 'true' ? 0 : await hooksOf(call.principal.workspace, call.param('id'))
        if (count > 0) throw new HubError('conflict', hooksStop(count))
        if (!(await deps.keys.revoke(call.principal.workspace, call.param('id'))))
          throw new HubError('not_found', `There is no key "${call.param('id').slice(0, 100)}" in force.`)
        await tellStoppedHooks(deps)
        return noContent(call)
      },
    },
  ]
}
