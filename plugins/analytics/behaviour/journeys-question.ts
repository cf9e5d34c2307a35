/** `POST /api/v2/analytics/journeys`: what visitors do one after the other, from an event on or up to one. */
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { share } from '../metrics/numbers.ts'
import { SESSION_GAP_MS } from '../engine/session.ts'
import { Draft, duration, numberSql, SCOPE, topValues } from './asking.ts'
import type { Behaviour } from './asking.ts'
import { JourneyCounter } from './journeys.ts'
import { matcher, matcherSql } from './matcher.ts'
import { walk } from './timelines.ts'

/** What is done more rarely is told as "(other)". */
const KINDS_MAX = 200
const OTHER = '(other)'
const LINKS_MAX = 1_000

const schema = z
  .strictObject({
    ...SCOPE,
    /** Journeys begin here, or end there. */
    start: matcher.optional(),
    end: matcher.optional(),
    /** What a step is called: the page and, of what has none, the name; or always the name. */
    by: z.enum(['page', 'name']).default('page'),
    steps: z.number().int().min(2).max(10).default(5),
    gap: duration.default(SESSION_GAP_MS),
    limit: z.number().int().min(1).max(1_000).default(100),
  })
  .refine(({ start, end }) => start === undefined || end === undefined, {
    path: ['end'],
    error: 'stands beside "start"; use one of the two',
  })
type Question = z.output<typeof schema>

const nameOf = ({ by }: Question): string => (by === 'page' ? 'coalesce(path, name)' : 'name')

export const journeys: Behaviour<Question> = {
  schema,
  answer: async (question, asking) => {
    const { start, end, steps, gap, limit } = question
    const kinds = await topValues(asking, KINDS_MAX, (draft) => ({
      text: nameOf(question),
      where: draft.within(question),
    }))
    const draft = new Draft(asking)
    const where = draft.within(question)
    const number = numberSql(nameOf(question), kinds, draft.values)
    const anchor = start ?? end
    const isAnchor =
      anchor === undefined ? 'false' : matcherSql(anchor, draft.filters, start === undefined ? '/end' : '/start')
    draft.check()
    const counter = new JourneyCounter({
      stepsMax: steps,
      gapMs: gap,
      anchor: start !== undefined ? 'first' : end !== undefined ? 'last' : 'none',
    })
    // One more than the number, so that nothing that was done is 0.
    const code = `(${number} + 1) * 2 + (CASE WHEN ${isAnchor} THEN 1 ELSE 0 END)`
    await walk(asking.scan, { where, code, values: draft.values.list }, (timeline) => counter.add(timeline))
    const labelOf = (kind: number): string => kinds[kind - 2] ?? OTHER
    const links = counter.links()
    return {
      journeys: counter.journeys,
      paths: counter.top(limit).map(({ steps: taken, count }) => ({
        steps: taken.map(labelOf),
        count,
        share: share(count, counter.journeys),
      })),
      links: links.slice(0, LINKS_MAX).map(({ step, from, to, count }) => ({
        step,
        from: labelOf(from),
        to: to === null ? null : labelOf(to),
        count,
      })),
      has_more_links: links.length > LINKS_MAX,
    } satisfies Json
  },
}
