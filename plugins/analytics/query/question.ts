/** The body of `POST /analytics/query`, read. Short forms of the first questions and the full form come to the same. */
import { z } from 'zod'
import { DATA_SETS } from '../engine/star.ts'
import type { DataSetName } from '../engine/star.ts'
import { jsonOf, readAs } from './failure.ts'
import { Refusal } from './refusal.ts'
import { momentText, withMoments } from './times.ts'
import { isZone } from './zone.ts'

const FUNCTIONS = ['count', 'count_distinct', 'sum', 'avg', 'min', 'max', 'median', 'percentile', 'rate'] as const
export const BUCKETS = ['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const

const AGGREGATES_MAX = 50

const name = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'use letters, digits and "_", at most 64, not beginning with a digit')
const path = z.string().min(1).max(200)
const filter = z.record(z.string(), z.unknown())

const aggregate = z
  .strictObject({
    fn: z.enum(FUNCTIONS),
    field: path.optional(),
    /** Only rows that it matches; of `rate` what counts as a hit. */
    filter: filter.optional(),
    q: z.number().gt(0).lt(1).optional(),
  })
  .superRefine(({ fn, field, filter: only, q }, context) => {
    const wrong = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
    if (fn !== 'count' && fn !== 'rate' && field === undefined) wrong('field', `"${fn}" needs a field`)
    if (fn === 'rate' && only === undefined)
      wrong(
        'filter',
        '"rate" needs a filter of its own, whose share of the rows it is: { "fn": "rate", "filter": { … } }',
      )
    if (fn === 'percentile' && q === undefined) wrong('q', '"percentile" needs q between 0 and 1, such as 0.95')
    if (fn !== 'percentile' && q !== undefined) wrong('q', `"${fn}" has no q`)
  })
export type Aggregate = z.output<typeof aggregate>

const groupKey = z.union(
  [
    path.transform((field) => ({ field })),
    z.strictObject({
      field: path,
      bucket: z.enum(BUCKETS).optional(),
      as: name.optional(),
    }),
  ],
  { error: 'use the name of a field, or { field, bucket, as }' },
)
export interface GroupKey {
  readonly field: string
  readonly bucket?: (typeof BUCKETS)[number] | undefined
  readonly as?: string | undefined
}

const schema = z.strictObject({
  form_id: z.string().min(1).max(200).optional(),
  /** Instead of a form: what all of them, or the behaviour of visitors, come to. */
  data_set: z.enum(Object.keys(DATA_SETS) as DataSetName[]).optional(),
  aggregate: z
    .union([z.enum(FUNCTIONS), aggregate], { error: `use one of ${FUNCTIONS.join(', ')}, or { fn, field, … }` })
    .optional(),
  aggregates: z
    .record(name, aggregate)
    .refine((named) => Object.keys(named).length <= AGGREGATES_MAX, `has more than ${AGGREGATES_MAX} aggregates`)
    .optional(),
  field: path.optional(),
  group_by: z.union([groupKey, z.array(groupKey).max(5)]).optional(),
  filter: filter.optional(),
  having: z.record(z.string(), z.unknown()).optional(),
  /** Partial responses take no part unless they are asked for. */
  include: z.enum(['completed', 'partial', 'all']).default('completed'),
  from: momentText.optional(),
  to: momentText.optional(),
  /** The same for an earlier period, beside each row. */
  compare: z
    .union([z.literal('previous'), z.string().regex(/^[1-9]\d{0,2}(?:w|mo|y)$/)], {
      error: 'write "previous", or how far back: "4w", "1mo", "1y"',
    })
    .optional(),
  timezone: z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"').optional(),
  order_by: z
    .array(z.strictObject({ by: z.string().min(1).max(200), direction: z.enum(['asc', 'desc']).default('asc') }))
    .max(5)
    .optional(),
  limit: z.number().int().min(1).max(10_000).default(1_000),
  offset: z.number().int().min(0).max(1_000_000).default(0),
  /** The answer's meta says which statement was asked, too. */
  explain: z.boolean().default(false),
})

