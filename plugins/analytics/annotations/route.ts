/** `POST`, `GET` and `DELETE /api/v2/analytics/annotations`. */
import { z } from 'zod'
import type { Context, Json, NativeServices, RouteRequest, RouteResponse } from 'manifold/plugin'
import { failure, jsonOf, readAs } from '../query/failure.ts'
import { NO_FORM, problem } from '../query/problem.ts'
import { Refusal } from '../query/refusal.ts'
import { isZone } from '../query/zone.ts'
import { momentOf } from './annotations.ts'
import type { Annotation, Annotations } from './annotations.ts'

const TEXT_CHARS_MAX = 200

const schema = z.strictObject({
  form_id: z.string().min(1).max(100).nullable().default(null),
  at: z.string().max(40),
  until: z.string().max(40).nullable().default(null),
  timezone: z.string().refine(isZone, 'is no time zone; write for example "Europe/Berlin"').optional(),
  text: z.string().trim().min(1).max(TEXT_CHARS_MAX),
})
const listSchema = z.strictObject({ form: z.string().max(100).optional() })

export interface AnnotationParts {
  readonly kv: Context['kv']
  readonly annotations: Annotations
  /** Of times that name none. */
  readonly timezone: string
}

export const annotationWire = ({ id, formId, at, until, text }: Annotation): Json => ({
  id,
  form_id: formId,
  at,
  until,
  text,
})

export async function createAnnotation(
  { body }: Pick<RouteRequest, 'body'>,
  { kv, annotations, timezone, forms }: AnnotationParts & { readonly forms: Pick<NativeServices['forms'], 'find'> },
): Promise<RouteResponse> {
  try {
    const given = readAs(schema, jsonOf(body))
    const form = given.form_id === null ? undefined : await forms.find(given.form_id)
    if (form === null) return noSuch(`/form_id: ${NO_FORM}`)
    const zone = given.timezone ?? form?.timezone ?? timezone
    const at = timeOf('/at', given.at, zone)
    const until = given.until === null ? null : timeOf('/until', given.until, zone)
    if (until !== null && until < at) throw new Refusal([{ pointer: '/until', detail: 'has to lie behind "at"' }])
    const writtenAt = new Date().toISOString()
    const text = given.text.toWellFormed()
    const annotation = annotations.add(kv, { formId: given.form_id, at, until, text, writtenAt })
    return { status: 201, json: annotationWire(annotation) }
  } catch (error) {
    return failure(error)
  }
}

export async function listAnnotations(
  { query }: Pick<RouteRequest, 'query'>,
  { kv, annotations }: Pick<AnnotationParts, 'kv' | 'annotations'>,
): Promise<RouteResponse> {
  try {
    const { form = null } = readAs(listSchema, query)
    const items = await annotations.of(kv, form)
    return { json: { items: items.map(annotationWire), next_cursor: null } }
  } catch (error) {
    return failure(error)
  }
}

export async function deleteAnnotation(
  { params }: Pick<RouteRequest, 'params'>,
  { kv, annotations }: Pick<AnnotationParts, 'kv' | 'annotations'>,
): Promise<RouteResponse> {
  if (await annotations.remove(kv, params['id'] ?? '')) return { status: 204 }
  return noSuch('There is no annotation of this id.')
}

const noSuch = (detail: string): RouteResponse => problem(404, 'not_found', { title: 'There is no such thing', detail })

function timeOf(pointer: string, text: string, zone: string): string {
  const time = momentOf(text, zone)
  if (time !== null) return time
  const detail =
    'is no time; write "2026-05-31T09:30:00+02:00", or a time of the clock or a day: "2026-05-31T09:30", "2026-05-31"'
  throw new Refusal([{ pointer, detail }])
}
