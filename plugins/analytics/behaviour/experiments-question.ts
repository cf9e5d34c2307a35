/** `POST /api/v2/analytics/experiments`: which variant of an A/B test did better, and whether that can be believed yet. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { Draft, duration, numberSql, SCOPE, topValues } from './asking.ts'
import type { Behaviour } from './asking.ts'
import { ExperimentCounter } from './experiment.ts'
import type { VariantResult } from './experiment.ts'
import { matcher, matcherSql } from './matcher.ts'
import type { Interval } from './statistics.ts'
import { walk } from './timelines.ts'

const VARIANTS_MAX = 10
const name = z.string().min(1).max(200)

const schema = z
  .strictObject({
    ...SCOPE,
    /** The event that shows a variant, and where it says which. */
    exposure: matcher,
    variant: z.string().min(1).max(200),
    goal: matcher,
    /** From the exposure to the goal; null: without end. */
    window: duration.nullable().default(null),
    /** All of them, the one to compare with first; without it the values found, in order. */
    variants: z.array(name).min(2).max(VARIANTS_MAX).optional(),
    /** How visitors were to be divided, in the order of `variants`; equally unless said. */
    shares: z.array(z.number().positive()).optional(),
  })
  .refine(({ variants, shares }) => shares === undefined || shares.length === variants?.length, {
    path: ['shares'],
    error: 'needs "variants" with as many items',
  })
type Question = z.output<typeof schema>

export const experiments: Behaviour<Question> = {
  schema,
  answer: async (question, asking) => {
    const windowMs = question.window ?? Infinity
    const variants =
      question.variants ??
      (
        await topValues(asking, VARIANTS_MAX, (draft) => ({
          text: draft.textOf(question.variant, '/variant'),
          where: `${draft.within(question)} AND ${matcherSql(question.exposure, draft.filters, '/exposure')}`,
        }))
      )
        .filter((value) => value !== '')
        .toSorted()
    const draft = new Draft(asking)
    const where = draft.within(question, windowMs)
    const shows = matcherSql(question.exposure, draft.filters, '/exposure')
    const number = numberSql(draft.textOf(question.variant, '/variant'), variants, draft.values)
    const goal = matcherSql(question.goal, draft.filters, '/goal')
    draft.check()
    const code = `(CASE WHEN ${shows} THEN ${number} * 2 ELSE 0 END) + (CASE WHEN ${goal} THEN 1 ELSE 0 END)`
    const counter = new ExperimentCounter({
      variants,
      shares: question.shares,
      windowMs,
      fromMs: question.from ?? -Infinity,
      toMs: question.to ?? Infinity,
    })
    await walk(asking.scan, { where, code, values: draft.values.list }, (timeline) => counter.add(timeline))
    if (variants.length === 0) return { variants: [], mixed: 0, sample_ratio: { p: null, is_mismatch: false } }
    const result = counter.result()
    return {
      variants: result.variants.map(wire),
      mixed: result.mixed,
      sample_ratio: { p: result.sampleRatio.p, is_mismatch: result.sampleRatio.isMismatch },
    } satisfies Json
  },
}

const interval = (of: Interval | null): Json => (of === null ? null : { low: of.low, high: of.high })

const wire = ({ variant, visitors, converted, rate, interval: of, comparison }: VariantResult): Json => ({
  variant,
  visitors,
  converted,
  rate,
  interval: interval(of),
  comparison:
    comparison === null
      ? null
      : {
          difference: comparison.difference,
          lift: comparison.lift,
          interval: interval(comparison.interval),
          p: comparison.p,
          always_valid: interval(comparison.alwaysValid),
          is_significant: comparison.isSignificant,
        },
})
