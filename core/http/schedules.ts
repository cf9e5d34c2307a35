/** `POST /api/v2/installations/{id}/schedules/{name}/fire`: a schedule once, by hand. */
import { z } from '@hono/zod-openapi'
import type { HttpDeps } from './deps.ts'
import { bodyOf, dryOr, findInstallation } from './installations.ts'
import { json } from './route.ts'
import type { Route } from './route.ts'

const fireBody = z.strictObject({
  dry_run: z.boolean().default(false).openapi({ description: 'Only say whether there is such a schedule to fire' }),
})

/** The routes of schedules. */
export const scheduleRoutes = (deps: Pick<HttpDeps, 'engine' | 'limits' | 'registry' | 'store'>): Route[] => [
  {
    method: 'POST',
    path: '/api/v2/installations/{id}/schedules/{name}/fire',
    access: 'deliveries:write',
    doc: {
      tag: 'Installations',
      summary: 'Fire a schedule of its plugin now',
      description:
        'Once, beside its timetable, which goes on as it was. What the plugin does then is real; its delivery is marked as a test.',
      body: { required: false, schema: fireBody, example: { dry_run: true } },
      responses: dryOr('The delivery that runs it', z.object({ delivery: z.string().nullable() })),
    },
    handler: async (call) => {
      const { dry_run: dryRun } = await bodyOf(deps, call, fireBody)
      const { id } = await findInstallation(deps, call)
      const { workspace } = call.principal
      const delivery = await deps.engine.fire({ workspace, installation: id, schedule: call.param('name'), dryRun })
      return json(call, { delivery }, { status: dryRun ? 200 : 202 })
    },
  },
]
