/** What conversions were worth: of those that are there one by one, and of those that the ladder counted; never over currencies. */
import type { LadderRow } from 'manifold/plugin'
import type { Ask } from '../engine/readers.ts'
import { MONEY_DIGITS } from '../engine/worth.ts'

export interface CurrencyValue {
  /** Null: the conversions do not say. */
  readonly currency: string | null
  /** That had a value. */
  readonly conversions: number
  readonly value: number
}

/** Null: some were counted by a program that did not look at values. */
export type Values = readonly CurrencyValue[] | null

type Sums = Map<string, [conversions: number, value: number]>

/** By bucket, the conversions of the engine. */
export async function valuesBy(ask: Ask, bucketSql: string, where: string): Promise<ReadonlyMap<number, Sums>> {
  const found = new Map<number, Sums>()
  for (const row of await ask(
    `SELECT ${bucketSql} AS bucket, coalesce(currency, '') AS currency, count(*) AS conversions, fsum(value) AS value
     FROM events WHERE ${where} AND type = 'conversion' AND value IS NOT NULL GROUP BY 1, 2`,
  )) {
    const bucket = Number(row['bucket'])
    const sums: Sums = found.get(bucket) ?? new Map()
    found.set(bucket, sums)
    add(sums, String(row['currency']), [Number(row['conversions']), Number(row['value'])])
  }
  return found
}

/** Those of the engine and those of the ladder together, the currency of most conversions first. */
export function valuesOf(own: Iterable<Sums>, rows: readonly Pick<LadderRow, 'worth'>[]): Values {
  const sums: Sums = new Map()
  for (const each of own) for (const [currency, pair] of each) add(sums, currency, pair)
  for (const { worth } of rows) {
    if (worth === null) return null
    for (const [currency, pair] of Object.entries(worth)) add(sums, currency, pair)
  }
  return [...sums]
    .toSorted(([name, [one]], [last, [other]]) => other - one || (name < last ? -1 : 1))
    .map(([currency, [conversions, value]]) => ({ currency: currency || null, conversions, value }))
}

function add(sums: Sums, currency: string, [conversions, value]: readonly [number, number]): void {
  const [known, sum] = sums.get(currency) ?? [0, 0]
  sums.set(currency, [known + conversions, Number((sum + value).toPrecision(MONEY_DIGITS))])
}
