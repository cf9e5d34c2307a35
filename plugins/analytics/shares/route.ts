/** `POST`, `GET` and `DELETE /api/v2/analytics/shares`, and what a link shows to everybody. */
import { z } from 'zod'
import type { Context, Json, NativeServices, RouteRequest, RouteResponse } from 'manifold/plugin'
import type { Forms } from '../engine/forms.ts'
import { noSaved } from '../saved/route.ts'
import { findSaved } from '../saved/saved.ts'
import type { Saved } from '../saved/saved.ts'
import { failure, jsonOf, readAs } from '../query/failure.ts'
import { NO_FORM, problem } from '../query/problem.ts'
import { addShare, removeShare, shareOf, sharesOf, VIEWS } from './shares.ts'
import type { Share } from './shares.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../time-units.ts'

const LIFE_MS_MIN = MINUTE_MS
const LIFE_MS_MAX = 3_660 * DAY_MS
const UNITS_MS = { m: MINUTE_MS, h: HOUR_MS, d: DAY_MS } as const
const LIFE = 'write how long it is good, such as "30m", "12h" or "7d", at most "3660d", or "never"'

/** How long, in milliseconds; null: it does not end by itself. */
const expires = z
  .string({ error: LIFE })
  .regex(/^(?:never|[1-9]\d{0,6}[mhd])$/, LIFE)
  .transform((text) =>
    text === 'never' ? null : Number.parseInt(text, 10) * UNITS_MS[text.at(-1) as keyof typeof UNITS_MS],
  )
  .refine((ms) => ms === null || (ms >= LIFE_MS_MIN && ms <= LIFE_MS_MAX), LIFE)

const id = z.string().min(1).max(100)
const schema = z
  .strictObject({ form_id: id.optional(), saved_id: id.optional(), expires })
  .refine(({ form_id: form, saved_id: saved }) => (form === undefined) !== (saved === undefined), {
    error: 'names what is shown: either "form_id" or "saved_id"',
  })

export interface ShareParts {
  readonly ctx: Pick<Context, 'kv' | 'tally' | 'tallies'>
  /** The answer to a saved question, without what is about single people. */
  readonly answered: (saved: Saved) => Promise<RouteResponse>
}

interface Creating extends ShareParts {
  /** As the hub has them: whether there is one is not the engine's to say. */
  readonly forms: Pick<NativeServices['forms'], 'find'>
  readonly workspace: string
}

interface Opening extends ShareParts {
  readonly forms: Pick<Forms, 'find'>
  readonly shown: (formId: string) => Promise<RouteResponse>
}

const wire = ({ id, formId, savedId, createdAt, expiresAt }: Share) => ({
  id,
  form_id: formId,
  saved_id: savedId,
  created_at: createdAt,
  expires_at: expiresAt,
})

const noSuch = (detail: string): RouteResponse => problem(404, 'not_found', { title: 'There is no such thing', detail })

export async function createShare(
  { body }: Pick<RouteRequest, 'body'>,
  { ctx, forms, workspace, answered }: Creating,
): Promise<RouteResponse> {
  try {
    const wanted = readAs(schema, jsonOf(body))
    const { form_id: formId = null, saved_id: savedId = null, expires: ttlMs } = wanted
    const refused = savedId === null ? null : await notForAll(ctx.kv, savedId, answered)
    if (refused !== null) return refused
    if (formId !== null && (await forms.find(formId)) === null) return noSuch(`/form_id: ${NO_FORM}`)
    const { share, token } = addShare(ctx.kv, { formId, savedId, ttlMs, nowMs: Date.now() })
    return { status: 201, json: { ...wire(share), path: `/share/${workspace}.${token}`, views: 0 } }
  } catch (error) {
    return failure(error)
  }
}

export async function listShares({ ctx }: Pick<ShareParts, 'ctx'>): Promise<RouteResponse> {
  const [shares, views] = await Promise.all([sharesOf(ctx.kv), ctx.tallies(VIEWS)])
  const items = shares.map((share) => ({ ...wire(share), views: views[`${VIEWS}${share.id}`] ?? 0 }))
  return { json: { items: items as unknown as Json, next_cursor: null } }
}

export async function revokeShare(
  { params }: Pick<RouteRequest, 'params'>,
  { ctx }: Pick<ShareParts, 'ctx'>,
): Promise<RouteResponse> {
  if (await removeShare(ctx.kv, params['id'] ?? '')) return { status: 204 }
  return noSuch('There is no share of this id.')
}

/** What `shown` answers for the form of the link, without what is about single people. */
export async function openShare(
  { params }: Pick<RouteRequest, 'params'>,
  { ctx, forms, shown, answered }: Opening,
): Promise<RouteResponse> {
  const share = await shareOf(ctx.kv, params['token'] ?? '', Date.now())
  if (share?.savedId != null) return openQuestion(share.savedId, share, { ctx, answered })
  const form = share?.formId == null ? undefined : await forms.find(share.formId)
  if (share === undefined || form === undefined) return noSuch(NOT_VALID)
  const answer = await shown(form.id)
  if (answer.json === undefined || (answer.status ?? 200) !== 200) return answer
  ctx.tally(`${VIEWS}${share.id}`)
  const personal = new Set([...form.columns.values()].flatMap(({ path, isPii = false }) => (isPii ? [path] : [])))
  // Notes on the time line are for those who work with it.
  const {
    fields,
    annotations: _inside,
    ...numbers
  } = answer.json as {
    readonly fields: readonly { readonly key: string }[]
    readonly annotations?: Json
  }
  const open = fields.filter(({ key }) => !personal.has(`data.${key}`))
  return { json: { form_name: form.name, expires_at: share.expiresAt, ...numbers, fields: open as unknown as Json } }
}

const NOT_VALID = 'This link is not valid: mistyped, revoked, or its time is over.'

/** Why nobody without a key could be shown it; null: they can. */
async function notForAll(
  kv: Context['kv'],
  id: string,
  answered: ShareParts['answered'],
): Promise<RouteResponse | null> {
  const saved = await findSaved(kv, id)
  if (saved === undefined) return noSaved()
  const answer = await answered(saved)
  return (answer.status ?? 200) === 200 ? null : answer
}

/** A saved question with its answer as of now. It ends with the question. */
async function openQuestion(
  id: string,
  share: Share,
  { ctx, answered }: Pick<ShareParts, 'ctx' | 'answered'>,
): Promise<RouteResponse> {
  const saved = await findSaved(ctx.kv, id)
  if (saved === undefined) return noSuch(NOT_VALID)
  const answer = await answered(saved)
  if (answer.json === undefined || (answer.status ?? 200) !== 200) return answer
  ctx.tally(`${VIEWS}${share.id}`)
  const { name, kind, view, note } = saved
  return {
    json: {
      name,
      kind,
      view,
      note,
      expires_at: share.expiresAt,
      ...(answer.json as { readonly [part: string]: Json }),
    },
  }
}
