/** How the API describes what became of each of many that came in one request. */
import { z } from '@hono/zod-openapi'

const count = z.number().int()

/** `name`: what a line that was taken holds; `counts`: of the lines, beside those that failed. */
export const batchAnswer = (name: string, item: z.ZodType, counts: readonly string[]) =>
  z.object({
    items: z.array(
      z.object({
        line: count,
        status: count,
        replayed: z.boolean().optional(),
        [name]: item.optional(),
        error: z.record(z.string(), z.unknown()).optional(),
      }),
    ),
    ...Object.fromEntries([...counts, 'failed'].map((each) => [each, count])),
  })
