/** `/healthz`, `/readyz`, `/metrics` and `/api/v2/config`: how the process is. */
import { z } from '@hono/zod-openapi'
import type { HttpDeps } from './deps.ts'
import { API_HEADERS } from './problem.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const readySchema = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().nullable() })),
})

const problemSchema = z.object({
  path: z.string(),
  file: z.string().openapi({ description: 'The configuration, or a file of a plugin.' }),
  line: z.number().int(),
  column: z.number().int(),
  message: z.string(),
  hint: z.string().nullable(),
})

const configSchema = z.object({
  file: z.string().nullable(),
  running_checksum: z.string(),
  disk_checksum: z.string().nullable(),
  in_step: z.boolean().openapi({ description: 'The file on disk is what runs.' }),
  loaded_at: z.string(),
  problems: z.array(problemSchema).openapi({ description: 'Why the file on disk is not what runs.' }),
  warnings: z.array(problemSchema).openapi({ description: 'Of the file that runs: allowed, and most likely slips.' }),
})

/** Every route about the process itself. */
export function healthRoutes(deps: Pick<HttpDeps, 'health' | 'metrics' | 'configStatus' | 'version'>): Route[] {
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
    {
      method: 'GET',
      path: '/api/v2/config',
      access: 'admin',
      doc: {
        tag: 'Operation',
        summary: 'The running configuration beside the file on disk',
        responses: { 200: { description: 'Status', schema: configSchema } },
      },
      handler: async (call) => {
        const status = await deps.configStatus()
        return json(call, {
          file: status.file,
          running_checksum: status.runningChecksum,
          disk_checksum: status.diskChecksum,
          in_step: status.file === null || status.diskChecksum === status.runningChecksum,
          loaded_at: status.loadedAt,
          problems: status.problems.map((problem) => ({ ...problem })),
          warnings: status.warnings.map((warning) => ({ ...warning })),
        })
      },
    },
  ]
}
