/** The headline numbers of many forms at once: those that are kept, and all others in one look at their rows. */
import { Busy } from '../engine/line.ts'
import type { Projection } from '../engine/projection.ts'
import type { Ask, Readers } from '../engine/readers.ts'
import { Kept } from '../query/kept.ts'
import { Together } from '../query/together.ts'
import { seenOf } from './completion.ts'
import { totalsOf, totalsOfMany } from './from-rows.ts'
import { askedAt, headlineOf } from './metrics.ts'
import type { Asked, Headline, MetricsAsking, MetricsQuery } from './metrics.ts'

export type Headlines = ReadonlyMap<string, Headline>

export interface HeadlinesAnswer {
  readonly headlines: Headlines
  readonly tookMs: number
  /** How long ago the oldest was made; null: some were made for whoever asks. */
  readonly ageMs: number | null
}

export interface HeadlinesReader {
  /** By id, of all of them: who has no response has zeros. */
  of(
    ids: readonly string[],
    query: Omit<MetricsQuery, 'bucket'>,
    asking: Pick<MetricsAsking, 'nowMs' | 'signal'>,
  ): Promise<HeadlinesAnswer>
}

export interface HeadlinesParts {
  readonly readers: Readers
  readonly projection: Pick<Projection, 'form' | 'watchedAt'>
}

const KEPT_BYTES_MAX = 8 * 2 ** 20

export function openHeadlines({ readers, projection }: HeadlinesParts): HeadlinesReader {
  const kept = new Kept<Headline>(KEPT_BYTES_MAX)
  const together = new Together<Headlines>()
  const keyOf = (id: string, { untilMs, timezone, fromMs, toMs, isOfPeriod = false }: Asked): string => {
    const asOf = [projection.form(id)?.changedAt ?? 0, projection.watchedAt(id), untilMs]
    return JSON.stringify([id, ...asOf, timezone, fromMs, toMs, isOfPeriod])
  }
  const make = (ids: readonly string[], asked: Asked, signal: AbortSignal): Promise<Headlines> =>
    readers.run(signal, ({ ask }) => {
      const forms = ids.map((id) => ({ id, table: projection.form(id)?.table ?? null }))
      const isWatched = (id: string): boolean => projection.watchedAt(id) > 0
      return fromRows(ask, { forms, isWatched }, asked)
    })
  return {
    of: async (ids, query, { nowMs, signal }) => {
      const startedMs = performance.now()
      const asked = askedAt({ ...query, bucket: 'day' }, nowMs)
      const keys = new Map(ids.map((id) => [id, keyOf(id, asked)]))
      const headlines = new Map<string, Headline>()
      let oldestMs = 0
      for (const [id, key] of keys) {
        const known = kept.get(key, startedMs)
        if (known === undefined) continue
        headlines.set(id, known.answer)
        oldestMs = Math.max(oldestMs, known.ageMs)
      }
      const missing = ids.filter((id) => !headlines.has(id))
      const tookMs = (): number => performance.now() - startedMs
      if (missing.length === 0) return { headlines, tookMs: tookMs(), ageMs: oldestMs }
      const asKept = JSON.stringify(missing.map((id) => keys.get(id)))
      const { made } = await together.of(asKept, signal, async (within) => {
        const fresh = await make(missing, asked, within)
        for (const [id, headline] of fresh) kept.set(keys.get(id) ?? id, headline, { nowMs: performance.now() })
        return fresh
      })
      for (const [id, headline] of made) headlines.set(id, headline)
      return { headlines, tookMs: tookMs(), ageMs: null }
    },
  }
}

interface Among {
  readonly forms: readonly { readonly id: string; readonly table: string | null }[]
  readonly isWatched: (id: string) => boolean
}

const NOBODY =
  '(SELECT NULL::TIMESTAMP AS started_at, NULL::TIMESTAMP AS submitted_at, NULL::DOUBLE AS duration_s, NULL::BIGINT AS submitted_seq WHERE false)'

async function fromRows(ask: Ask, { forms, isWatched }: Among, asked: Asked): Promise<Headlines> {
  try {
    const answered = forms.flatMap(({ id, table }) => (table === null ? [] : [{ id, table }]))
    const totals = await totalsOfMany(ask, answered, asked)
    const watched = forms.filter(({ id }) => isWatched(id)).map(({ id, table }) => ({ id, table: table ?? NOBODY }))
    const seen = await seenOf(ask, watched, asked)
    return new Map(
      forms.map(({ id }) => [id, headlineOf(totals.get(id) ?? totalsOf({}), { asked, watched: seen.get(id) ?? null })]),
    )
  } catch (error) {
    if (!/Catalog Error: Table/.test(String(error))) throw error
    throw new Busy('A form was deleted while it was looked at. Ask again in a moment.')
  }
}
