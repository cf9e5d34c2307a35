/** Durations and rates as people write them: `500ms`, `1s`, `5m`, `2h`, `1d`; `10/s`, `600/m`, `1000/h`. */

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What `parseDurationMs` takes, for schemas. */
export const DURATION_SHAPE = /^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d)$/

/** What `parseRatePerSecond` takes, for schemas. */
export const RATE_SHAPE = /^(?!0+(\.0+)?\/)\d{1,6}(\.\d{1,3})?\/(s|m|h)$/

/** `5m` → 300000; undefined when the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  if (!DURATION_SHAPE.test(text)) return undefined
  const unit = text.replace(/^[\d.]+/, '')
  return Math.round(Number.parseFloat(text) * (UNIT_MS[unit] as number))
}

/** `600/m` → 10; undefined when the text is no rate above zero. */
export function parseRatePerSecond(text: string): number | undefined {
  if (!RATE_SHAPE.test(text)) return undefined
  const unit = text.slice(-1)
  return (Number.parseFloat(text) * 1000) / (UNIT_MS[unit] as number)
}
