/** `GET /api/v2/analytics/forms`: the headline numbers of all forms, page by page. */
import { z } from 'zod'
import type { Context, FormPage, Json, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Forms } from '../engine/forms.ts'
import { countCache } from '../query/cache-metrics.ts'
import { failure, readAs } from '../query/failure.ts'
import { Refusal } from '../query/refusal.ts'
import { withMoments } from '../query/times.ts'
import type { HeadlinesReader } from './headlines.ts'
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
    const query = readAs(querySchema, withMoments(request.query, zone))
    const { timezone = zone } = query
    const nowMs = Date.now()
    const span = spanOf(query, nowMs)
    const page = await pageOf(query, forms)
    const ids = page.forms.map(({ id }) => id)
    const answer = await headlines.of(ids, { timezone, ...span }, { nowMs, signal })
    countCache(metric, 'metrics', { ageMs: answer.ageMs })
    const items = page.forms.flatMap(({ id, name }) => {
      const headline = answer.headlines.get(id)
      return headline === undefined ? [] : [{ form_id: id, name, ...headlineWire(headline) }]
    })
    const timing = `metrics;dur=${Math.round(answer.tookMs * 1_000) / 1_000}, cache;desc=${answer.ageMs === null ? 'miss' : 'hit'}`
    return {
      headers: { 'server-timing': timing },
      json: { timezone, items: items as unknown as Json, next_cursor: page.next === null ? null : sealed(page.next) },
    }
  } catch (error) {
    return failure(error)
  }
}

/** In the order of ids; with `form` that one, or nothing. */
async function pageOf(
  { form, limit, cursor }: Pick<z.output<typeof querySchema>, 'form' | 'limit' | 'cursor'>,
  forms: Forms,
): Promise<FormPage> {
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
