/**
 * What visitors did over time: from the engine's events as long as the hub keeps them, from the ladder's counts behind. Both are
 * of the same place of the log, so each event is in exactly one of them.
 */
import type { LadderCounts, LadderRow, LadderRung } from 'manifold/plugin'
import type { Row } from '../engine/database.ts'
import type { Ask } from '../engine/readers.ts'
import { sqlText } from '../engine/sql-text.ts'
import type { SeriesQuery } from '../metrics/series.ts'
import { bucketsOf } from './buckets.ts'
import type { Buckets } from './buckets.ts'
import { valuesBy, valuesOf } from './values.ts'
import type { Values } from './values.ts'
import { visitorsOf } from './visitors.ts'
import type { Visitors, VisitorsAsked } from './visitors.ts'

/** Columns of events by division of the ladder. */
const DIVISIONS = {
  type: 'type',
  name: 'name',
  source: 'source',
  device: 'device',
  country: 'country',
  form: 'form_id',
} as const
type Division = keyof typeof DIVISIONS
const VALUES_MAX = 200

/** Numbers are null where they are known for longer stretches only, `resolution` says for which. */
export interface ActivityPoint {
  readonly at: string
  readonly events: number | null
  readonly conversions: number | null
  readonly visitors: Visitors
  readonly converted: Visitors
  readonly values: Values
  readonly resolution: LadderRung | null
}

/** A value of a division; null: what does not say, `undefined`: rarer ones, together. */
export interface ByValue {
  readonly value: string | null | undefined
  readonly events: number
  readonly conversions: number
}

/** What one rung gave, or what could not be given. */
export interface Told {
  readonly resolution: LadderRung
  readonly fromMs: number
  readonly toMs: number
  readonly events: number
}

export interface Activity {
  readonly totals: {
    readonly events: number
    readonly conversions: number
    readonly visitors: Visitors
    readonly converted: Visitors
    readonly values: Values
  }
  readonly points: readonly ActivityPoint[]
  readonly by: { readonly [division in Division]: readonly ByValue[] }
  /** Of the events that are there one by one. */
  readonly rawEvents: number
  /** By rung, what the numbers were made of. */
  readonly rungs: readonly Told[]
  /** In the totals, but in no point. */
  readonly coarser: readonly Told[]
  /** In neither: they lie over the beginning or the end of what was asked about. */
  readonly leftOut: readonly Told[]
}

interface Pile {
  events: number
  conversions: number
  readonly rows: LadderRow[]
}

export interface ActivityQuery extends SeriesQuery {
  /** Only what an organizer holds under this id. */
  readonly organizerEvent?: string
}

export async function activityOf(ask: Ask, ladder: LadderCounts | null, query: ActivityQuery): Promise<Activity> {
  const { fromMs, toMs, organizerEvent } = query
  const buckets = bucketsOf(query)
  const only = organizerEvent === undefined ? '' : ` AND organizer_event = ${sqlText(organizerEvent)}`
  const inSpan = `occurred_at >= make_timestamp_ms(${fromMs}) AND occurred_at < make_timestamp_ms(${toMs})${only}`
  const isWithin = ({ startMs, endMs }: LadderRow): boolean => startMs >= fromMs && endMs <= toMs
  const rows = (ladder?.rows ?? []).filter(isWithin)
  const isOne = ({ startMs, endMs }: LadderRow): boolean => buckets.startOf(startMs) === buckets.startOf(endMs - 1)
  const coarser = rows.filter((row) => !isOne(row))
  const [raw = {}] = await ask(`SELECT ${COUNTS} FROM events WHERE ${inSpan}`)
  const worth = await valuesBy(ask, buckets.startSql('occurred_at'), inSpan)
  const asked = { rows, sketches: sketchesIn(ladder, fromMs, toMs), where: inSpan }
  const ladderSum = (of: 'events' | 'conversions'): number => rows.reduce((sum, row) => sum + row[of], 0)
  return {
    totals: {
      events: Number(raw['events']) + ladderSum('events'),
      conversions: Number(raw['conversions']) + ladderSum('conversions'),
      ...(await bothVisitors({ ask, ladder }, raw, asked)),
      values: valuesOf(worth.values(), rows),
    },
    points: await pointsOf({ ask, ladder, buckets, inSpan, worth }, rows, coarser),
    by: await divided(ask, inSpan, rows),
    rawEvents: Number(raw['events']),
    rungs: told(rows),
    coarser: told(coarser),
    leftOut: told((ladder?.rows ?? []).filter((row) => !isWithin(row))),
  }
}

