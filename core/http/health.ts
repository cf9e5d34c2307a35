/** `/healthz`, `/readyz` and `/metrics`: how the process is. */
import { z } from '@hono/zod-openapi'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const readySchema = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().nullable() })),
})

/** Every route about the process itself. */
export function healthRoutes(deps: Pick<HttpDeps, 'health' | 'metrics' | 'version'>): Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      access: 'open',
      doc: {
        tag: 'Operation',
        summary: 'The process answers',
        responses: {
          200: { description: 'Alive', schema: z.object({ status: z.literal('ok'), version: z.string() }) },
        },
      },
      handler: (call) => json(call, { status: 'ok', version: deps.version }),
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'open',
      doc: {
        tag: 'Operation',
        summary: 'The hub can take work',
        responses: {
          200: { description: 'Ready', schema: readySchema },
          503: { description: 'Not ready; `checks` says why', schema: readySchema },
        },
      },
      handler: async (call) => {
        const { ready, checks } = await deps.health.readiness()
        return json(call, { ready, checks }, { status: ready ? 200 : 503 })
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'local',
      doc: {
        tag: 'Operation',
        summary: 'Prometheus metrics',
        description:
          'Without a key only from this machine or a private network, asked for by IP address or as localhost, with nothing in between; otherwise with an admin key.',
        responses: { 200: { description: 'Text exposition format', type: 'text/plain', schema: z.string() } },
      },
      handler: async (call) =>
        new Response(await deps.metrics.text(), {
          status: 200,
          headers: { ...API_HEADERS, 'content-type': deps.metrics.type, 'x-request-id': call.requestId },
        }),
    },
  ]
}
