/** `/api/v2/system`: what the process that answers is made of, and what waits in it. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { DEFAULT_WORKSPACE } from '../model.ts'
import type { HttpDeps } from './deps.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const sandboxSchema = z.object({
  for: z.string().openapi({ description: '`plugins`, `transforms`, or `routes` that anybody may call' }),
  children: z
    .array(
      z.object({
        group: z.string().openapi({ description: 'Who lives in it: several installations, or one of its own' }),
        pid: z.int(),
        hardened: z.boolean().openapi({
          description: 'It runs where V8 makes no machine code (`hardened` of the file): slower, and safer',
        }),
        rss_bytes: z.number().nullable().openapi({ description: 'null: nobody measures it, as of native plugins' }),
        isolates: z.int(),
      }),
    )
    .openapi({ description: 'Its processes now; none while nothing has to run' }),
  restarts: z.int().openapi({ description: 'Processes that were started after one ended, since this one started' }),
  kills: z.int().openapi({ description: 'Of those, the ones that the hub itself ended, for a limit' }),
})

const systemSchema = z.object({
  version: z.string(),
  node: z.string(),
  pid: z.int(),
  uptime_seconds: z.number(),
  rss_bytes: z.number().openapi({ description: 'Of this process, without its children' }),
  storage: z
    .object({ bytes: z.number(), wal_bytes: z.number(), responses: z.number(), events: z.number() })
    .openapi({ description: 'The journal of Postgres is its own, so `wal_bytes` is 0 there' }),
  queue: z
    .array(z.object({ kind: z.string(), waiting: z.int() }))
    .openapi({ description: 'Lanes that are to be woken, by what they do' }),
  behind: z
    .array(z.object({ installation: z.string(), events: z.int() }))
    .openapi({ description: 'Installations that have not read the whole log, the furthest behind first' }),
  sandboxes: z.array(sandboxSchema),
})

/** The route, for admins of the workspace `default`: what it tells is of all workspaces. */
export function systemRoutes(deps: Pick<HttpDeps, 'parts' | 'store' | 'version'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/api/v2/system',
      access: 'admin',
      doc: {
        tag: 'Operation',
        summary: 'What the process that answers is made of',
        description:
          'Memory, storage, what waits, and the processes plugins run in. For the workspace `default` alone.',
        responses: { 200: { description: 'As it is now', schema: systemSchema } },
      },
      handler: async (call) => {
        if (call.principal.workspace !== DEFAULT_WORKSPACE)
          throw new HubError(
            'forbidden',
            `Only an admin key of the workspace "${DEFAULT_WORKSPACE}" sees the whole hub.`,
          )
        const { bytes, walBytes, responses, events } = await deps.store.stats()
        return json(call, {
          version: deps.version,
          node: process.versions.node,
          pid: process.pid,
          uptime_seconds: Math.round(process.uptime()),
          rss_bytes: process.memoryUsage.rss(),
          storage: { bytes, wal_bytes: walBytes, responses, events },
          queue: Object.entries(deps.parts?.queue() ?? {}).map(([kind, waiting]) => ({ kind, waiting })),
          behind: behind(deps.parts?.lag() ?? []),
          sandboxes: Object.entries(deps.parts?.sandboxes() ?? {}).map(([use, { children, restarts, kills }]) => ({
            for: use,
            children: children.map(({ rssBytes, units, ...child }) => ({
              ...child,
              rss_bytes: rssBytes === 0 ? null : rssBytes,
              isolates: units,
            })),
            restarts,
            kills,
          })),
        })
      },
    },
  ]
}

type Lag = ReturnType<NonNullable<HttpDeps['parts']>['lag']>

const behind = (lag: Lag): readonly { readonly installation: string; readonly events: number }[] =>
  lag
    .filter(([, events]) => events > 0)
    .toSorted(([, one], [, other]) => other - one)
    .map(([installation, events]) => ({ installation, events }))