const COUNTS = `count(*) AS events, count(*) FILTER (type = 'conversion') AS conversions, count(DISTINCT visitor_no) AS visitors,
  count(DISTINCT visitor_no) FILTER (type = 'conversion') AS converted`

const sketchesIn = (ladder: LadderCounts | null, fromMs: number, toMs: number): LadderCounts['visitors'] =>
  (ladder?.visitors ?? []).filter(({ startMs, endMs }) => startMs >= fromMs && endMs <= toMs)

interface Sources {
  readonly ask: Ask
  readonly ladder: LadderCounts | null
}

async function bothVisitors(
  { ask, ladder }: Sources,
  raw: Row,
  asked: Pick<VisitorsAsked, 'rows' | 'sketches' | 'where'>,
): Promise<{ readonly visitors: Visitors; readonly converted: Visitors }> {
  const prefixes = ladder?.prefixes ?? {}
  const all = { ...asked, kind: 'all', raw: Number(raw['events'] ?? 0), exact: Number(raw['visitors'] ?? 0) } as const
  const some = {
    ...asked,
    kind: 'converted',
    raw: Number(raw['conversions'] ?? 0),
    exact: Number(raw['converted'] ?? 0),
  } as const
  return { visitors: await visitorsOf(ask, all, prefixes), converted: await visitorsOf(ask, some, prefixes) }
}

const UNKNOWN: Visitors = { count: null, isEstimated: false }

interface Stretch extends Sources {
  readonly buckets: Buckets
  readonly inSpan: string
  readonly worth: Awaited<ReturnType<typeof valuesBy>>
}

async function pointsOf(
  { ask, ladder, buckets, inSpan, worth }: Stretch,
  rows: readonly LadderRow[],
  coarser: readonly LadderRow[],
): Promise<readonly ActivityPoint[]> {
  const start = buckets.startSql('occurred_at')
  const raw = new Map<number, Row>()
  for (const row of await ask(`SELECT ${start} AS bucket, ${COUNTS} FROM events WHERE ${inSpan} GROUP BY 1`))
    raw.set(Number(row['bucket']), row)
  const piles = new Map<number, Pile>()
  const isCoarse = new Set(coarser)
  for (const row of rows) {
    if (isCoarse.has(row)) continue
    const key = buckets.startOf(row.startMs)
    const pile = piles.get(key) ?? { events: 0, conversions: 0, rows: [] }
    piles.set(key, pile)
    pile.events += row.events
    pile.conversions += row.conversions
    pile.rows.push(row)
  }
  const sketches = new Map<number, LadderCounts['visitors'][number][]>()
  for (const each of ladder?.visitors ?? []) {
    const key = buckets.startOf(each.startMs)
    if (key === buckets.startOf(each.endMs - 1)) sketches.set(key, [...(sketches.get(key) ?? []), each])
  }
  const lying = coarser.map(({ rung, startMs, endMs }) => ({
    rung,
    first: buckets.startOf(startMs),
    last: buckets.startOf(endMs - 1),
  }))
  const points: ActivityPoint[] = []
  for (const place of buckets.all) {
    const over = lying.find(({ first, last }) => first <= place.start && place.start <= last)
    if (over !== undefined) {
      const nothing = { events: null, conversions: null, visitors: UNKNOWN, converted: UNKNOWN, values: null }
      points.push({ at: place.at, ...nothing, resolution: over.rung })
      continue
    }
    const own = raw.get(place.start) ?? {}
    const pile = piles.get(place.start) ?? { events: 0, conversions: 0, rows: [] }
    const asked = {
      rows: pile.rows,
      sketches: buckets.isCalendar ? (sketches.get(place.start) ?? []) : [],
      where: `${inSpan} AND ${start} = ${place.start}`,
    }
    points.push({
      at: place.at,
      events: Number(own['events'] ?? 0) + pile.events,
      conversions: Number(own['conversions'] ?? 0) + pile.conversions,
      ...(await bothVisitors({ ask, ladder }, own, asked)),
      values: valuesOf([worth.get(place.start) ?? new Map()], pile.rows),
      resolution: null,
    })
  }
  return points
}

