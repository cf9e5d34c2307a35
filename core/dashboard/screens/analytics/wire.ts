/** Answers of `/api/v2/analytics/…`, as its pages read them. */
import type { Page } from '../../api.ts'

export interface Choice {
  readonly value: string
  readonly label: string
  readonly count: number
  readonly share: number | null
}

export interface FieldMetrics {
  readonly key: string
  readonly label: string
  readonly type: string
  readonly answered: number
  readonly reached: number
  readonly left: number
  readonly drop_off: number | null
  readonly choices?: readonly Choice[]
  readonly numbers?: Readonly<Record<'average' | 'min' | 'max' | 'median' | 'sum', number | null>>
}

export interface Annotation {
  readonly id: string
  readonly form_id: string | null
  readonly at: string
  readonly until: string | null
  readonly text: string
}

export interface Completion {
  /** Whose word it is, also for how far people came: of responses, or what the snippet saw of visits. */
  readonly base: 'responses' | 'snippet'
  readonly views: number | null
  readonly started: number
  readonly rate: number | null
  /** What the snippet saw, whosever word it is; null: nobody who began. */
  readonly snippet: { readonly started: number; readonly completed: number } | null
}

/** The same of a form alone and of one among many. */
interface Headline {
  readonly form_id: string
  readonly totals: {
    readonly started: number
    readonly completed: number
    readonly partial: number
    readonly completion_rate: number | null
  }
  readonly completion: Completion
  readonly today: { readonly completed: number; readonly week_before: number; readonly change: number | null }
  readonly time_to_complete: { readonly median_s: number | null; readonly p95_s: number | null }
  readonly period: { readonly completed: number }
}

export interface FormHeadline extends Headline {
  readonly timezone: string
  readonly name: string
}

export interface FormsAnswer extends Page<FormHeadline> {
  readonly timezone: string
}

export interface FormMetrics extends Headline {
  readonly timezone: string
  readonly series: {
    readonly bucket: string
    readonly points: readonly { readonly at: string; readonly count: number }[]
  }
  readonly annotations: readonly Annotation[]
  readonly fields: readonly FieldMetrics[]
}

/** Columns by name: what was grouped by, then what was counted. */
export type QueryRow = Readonly<Record<string, string | number | boolean | null>>

export interface QueryAnswer {
  readonly items: readonly QueryRow[]
  readonly meta: {
    readonly next_offset: number | null
    readonly complete_from: string | null
    readonly sql?: string
    readonly values?: readonly unknown[]
  }
}
