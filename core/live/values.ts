/** Numbers that live connections are told, asked once for all who want them as of the same place in the log. */
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

export interface LiveValues {
  /** As of `seq` or later. */
  of(subject: Subject, seq: number): Promise<Values | null>
}

const KEPT_MAX = 1_000

export function openLiveValues(ask: AskValues): LiveValues {
  const kept = new Map<string, { readonly seq: number; readonly values: Promise<Values | null> }>()
  return {
    of: (subject, seq) => {
      const key = JSON.stringify([subject.workspace, subject.area, subject.kind, subject.id])
      const known = kept.get(key)
      if (known !== undefined && known.seq >= seq) return known.values
      const values = ask(subject)
      const entry = { seq, values }
      kept.delete(key)
      kept.set(key, entry)
      values.catch(() => kept.get(key) === entry && kept.delete(key))
      if (kept.size > KEPT_MAX) kept.delete(kept.keys().next().value as string)
      return values
    },
  }
}