async function divided(ask: Ask, inSpan: string, rows: readonly LadderRow[]): Promise<Activity['by']> {
  const found: [Division, readonly ByValue[]][] = []
  for (const division of Object.keys(DIVISIONS) as Division[])
    found.push([division, await byOf(ask, inSpan, { rows, division })])
  return Object.fromEntries(found) as unknown as Activity['by']
}

/**
 * Each value, the most frequent first; then those that are told together, and what says nothing of it. Strangers make up values, so
 * the engine adds the rare ones up: all but the most frequent, and those that the ladder may add to.
 */
async function byOf(
  ask: Ask,
  inSpan: string,
  { rows, division }: { readonly rows: readonly LadderRow[]; readonly division: Division },
): Promise<readonly ByValue[]> {
  const sums = new Map<string | null | undefined, [number, number]>()
  const add = (value: string | null | undefined, events: number, conversions: number): void => {
    if (events === 0) return
    const known = sums.get(value) ?? [0, 0]
    sums.set(value, [known[0] + events, known[1] + conversions])
  }
  const counted = [...new Set(rows.flatMap(({ by }) => Object.keys(by[division]?.of ?? {})))]
  for (const row of await ask(
    `SELECT CASE WHEN is_told THEN value END AS value, is_told, sum(events) AS events, sum(conversions) AS conversions
     FROM (SELECT *, value IS NULL OR ${COUNTED} OR row_number() OVER (ORDER BY value IS NULL, events DESC, value) <= ${VALUES_MAX} AS is_told
       FROM (SELECT ${DIVISIONS[division]} AS value, count(*) AS events, count(*) FILTER (type = 'conversion') AS conversions
         FROM events WHERE ${inSpan} GROUP BY 1))
     GROUP BY 1, 2`,
    [JSON.stringify(counted)],
  ))
    add(row['is_told'] === true ? textOf(row['value']) : undefined, Number(row['events']), Number(row['conversions']))
  for (const { events, conversions, by } of rows) {
    let [silent, silentConversions] = [events, conversions]
    const part = by[division]
    for (const [value, [count, converted]] of [
      ...Object.entries(part?.of ?? {}),
      [undefined, part?.rest ?? [0, 0]] as const,
    ]) {
      add(value, count, converted)
      silent -= count
      silentConversions -= converted
    }
    add(null, silent, silentConversions)
  }
  const named = [...sums]
    .filter(([value]) => typeof value === 'string')
    .toSorted(([a, [one]], [b, [other]]) => other - one || (String(a) < String(b) ? -1 : 1))
  for (const [, [events, conversions]] of named.slice(VALUES_MAX)) add(undefined, events, conversions)
  const others = [undefined, null].flatMap((value) => {
    const sum = sums.get(value)
    return sum === undefined ? [] : [[value, sum] as const]
  })
  return [...named.slice(0, VALUES_MAX), ...others].map(([value, [events, conversions]]) => ({
    value,
    events,
    conversions,
  }))
}

const COUNTED = `value IN (SELECT unnest(from_json(CAST($1 AS JSON), '["VARCHAR"]')))`

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** From the first to the last of each rung. */
function told(rows: readonly LadderRow[]): readonly Told[] {
  const all = new Map<LadderRung, Told>()
  for (const { rung, startMs, endMs, events } of rows) {
    const known = all.get(rung) ?? { resolution: rung, fromMs: startMs, toMs: endMs, events: 0 }
    all.set(rung, {
      ...known,
      fromMs: Math.min(known.fromMs, startMs),
      toMs: Math.max(known.toMs, endMs),
      events: known.events + events,
    })
  }
  return [...all.values()]
}
