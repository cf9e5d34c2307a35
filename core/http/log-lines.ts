/** A line that a plugin logged, on the wire: in attempts and in runs. */
import { z } from '@hono/zod-openapi'

export const logLineSchema = z.object({
  level: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()).optional(),
  at: z.string().optional().openapi({ description: "Where in the plugin's own files: `index.ts:12:5`." }),
})
