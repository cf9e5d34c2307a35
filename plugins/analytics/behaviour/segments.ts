/** `POST /api/v2/analytics/segments`: visitors by what they are worth (RFM) or by who is alike (k-means). */
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import type { Json } from 'manifold/plugin'
import { share } from '../metrics/numbers.ts'
import { Draft, SCOPE } from './asking.ts'
import type { Asking, Behaviour } from './asking.ts'
import { kMeans } from './clusters.ts'
import { matcher, matcherSql } from './matcher.ts'
import { marksOf, SEGMENTS, segmentOf } from './rfm.ts'
import { worthSql } from '../engine/worth.ts'
import { Refusal } from '../query/refusal.ts'
import { DAY_MS } from '../time-units.ts'

const EXAMPLES_MAX = 10
/** More are not held at a time: beyond, every n-th visitor stands for the rest. */
const VISITORS_MAX = 200_000

const schema = z.discriminatedUnion('method', [
  z.strictObject({
    ...SCOPE,
    method: z.literal('rfm'),
    /** What counts: how lately, how often, and for how much. */
    event: matcher.default({ type: 'conversion' }),
  }),
  z.strictObject({
    ...SCOPE,
    method: z.literal('kmeans'),
    event: matcher.default({ filter: {} }),
    k: z.number().int().min(2).max(12).default(4),
  }),
])
type Question = z.output<typeof schema>

const FEATURES = ['days_since_last', 'events', 'active_days', 'kinds', 'value'] as const

const MIXED =
  'lets in values of several currencies, which add up to nothing: add for example {"$or": [{"currency": "EUR"}, {"value": null}]}'

interface Profiles {
  /** In the order of FEATURES, one visitor after the other. */
  readonly features: Float64Array
  readonly visitors: Int32Array
  /** Visitors in all; more than there are profiles when only every n-th is looked at. */
  readonly total: number
}

async function profilesOf(question: Question, asking: Asking): Promise<Profiles> {
  const { ask, scan, nowMs } = asking
  const untilMs = Math.min(question.to ?? nowMs, nowMs)
  const draft = new Draft(asking)
  const where = `visitor_no IS NOT NULL AND ${draft.within(question)} AND ${matcherSql(question.event, draft.filters, '/event')}`
  draft.check()
  const [row] = await ask(
    `SELECT count(DISTINCT visitor_no) AS visitors, ${worthSql().isMixed} AS mixed FROM events WHERE ${where}`,
    draft.values.list,
  )
  if (row?.['mixed'] === true) throw new Refusal([{ pointer: '/filter', detail: MIXED }])
  const total = Number(row?.['visitors'] ?? 0)
  const everyNth = Math.max(1, Math.ceil(total / VISITORS_MAX))
  const features: number[] = []
  const visitors: number[] = []
  await scan(
    `SELECT visitor_no, (${untilMs} - epoch_ms(max(occurred_at)))::DOUBLE / ${DAY_MS}, count(*)::DOUBLE,
       count(DISTINCT date_trunc('day', occurred_at))::DOUBLE, count(DISTINCT name)::DOUBLE, coalesce(fsum(value), 0)::DOUBLE
     FROM events WHERE ${where} AND hash(visitor_no) % ${everyNth} = 0 GROUP BY 1 ORDER BY 1`,
    draft.values.list,
    ([numbers, ...columns], rows) => {
      for (let at = 0; at < rows; at += 1) {
        visitors.push(numbers?.[at] as number)
        for (const column of columns) features.push(column[at] as number)
      }
    },
  )
  return { features: Float64Array.from(features), visitors: Int32Array.from(visitors), total }
}

export const segments: Behaviour<Question> = {
  schema,
  answer: async (question, asking) => {
    const profiles = await profilesOf(question, asking)
    const looked = profiles.visitors.length
    const of = { visitors: profiles.total, sample: looked < profiles.total ? looked : null }
    const column = (name: (typeof FEATURES)[number]): Float64Array => {
      const at = FEATURES.indexOf(name)
      return Float64Array.from({ length: looked }, (_, n) => profiles.features[n * FEATURES.length + at] as number)
    }
    const parts = question.method === 'rfm' ? byMarks(column) : await byLikeness(profiles, question.k, asking)
    return { method: question.method, ...of, segments: await named(parts, { profiles, asking, column }) }
  },
}

interface Part {
  readonly name: string
  /** Places in the profiles. */
  readonly members: readonly number[]
}

function byMarks(column: (name: (typeof FEATURES)[number]) => Float64Array): readonly Part[] {
  const recency = marksOf(column('days_since_last').map((days) => -days))
  const frequency = marksOf(column('events'))
  const money = marksOf(column('value'))
  const members = new Map(SEGMENTS.map((name): [string, number[]] => [name, []]))
  for (const [n, mark] of recency.entries())
    members.get(segmentOf(mark, frequency[n] as number, money[n] as number))?.push(n)
  return [...members].map(([name, of]) => ({ name, members: of }))
}

async function byLikeness(
  { features, visitors }: Profiles,
  k: number,
  { inTime }: Pick<Asking, 'inTime'>,
): Promise<readonly Part[]> {
  if (visitors.length === 0) return []
  const breathe = async (): Promise<void> => {
    await setImmediate()
    inTime()
  }
  const { clusters, members } = await kMeans(features, { features: FEATURES.length, k, breathe })
  const lists = clusters.map((): number[] => [])
  for (const [n, cluster] of members.entries()) lists[cluster]?.push(n)
  return lists.map((of, n) => ({ name: `cluster ${n + 1}`, members: of }))
}

interface Naming {
  readonly profiles: Profiles
  readonly asking: Asking
  readonly column: (name: (typeof FEATURES)[number]) => Float64Array
}

/** With means, and to whom may see them those who are worth most as examples. */
async function named(parts: readonly Part[], { profiles, asking, column }: Naming): Promise<Json> {
  const value = column('value')
  const { isWide } = asking.access
  const examples = (isWide ? parts : []).map(({ members }) =>
    members.toSorted((a, b) => (value[b] as number) - (value[a] as number) || a - b).slice(0, EXAMPLES_MAX),
  )
  const names = await namesOf(
    asking,
    examples.flat().map((n) => profiles.visitors[n] as number),
  )
  return parts.map(({ name, members }, at) => ({
    name,
    visitors: members.length,
    share: share(members.length, profiles.visitors.length),
    means: Object.fromEntries(
      FEATURES.map((feature, n) => [
        feature,
        share(
          members.reduce((sum, member) => sum + (profiles.features[member * FEATURES.length + n] as number), 0),
          members.length,
        ),
      ]),
    ),
    examples: examples[at]?.map((n) => names.get(profiles.visitors[n] as number) ?? null) ?? null,
  }))
}

async function namesOf({ ask }: Asking, numbers: readonly number[]): Promise<ReadonlyMap<number, string>> {
  if (numbers.length === 0) return new Map()
  const rows = await ask(`SELECT DISTINCT visitor_no, visitor FROM events WHERE visitor_no IN (${numbers.join(', ')})`)
  return new Map(rows.map(({ visitor_no: no, visitor }) => [Number(no), String(visitor)]))
}
