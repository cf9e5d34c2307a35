/** `GET /api/v2/analytics/forms`: the headline numbers of all forms, page by page. */
import { z } from 'zod'
import type { Context, Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Forms } from '../engine/forms.ts'
import { countCache } from '../query/cache-metrics.ts'
import { failure, readAs } from '../query/failure.ts'
import { Refusal } from '../query/refusal.ts'
import { withMoments } from '../query/times.ts'
import type { HeadlinesAnswer, HeadlinesReader } from './headlines.ts'
import { SPAN, spanOf } from './route.ts'
import { headlineWire } from './wire.ts'

const FORMS_DEFAULT = 50
const FORMS_MAX = 100

const querySchema = z.strictObject({
  ...SPAN,
  form: z.string().min(1).max(200).optional(),
  limit: z.coerce.number().int().min(1).max(FORMS_MAX).default(FORMS_DEFAULT),
  cursor: z.string().min(1).max(1_024).optional(),
})

export interface FormsParts {
  readonly headlines: HeadlinesReader
  readonly forms: Forms
  /** Of questions that name none. */
  readonly timezone: string
  readonly signal: AbortSignal
  readonly metric: Context['metric']
}

export async function answerForms(
  request: Pick<RouteRequest, 'query'>,
  { headlines, forms, timezone: zone, signal, metric }: FormsParts,
): Promise<RouteResponse> {
  try {
    const { timezone: asked, ...query } = readIn(request, zone)
    const page = await pageOf(query, forms)
    const zoneOf = (form: Of): string => asked ?? form.timezone ?? zone
    const nowMs = Date.now()
    const answers = new Map<string, HeadlinesAnswer>()
    for (const [timezone, of] of Map.groupBy(page.forms, zoneOf)) {
      const ids = of.map(({ id }) => id)
      const span = spanOf(readIn(request, timezone), nowMs)
      answers.set(timezone, await headlines.of(ids, { timezone, ...span }, { nowMs, signal }))
    }
    const ages = [...answers.values()].map(({ ageMs }) => ageMs)
    const ageMs = ages.includes(null) ? null : Math.max(0, ...ages.map(Number))
    countCache(metric, 'metrics', { ageMs })
    const items = page.forms.flatMap((form) => {
      const [{ id, name }, timezone] = [form, zoneOf(form)]
      const headline = answers.get(timezone)?.headlines.get(id)
      return headline === undefined ? [] : [{ form_id: id, name, timezone, ...headlineWire(headline) }]
    })
    const tookMs = [...answers.values()].reduce((sum, answer) => sum + answer.tookMs, 0)
    const timing = `metrics;dur=${Math.round(tookMs * 1_000) / 1_000}, cache;desc=${ageMs === null ? 'miss' : 'hit'}`
    const next = page.next === null ? null : sealed(page.next)
    return {
      headers: { 'server-timing': timing },
      json: { timezone: asked ?? zone, items: items as unknown as Json, next_cursor: next },
    }
  } catch (error) {
    return failure(error)
  }
}

interface Of {
  readonly id: string
  readonly name: string
  readonly timezone?: string | null
}

/** Days begin in this zone, unless the query names one. */
const readIn = ({ query }: Pick<RouteRequest, 'query'>, timezone: string) =>
  readAs(querySchema, withMoments(query, timezone))

/** In the order of ids; with `form` that one, or nothing. */
async function pageOf(
  { form, limit, cursor }: Pick<z.output<typeof querySchema>, 'form' | 'limit' | 'cursor'>,
  forms: Forms,
): Promise<{ readonly forms: readonly Of[]; readonly next: string | null }> {
  if (form === undefined) return forms.list({ after: cursor === undefined ? null : opened(cursor), limit })
  const found = await forms.find(form)
  return { forms: found === undefined ? [] : [found], next: null }
}

const sealed = (id: string): string => Buffer.from(id).toString('base64url')

function opened(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('utf8')
  if (id !== '' && sealed(id) === cursor) return id
  throw new Refusal([
    { pointer: '/cursor', detail: 'is none of this list: use next_cursor of the page before, unchanged' },
  ])
}
