/** What events were worth together, as SQL: only within one currency, which no sum leaves unsaid. Values without one are of their own. */

export interface WorthSql {
  /** Null: there is no value, or they are of several currencies. */
  readonly value: string
  /** Null: there is none, or several. */
  readonly currency: string
  /** TRUE where values are of several. */
  readonly isMixed: string
}

/** Digits that a sum of money can have and be the same in whichever order it is added up. */
export const MONEY_DIGITS = 15

/** A sum of money to as many digits: 0.1 and 0.2 are 0.3. */
export const moneySql = (sum: string): string => `CAST(printf('%.${MONEY_DIGITS}g', ${sum}) AS DOUBLE)`

/** Aggregates over events; `only`: which of them count. `sum`: another function that adds up. */
export function worthSql(only = 'true'): WorthSql {
  const among = `FILTER (WHERE value IS NOT NULL AND ${only})`
  const least = `min(coalesce(currency, '')) ${among}`
  const most = `max(coalesce(currency, '')) ${among}`
  return {
    value: `CASE WHEN ${least} = ${most} THEN ${moneySql(`fsum(value) ${among}`)} END`,
    currency: `CASE WHEN ${least} = ${most} THEN nullif(${least}, '') END`,
    isMixed: `coalesce(${least} <> ${most}, false)`,
  }
}
