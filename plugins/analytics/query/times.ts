/** Moments as questions name them. */
import { z } from 'zod'

/** RFC 3339, kept as it was written. */
export const momentText = z.iso.datetime({
  offset: true,
  error:
    'is no moment; write it with its time and offset, such as "2026-11-01T00:00:00Z" or "2026-11-01T00:00:00+01:00"',
})

/** The same in milliseconds since 1970. */
export const moment = momentText.transform((text) => Date.parse(text))
