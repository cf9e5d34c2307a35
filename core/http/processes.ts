/** `/api/v2/processes`: who there is, and who runs what. */
import { z } from '@hono/zod-openapi'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { HttpDeps } from './deps.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const processSchema = z.object({
  id: z.string(),
  role: z.string().openapi({ description: '`all`, `api`, `worker`, or `leaving` for one that is about to end' }),
  version: z.string(),
  url: z.string().nullable().openapi({ description: 'Where the others reach it' }),
  asked: z.boolean().openapi({ description: 'The one that answers' }),
  silent_ms: z.number().openapi({ description: 'Since it said last that it lives' }),
  config: z.string().openapi({ description: 'Checksum of the configuration it runs' }),
  installations: z
    .array(z.string())
    .openapi({ description: 'What it runs, as workspace/id: to others than the workspace `default` their own' }),
})

/** Every route about the processes of the hub. */
export function processRoutes(deps: Pick<HttpDeps, 'processes'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/processes',
      access: 'admin',
      doc: {
        tag: 'Operation',
        summary: 'The processes of the hub',
        description: 'Empty where one process is the whole hub (SQLite).',
        responses: {
          200: {
            description: 'Oldest first',
            schema: z.object({ items: z.array(processSchema), next_cursor: z.string().nullable() }),
          },
        },
      },
      handler: (call) => {
        const { workspace } = call.principal
        const isSeen = (key: string): boolean => workspace === DEFAULT_WORKSPACE || key.startsWith(`${workspace}/`)
        const items = (deps.processes?.() ?? []).map(({ silentMs, installations, ...rest }) => ({
          ...rest,
          installations: installations.filter(isSeen),
          silent_ms: silentMs,
        }))
        return json(call, { items, next_cursor: null })
      },
    },
  ]
}
