/** How what waits in quarantine is stored after all: one, or all that match. */
import { rfc3339 } from '../clock.ts'
import { asHubError, HubError } from '../errors.ts'
import { FORM_MISMATCH } from '../model.ts'
import type { LogEvent, WorkspaceId } from '../model.ts'
import type { AcceptResult, QuarantineFilter } from '../storage/store.ts'
import type { HttpDeps } from './deps.ts'

export type ReleaseDeps = Pick<HttpDeps, 'store' | 'clock' | 'logger' | 'onEvents' | 'retake'>

/** Released in one transaction: others wait for it. */
export const RELEASED_AT_ONCE_MAX = 100

export interface AllReleased {
  /** As many as are stored now and were not before. */
  readonly released: number
  /** Why the rest still waits; null: all were seen to. */
  readonly stopped: HubError | null
  /** Where to go on; null: all were seen to, or it stopped. */
  readonly next: string | null
}

/** What is stored by the time something fails stays so, and is told; rejects only where nothing was. */
export async function releaseAll(
  deps: ReleaseDeps,
  workspace: WorkspaceId,
  filter: QuarantineFilter,
): Promise<AllReleased> {
  return counted(deps, async (count) => {
    for (let cursor: string | null = null; ;) {
      cursor = await step(deps, { workspace, filter, limit: RELEASED_AT_ONCE_MAX, cursor, count })
      if (cursor === null) return null
    }
  })
}

/** As `releaseAll`, so many at the most. */
export const releaseSome = (deps: ReleaseDeps, some: Omit<Step, 'count'>): Promise<AllReleased> =>
  counted(deps, (count) => step(deps, { ...some, limit: Math.min(some.limit, RELEASED_AT_ONCE_MAX), count }))

async function counted(
  { logger }: ReleaseDeps,
  act: (count: Step['count']) => Promise<string | null>,
): Promise<AllReleased> {
  let released = 0
  try {
    const next = await act((stored) => void (released += stored))
    return { released, stopped: null, next }
  } catch (error) {
    if (released === 0) throw error
    logger.error({ err: error, released }, 'a release stopped half-way')
    return { released, stopped: asHubError(error, { message: 'The hub failed.' }), next: null }
  }
}

export interface OneReleased {
  /** What it is stored under, if it is. */
  readonly responseId: string
  /** False: nothing was stored now; it does not wait there any more, or gave way to newer answers. */
  readonly isNew: boolean
}

/** Stores it, unless that was done before. */
export async function releaseOne(deps: ReleaseDeps, workspace: WorkspaceId, id: string): Promise<OneReleased> {
  const { store, retake } = deps
  const aside = await store.getQuarantined(workspace, id)
  if (aside?.code === FORM_MISMATCH) {
    const { kind, isHeld, responseId } = await retake(aside)
    if (isHeld !== true) return { responseId, isNew: kind !== 'duplicate' }
    const { installation, message, code } = (await store.getQuarantined(workspace, id)) ?? aside
    const why = `"${installation}" has put it aside: ${message ?? code}`
    throw new HubError('conflict', `${why}. Release it once more to store it all the same.`)
  }
  const [result] = await release(deps, { workspace, filter: { id }, limit: 1 })
  if (result !== undefined && 'responseId' in result)
    return { responseId: result.responseId, isNew: result.kind !== 'duplicate' }
  return { responseId: (await store.releasedInto(workspace, id)) ?? id, isNew: false }
}

interface Step {
  readonly workspace: WorkspaceId
  readonly filter: QuarantineFilter
  readonly limit: number
  /** Null: at the beginning. */
  readonly cursor: string | null
  /** Hears how many are stored, as they are. */
  readonly count: (stored: number) => void
}

/** What is released is gone, so the next step begins where this one did; what is held against its form anew may stay, so there is a place. */
const AGAIN = 'again'
const ANEW = 'anew~'

/** Some of them; answers where to go on. */
async function step(deps: ReleaseDeps, { workspace, filter, limit, cursor, count }: Step): Promise<string | null> {
  if (cursor?.startsWith(ANEW) === true)
    return retaken(deps, { workspace, filter, limit, cursor: cursor.slice(ANEW.length), count })
  const slice = await release(deps, { workspace, filter, limit })
  count(slice.filter(({ kind }) => kind === 'stored' || kind === 'completed').length)
  if (slice.length === limit) return AGAIN
  return filter.reason !== undefined && filter.reason !== FORM_MISMATCH ? null : ANEW
}

/** Everybody who follows the log hears of it. */
async function release(
  { store, clock, onEvents }: ReleaseDeps,
  what: Pick<Parameters<HttpDeps['store']['release']>[0], 'workspace' | 'filter' | 'limit'>,
): Promise<readonly AcceptResult[]> {
  const results = await store.release({ ...what, at: rfc3339(clock.nowMs()) })
  const events = results.flatMap((result): LogEvent[] => ('event' in result ? [result.event] : []))
  if (events.length > 0) onEvents(events)
  return results
}

/** Each once more to its form, and to transforms that have not seen it. What still does not fit, or is put aside, stays. */
async function retaken(
  { store, retake }: ReleaseDeps,
  { workspace, filter, limit, cursor, count }: Step,
): Promise<string | null> {
  const query = { ...filter, reason: FORM_MISMATCH, limit, after: cursor || undefined }
  const page = await store.listQuarantine(workspace, query)
  for (const item of page.items) {
    try {
      const { kind, isHeld } = await retake(item)
      count(isHeld === true || kind === 'duplicate' ? 0 : 1)
    } catch (error) {
      if (!(error instanceof HubError) || !STAYS.has(error.code)) throw error
    }
  }
  return page.next === null ? null : ANEW + page.next
}

const STAYS: ReadonlySet<string> = new Set(['invalid_response', 'response_rejected'])
