/** Which deliveries a replay or a discard is about, as both are asked. */
import { z } from '@hono/zod-openapi'
import { LIMITS } from '../limits.ts'
import { DEAD_REASONS } from '../model.ts'
import { instant } from './paging.ts'

/** Of a strict object. Times are those of creation. */
export const deliveryFilter = {
  ids: z.array(z.string().max(100)).min(1).max(LIMITS.replayRowsPerStepMax).optional(),
  since: instant.optional(),
  until: instant.optional(),
  installation: z.string().optional(),
  form: z.string().optional(),
  reason: z.enum(DEAD_REASONS).optional(),
  code: z.string().max(100).optional().openapi({ description: 'Code of the last error' }),
  cause: z.string().max(32).optional().openapi({ description: 'Of a group of dead letters' }),
  dry_run: z.boolean().default(false),
}

/** Where the request before ended. */
export const stepCursor = z.string().min(1).max(1_024).optional()

/** How much one request does at most. */
const REQUEST_ROWS_MAX = LIMITS.replayStepsPerRequestMax * LIMITS.replayRowsPerStepMax

export const requestRows = z
  .number()
  .int()
  .min(1)
  .max(REQUEST_ROWS_MAX)
  .default(REQUEST_ROWS_MAX)
  .openapi({ description: 'The most that this request does of those that match' })
