/** `POST /api/v2/analytics/funnels`: how many visitors take these steps one after the other, and where they are lost. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { share } from '../metrics/numbers.ts'
import { Refusal } from '../query/refusal.ts'
import { Draft, duration, median, numberSql, SCOPE, topValues } from './asking.ts'
import type { Behaviour } from './asking.ts'
import { FunnelWalker } from './funnel.ts'
import type { Attempt, Exclusion } from './funnel.ts'
import { labelOf, matcher, matcherSql } from './matcher.ts'
import type { Matcher } from './matcher.ts'
import { walk } from './timelines.ts'
import { DAY_MS } from '../time-units.ts'

/** Bits of an event's code: steps, exclusions, and the number of a group above them. */
const STEPS_MAX = 15
const EXCLUSIONS_MAX = 5
const GROUPS_MAX = 50

const schema = z.strictObject({
  ...SCOPE,
  steps: z.array(matcher).min(2).max(STEPS_MAX),
  /** From the first step to the last; null: without end. */
  window: duration.nullable().default(30 * DAY_MS),
  /** Events that end an attempt when they lie between two steps (by number; from the first to the last unless said). */
  exclude: z
    .array(z.strictObject({ what: matcher, between: z.tuple([z.number().int(), z.number().int()]).optional() }))
    .max(EXCLUSIONS_MAX)
    .default([]),
  /** What the event of the first step is divided by. */
  breakdown: z.string().min(1).max(200).optional(),
})
type Question = z.output<typeof schema>

export const funnels: Behaviour<Question> = {
  schema,
  answer: async (question, asking) => {
    const { steps, breakdown } = question
    const windowMs = question.window ?? Infinity
    const draft = new Draft(asking)
    const where = draft.within(question, windowMs)
    const kinds = [
      ...steps.map((step, n) => matcherSql(step, draft.filters, `/steps/${n}`)),
      ...question.exclude.map(({ what }, n) => matcherSql(what, draft.filters, `/exclude/${n}/what`)),
    ]
    const exclusions = question.exclude.map(({ between = [1, steps.length] }, n): Exclusion => {
      const [after, before] = between
      if (after < 1 || before > steps.length || after >= before)
        draft.refuse(`/exclude/${n}/between`, `must be two steps from 1 to ${steps.length}, the earlier first`)
      return { after: after - 1, before: before - 1 }
    })
    const bits = kinds.map((sql, n) => `(CASE WHEN ${sql} THEN ${1 << n} ELSE 0 END)`)
    const groups = breakdown === undefined ? [] : await topValues(asking, GROUPS_MAX, entriesBy(question, breakdown))
    if (breakdown !== undefined) {
      const number = numberSql(draft.textOf(breakdown, '/breakdown'), groups, draft.values)
      bits.push(`(CASE WHEN ${kinds[0]} THEN ${number} * ${1 << kinds.length} ELSE 0 END)`)
    }
    draft.check()
    const walker = new FunnelWalker({
      steps: steps.length,
      windowMs,
      exclusions,
      fromMs: question.from ?? -Infinity,
      toMs: question.to ?? Infinity,
      groupShift: kinds.length,
    })
    const all = new Tally(steps.length)
    let times = 0
    const byGroup = Array.from({ length: groups.length + 1 }, () => new Tally(steps.length))
    await walk(asking.scan, { where, code: bits.join(' + '), values: draft.values.list }, (timeline) => {
      const attempt = walker.follow(timeline)
      if (attempt.reached === 0) return
      if ((times += attempt.reached) > TIMES_MAX) throw tooMany()
      all.add(attempt)
      byGroup[attempt.group]?.add(attempt)
    })
    return wire(
      question,
      all,
      byGroup.map((tally, n) => ({ value: groups[n - 1] ?? null, tally })),
    )
  },
}

const entriesBy = (question: Question, breakdown: string) => (draft: Draft) => ({
  text: draft.textOf(breakdown, '/breakdown'),
  where: `${draft.within(question)} AND ${matcherSql(question.steps[0] as Matcher, draft.filters, '/steps/0')}`,
})

const MS_PER_SECOND = 1_000
/** Medians need all of them: how long each visitor took for each step. */
const TIMES_MAX = 10_000_000

const tooMany = (): Refusal =>
  new Refusal([
    { pointer: '/from', detail: `is so early that visitors take more than ${TIMES_MAX} steps; ask about fewer` },
  ])

/** Visitors by how far they came, and how long they took. */
class Tally {
  readonly reached: number[]
  readonly #tookS: number[][]
  readonly #wholeS: number[] = []

  constructor(steps: number) {
    this.reached = Array.from({ length: steps }, () => 0)
    this.#tookS = Array.from({ length: steps }, () => [])
  }

  add({ reached, atMs }: Attempt): void {
    for (let step = 0; step < reached; step += 1) {
      this.reached[step] = (this.reached[step] as number) + 1
      if (step > 0) this.#tookS[step]?.push(((atMs[step] as number) - (atMs[step - 1] as number)) / MS_PER_SECOND)
    }
    const last = this.reached.length - 1
    if (reached > last) this.#wholeS.push(((atMs[last] as number) - (atMs[0] as number)) / MS_PER_SECOND)
  }

  /** Median from the step before. */
  medianS(step: number): number | null {
    return median(this.#tookS[step] as number[])
  }

  /** Median from the first step to the last. */
  wholeS(): number | null {
    return median(this.#wholeS)
  }
}

interface Group {
  /** Null: of none of the values that were told apart. */
  readonly value: string | null
  readonly tally: Tally
}

function wire({ steps, breakdown }: Question, all: Tally, groups: readonly Group[]): Json {
  const [entered = 0] = all.reached
  const converted = all.reached.at(-1) ?? 0
  return {
    entered,
    converted,
    rate: share(converted, entered),
    median_s: all.wholeS(),
    steps: steps.map((step, n) => {
      const visitors = all.reached[n] ?? 0
      const before = n === 0 ? visitors : (all.reached[n - 1] ?? 0)
      return {
        step: n + 1,
        label: labelOf(step, `step ${n + 1}`),
        visitors,
        lost: before - visitors,
        of_previous: share(visitors, before),
        of_first: share(visitors, entered),
        median_s: n === 0 ? null : all.medianS(n),
      }
    }),
    ...(breakdown === undefined
      ? {}
      : {
          breakdown: groups
            .filter(({ tally }) => (tally.reached[0] ?? 0) > 0)
            .toSorted((a, b) => (b.tally.reached[0] ?? 0) - (a.tally.reached[0] ?? 0))
            .map(({ value, tally }) => ({
              value,
              visitors: tally.reached,
              rate: share(tally.reached.at(-1) ?? 0, tally.reached[0] ?? 0),
              median_s: tally.wholeS(),
            })),
        }),
  }
}
