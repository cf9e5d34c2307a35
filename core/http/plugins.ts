/** `/api/v2/plugins`: what could run here. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import type { HttpDeps, PluginView } from './deps.ts'
import { pageOf } from './paging.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const pluginSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    version: z.string().nullable(),
    description: z.string().nullable(),
    origin: z.enum(['builtin', 'community']),
    state: z.enum(['loaded', 'broken']),
    problems: z.array(z.string()),
    events: z.array(z.string()),
    actions: z.array(z.string()),
    schedules: z.array(z.string()),
    routes: z.array(z.string()),
    hosts: z.array(z.string()),
    config: z.record(z.string(), z.unknown()).openapi({ description: "JSON Schema of the installation's `with`." }),
  })
  .openapi('Plugin')

const pluginWire = (plugin: PluginView): z.output<typeof pluginSchema> => ({
  id: plugin.id,
  name: plugin.name,
  version: plugin.version,
  description: plugin.description,
  origin: plugin.origin,
  state: plugin.problems.length === 0 ? 'loaded' : 'broken',
  problems: [...plugin.problems],
  events: [...plugin.events],
  actions: [...plugin.actions],
  schedules: [...plugin.schedules],
  routes: [...plugin.routes],
  hosts: [...plugin.hosts],
  config: { ...plugin.config },
})

/** Every route of plugins. */
export function pluginRoutes(deps: Pick<HttpDeps, 'registry'>): Route[] {
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
      handler: (call) => json(call, { items: deps.registry.plugins().map(pluginWire), next_cursor: null }),
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
      handler: (call) => {
        const plugin = deps.registry.plugins().find(({ id }) => id === call.param('id'))
        if (plugin === undefined)
          throw new HubError('not_found', `There is no plugin "${call.param('id').slice(0, 100)}".`)
        return json(call, pluginWire(plugin))
      },
    },
  ]
}
