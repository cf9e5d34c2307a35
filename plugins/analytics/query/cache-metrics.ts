/** What `/metrics` tells of answers that are kept: how many questions found theirs, and how old it was. */
import type { Context } from 'manifold/plugin'

const MS_PER_SECOND = 1_000

interface Found {
  /** Null: it had to be computed. The mean age is `…_age_seconds` by `…_hits`. */
  readonly ageMs: number | null
  /** By another process. */
  readonly isShared?: boolean
}

export function countCache(
  metric: Context['metric'],
  cache: 'query' | 'metrics',
  { ageMs, isShared = false }: Found,
): void {
  if (ageMs === null) return metric(`analytics_${cache}_cache_misses`)
  if (isShared) metric(`analytics_${cache}_cache_shared_hits`)
  metric(`analytics_${cache}_cache_hits`)
  metric(`analytics_${cache}_cache_age_seconds`, ageMs / MS_PER_SECOND)
}
