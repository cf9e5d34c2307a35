/** `/api/v2/plugins`: what could run here. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import { allows } from '../registry/api-keys.ts'
import type { HttpDeps, PluginView } from './deps.ts'
import { pageOf } from './paging.ts'
import { readJson } from './body.ts'
import { json, readBodyAs } from './route.ts'
import type { KeyedCall, Route } from './route.ts'
import { usageSchema, usageWire } from './usage.ts'

const sourcesSchema = z.object({
  files: z
    .array(
      z.object({
        path: z.string(),
        change: z.enum(['added', 'removed', 'changed']),
        added: z.number().int(),
        removed: z.number().int(),
      }),
    )
    .openapi({ description: 'With how many lines are new and gone. None: the same sources, bundled otherwise' }),
  diff: z.string().openapi({ description: `Unified; ${LIMITS.pluginDiffBytesMax} bytes at most` }),
  whole: z.boolean().openapi({ description: 'False: files, lines or ends of lines were left out' }),
})

const pluginSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    version: z.string().nullable(),
    description: z.string().nullable(),
    origin: z.enum(['builtin', 'community']),
    state: z.enum(['loaded', 'needs-approval', 'broken']),
    problems: z.array(z.string()),
    events: z.array(z.string()),
    actions: z.array(z.string()),
    schedules: z.array(z.string()),
    routes: z.array(z.string()),
    hosts: z.array(z.string()),
    asks: z.array(z.string()).openapi({ description: 'What the version on disk asks for.' }),
    granted: z
      .array(z.string())
      .nullable()
      .openapi({ description: 'What it was granted; null: it was never in use here.' }),
    granted_at: z.string().nullable(),
    code: z.string().nullable().openapi({ description: 'SHA-256 of the bundle that runs; null: it is not in use.' }),
    usage: usageSchema
      .nullable()
      .openapi({ description: 'What its installations used together; null: there are none that could be asked' }),
    needs_approval: z
      .object({
        from: z.object({
          version: z.string(),
          code: z.string(),
          grants: z.array(z.string()),
          granted_at: z.string(),
        }),
        to: z.object({
          version: z.string(),
          code: z.string().nullable(),
          grants: z.array(z.string()),
          hash: z.string().nullable().openapi({
            description: 'What an approval has to name: SHA-256 of manifest and code; null: it cannot be bundled.',
          }),
        }),
        running: z
          .string()
          .nullable()
          .openapi({ description: 'The version that goes on meanwhile; null: none is left.' }),
        gone: z.boolean().openapi({ description: 'Its folder is not there any more: there is nothing to approve' }),
        diff: z
          .array(z.string())
          .openapi({ description: 'A line each: `+` asked for and not granted, `-` given up, `!` other files.' }),
        sources: sourcesSchema.nullable().openapi({
          description:
            'What changed in the sources that are bundled, and in the manifest; null: what was granted is not kept, what is on disk cannot be read, or the key is no admin key: sources are for whoever approves.',
        }),
      })
      .nullable()
      .openapi({ description: 'Set while the version on disk is not what was granted (`from`) and waits.' }),
    config: z.record(z.string(), z.unknown()).openapi({ description: "JSON Schema of the installation's `with`." }),
  })
  .openapi('Plugin')

const pluginWire = (plugin: PluginView, isAdmin: boolean): z.output<typeof pluginSchema> => ({
  id: plugin.id,
  name: plugin.name,
  version: plugin.version,
  description: plugin.description,
  origin: plugin.origin,
  state: plugin.problems.length > 0 ? 'broken' : plugin.needsApproval === null ? 'loaded' : 'needs-approval',
  problems: [...plugin.problems],
  events: [...plugin.events],
  actions: [...plugin.actions],
  schedules: [...plugin.schedules],
  routes: [...plugin.routes],
  hosts: [...plugin.hosts],
  asks: [...plugin.asks],
  granted: plugin.granted === null ? null : [...plugin.granted],
  granted_at: plugin.grantedAt,
  code: plugin.code,
  usage: plugin.usage === null ? null : usageWire(plugin.usage),
  needs_approval: plugin.needsApproval === null ? null : waitingWire(plugin.needsApproval, isAdmin),
  config: { ...plugin.config },
})

const waitingWire = (
  { from, to, running, gone, diff, sources }: NonNullable<PluginView['needsApproval']>,
  isAdmin: boolean,
): z.output<typeof pluginSchema>['needs_approval'] => ({
  from: { version: from.version, code: from.code, grants: [...from.grants], granted_at: from.grantedAt },
  to: { ...to, grants: [...to.grants] },
  running,
  gone,
  diff: [...diff],
  sources:
    sources === null || !isAdmin ? null : { files: [...sources.files], diff: sources.text, whole: sources.isWhole },
})

const approveBody = z.strictObject({ hash: z.string().regex(/^[0-9a-f]{64}$/) })

/** Every route of plugins. */
export function pluginRoutes(deps: Pick<HttpDeps, 'registry' | 'approve' | 'limits'>): Route[] {
  const shown = async (call: KeyedCall): Promise<Response> => {
    const all = await deps.registry.plugins(call.principal.workspace)
    const plugin = all.find(({ id }) => id === call.param('id'))
    if (plugin === undefined) throw new HubError('not_found', `There is no plugin "${call.param('id').slice(0, 100)}".`)
    return json(call, pluginWire(plugin, allows(call.principal, 'admin')))
  }
  return [
    {
      method: 'GET',
      path: '/api/v2/plugins',
      access: 'deliveries:write',
      doc: {
        tag: 'Plugins',
        summary: 'List plugins',
        description: 'Broken ones too, with what is wrong.',
        responses: { 200: { description: 'All plugins', schema: pageOf(pluginSchema) } },
      },
      handler: async (call) => {
        const { workspace } = call.principal
        const isAdmin = allows(call.principal, 'admin')
        const items = (await deps.registry.plugins(workspace)).map((plugin) => pluginWire(plugin, isAdmin))
        return json(call, { items, next_cursor: null })
      },
    },
    {
      method: 'GET',
      path: '/api/v2/plugins/{id}',
      access: 'deliveries:write',
      doc: {
        tag: 'Plugins',
        summary: 'Read a plugin',
        responses: { 200: { description: 'The plugin', schema: pluginSchema } },
      },
      handler: shown,
    },
    {
      method: 'POST',
      path: '/api/v2/plugins/{id}/approve',
      access: 'admin',
      doc: {
        tag: 'Plugins',
        summary: 'Approve what waits',
        description:
          'Grants exactly what `needs_approval.to.hash` stands for; when the files have changed since, nothing is granted and the answer is 409 with what differs now. It counts in the data folder of the process that answers: where several run, it is refused, and `manifold plugin approve` has to be run beside each.',
        body: { schema: approveBody, example: { hash: '9f12e486f2f4'.padEnd(64, '0') } },
        responses: { 200: { description: 'The plugin as it runs now', schema: pluginSchema } },
      },
      handler: async (call) => {
        // Plugins are the whole hub's: what one tenant may say yes to would run for all.
        if (call.principal.workspace !== DEFAULT_WORKSPACE)
          throw new HubError('forbidden', `Only an admin key of the workspace "${DEFAULT_WORKSPACE}" approves plugins.`)
        const { body } = await readJson(call.incoming, deps.limits)
        await deps.approve(call.param('id'), readBodyAs(body, approveBody).hash)
        return await shown(call)
      },
    },
  ]
}
