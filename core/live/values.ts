/**
 * Numbers that live connections are told: each subject is asked about at most once in `liveMetricMs`, for all who want it, and
 * no answer serves longer than `liveNumberAgeMs`: some change with the time alone, such as what was completed today.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../limits.ts'
import type { WorkspaceId } from '../model.ts'

/** What may be followed: a form, or an event that an organizer holds. */
export type SubjectKind = 'forms' | 'events'

export interface Subject {
  readonly workspace: WorkspaceId
  readonly area: string
  readonly kind: SubjectKind
  readonly id: string
}

export type Values = Readonly<Record<string, number | null>>

/** Null: there is no such subject. Rejects while nobody can say. */
export type AskValues = (subject: Subject) => Promise<Values | null>

export interface Known {
  readonly values: Values | null
  /** As of this place in the log or a later one. */
  readonly seq: number
}

export interface LiveValues {
  /** As of `seq`, or of an earlier place where somebody has asked so shortly before: then whoever wants more asks again later. */
  of(subject: Subject, seq: number): Promise<Known>
}

export interface LiveValueDeps {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'liveMetricMs' | 'liveNumberAgeMs'>
}

const KEPT_MAX = 1_000

export function openLiveValues(ask: AskValues, { clock, limits }: LiveValueDeps): LiveValues {
  const kept = new Map<string, { readonly seq: number; readonly atMs: number; readonly known: Promise<Known> }>()
  return {
    of: (subject, seq) => {
      const key = JSON.stringify([subject.workspace, subject.area, subject.kind, subject.id])
      const known = kept.get(key)
      const nowMs = clock.monotonicMs()
      const ageMs = nowMs - (known?.atMs ?? 0)
      const isFresh = ageMs < limits.liveMetricMs
      if (known !== undefined && (isFresh || (known.seq >= seq && ageMs < limits.liveNumberAgeMs))) return known.known
      const found = ask(subject).then((values): Known => ({ values, seq }))
      const entry = { seq, atMs: nowMs, known: found }
      kept.delete(key)
      kept.set(key, entry)
      found.catch(() => kept.get(key) === entry && kept.delete(key))
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return found
    },
  }
}