export interface Question {
  readonly about: { readonly form: string } | { readonly dataSet: DataSetName }
  readonly aggregates: readonly (readonly [name: string, aggregate: Aggregate])[]
  readonly groupBy: readonly GroupKey[]
  readonly filter: object | undefined
  readonly having: object | undefined
  readonly include: 'completed' | 'partial' | 'all'
  readonly from: number | undefined
  readonly to: number | undefined
  readonly compare: string | undefined
  readonly timezone: string | undefined
  readonly orderBy: readonly { readonly by: string; readonly direction: 'asc' | 'desc' }[] | undefined
  readonly limit: number
  readonly offset: number
  readonly explain: boolean
  /** The first form of all: one aggregate by one field, answered as `{group: value}`. */
  readonly isMap: boolean
}

/** Zones that days begin in where a question names none. */
export interface Zones {
  /** Of a form, by its id; null: it has none of its own. */
  readonly of: (form: string) => string | null
  readonly others: string
}

/** Throws a Refusal that names every mistake. */
export function readQuestion(body: string, zones: Zones = { others: 'UTC', of: () => null }): Question {
  const given = jsonOf(body)
  const own = zones.of(formIn(given))
  const {
    aggregate: one,
    aggregates = {},
    field,
    group_by: by,
    filter: only,
    from,
    to,
    order_by: orderBy,
    ...rest
  } = readAs(schema, withMoments(given, own ?? zones.others))
  const single = typeof one === 'string' ? aggregateOf(one, field) : one
  const named = Object.entries(aggregates)
  if (single === undefined && named.length === 0)
    throw new Refusal([
      { pointer: '/aggregate', detail: 'is missing: ask for "count", or for several by name in "aggregates"' },
    ])
  if (single !== undefined && named.length > 0)
    throw new Refusal([{ pointer: '/aggregate', detail: 'stands beside "aggregates"; use one of the two' }])
  if (rest.compare !== undefined && (from === undefined || to === undefined || Date.parse(from) >= Date.parse(to)))
    throw new Refusal([
      { pointer: '/compare', detail: 'needs "from" and "to", the earlier first: the period that is compared' },
    ])
  const groupBy = by === undefined ? [] : Array.isArray(by) ? by : [by]
  return {
    about: aboutOf(rest.form_id, rest.data_set),
    aggregates: single === undefined ? named : [['value', single]],
    groupBy,
    filter: only,
    having: rest.having,
    include: rest.include,
    from: from === undefined ? undefined : Date.parse(from),
    to: to === undefined ? undefined : Date.parse(to),
    compare: rest.compare,
    timezone: rest.timezone ?? own ?? undefined,
    orderBy,
    limit: rest.limit,
    offset: rest.offset,
    explain: rest.explain,
    isMap: typeof one === 'string' && groupBy.length === 1 && rest.compare === undefined,
  }
}

/** Of what may be anything yet. */
function formIn(given: unknown): string {
  const id = (given as { readonly form_id?: unknown } | null)?.form_id
  return typeof id === 'string' ? id : ''
}

function aboutOf(form: string | undefined, dataSet: DataSetName | undefined): Question['about'] {
  if (form !== undefined && dataSet === undefined) return { form }
  if (dataSet !== undefined && form === undefined) return { dataSet }
  const detail =
    form === undefined
      ? `is missing: name a form, or a "data_set" (${Object.keys(DATA_SETS).join(', ')})`
      : 'stands beside "data_set"; use one of the two'
  throw new Refusal([{ pointer: '/form_id', detail }])
}

function aggregateOf(fn: Aggregate['fn'], field: string | undefined): Aggregate {
  return readAs(aggregate, field === undefined ? { fn } : { fn, field })
}
