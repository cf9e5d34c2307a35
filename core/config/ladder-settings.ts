/** `events: { ladder }` of the file: how long counts of behaviour events outlive what the events say, and at which resolution. */
import { z } from 'zod'
import { RUNGS } from '../storage/ladder/rungs.ts'
import type { Ladder, Rung } from '../storage/ladder/rungs.ts'
import { DURATION_SHAPE, parseDurationMs } from './durations.ts'

export const DAY_MS = 86_400_000
export const KEEP_DAYS_MAX = 3_660

/** Ages up to which counts are kept by each rung. */
const LADDERS = {
  standard: { minute: '30d', hour: '365d', day: '1825d' },
  short: { hour: '24h', day: '30d', month: '365d' },
} as const
const LADDER_DEFAULT = 'standard'

const age = z
  .string()
  .regex(DURATION_SHAPE, 'must be a duration such as 30d')
  .refine((text) => (parseDurationMs(text) ?? 0) <= KEEP_DAYS_MAX * DAY_MS, `must be ${KEEP_DAYS_MAX}d at most`)
  .optional()

type Ages = { readonly [rung in Rung]?: string | undefined }

const own = z
  .strictObject({ minute: age, hour: age, day: age, month: age })
  .refine(
    (ages) => RUNGS.some((rung) => ages[rung] !== undefined),
    'must have at least one of minute, hour, day, month',
  )
  .refine((ages) => {
    const known = agesOf(ages)
    return known.every(({ keepMs }, n) => n === 0 || keepMs > (known[n - 1]?.keepMs ?? 0))
  }, 'must keep each coarser rung longer than the finer one before it (minute, hour, day, month)')

export const ladderSchema = z
  .union([z.enum(Object.keys(LADDERS) as [keyof typeof LADDERS, ...(keyof typeof LADDERS)[]]), own])
  .describe(
    'How long it is known how many behaviour events there were, once what they say is forgotten (keep): standard (minutes for 30 days, hours for a year, days for five years; where nothing is said), short (hours for 24 hours, days for 30 days, months for a year), or ages of your own by rung. A rung that is kept no longer than the events themselves holds nothing for long.',
  )

/** Finest first. */
export const ladderOf = (said: z.output<typeof ladderSchema> = LADDER_DEFAULT): Ladder['rungs'] =>
  agesOf(typeof said === 'string' ? LADDERS[said] : said)

const agesOf = (ages: Ages): Ladder['rungs'] =>
  RUNGS.flatMap((rung) => {
    const text = ages[rung]
    return text === undefined ? [] : [{ rung, keepMs: parseDurationMs(text) ?? 0 }]
  })
