/** The app's definition as the linter reads it: what is data in it, functions left aside. */

export interface Field {
  readonly key: string
  readonly label?: string
  readonly type?: string
  readonly helpText?: string
  readonly dynamic?: string
  readonly search?: string
  readonly choices?: unknown
}

/** A field, or a function that answers fields. */
export type FieldOrFunction = Field | ((...args: never[]) => unknown)

export interface Operation {
  readonly type?: string | undefined
  readonly inputFields?: readonly FieldOrFunction[] | undefined
  readonly outputFields?: readonly FieldOrFunction[] | undefined
  readonly sample?: { readonly [key: string]: unknown } | undefined
  readonly perform?: unknown
  readonly performList?: unknown
  readonly performSubscribe?: unknown
  readonly performUnsubscribe?: unknown
}

export interface Step {
  readonly key: string
  readonly noun: string
  readonly display: { readonly label: string; readonly description: string; readonly hidden?: boolean }
  readonly operation: Operation
}

export interface SearchOrCreate {
  readonly key: string
  readonly display: { readonly label: string; readonly description: string }
  readonly search: string
  readonly create: string
}

type Steps = { readonly [key: string]: Step }

export interface Definition {
  readonly version: string
  readonly authentication: { readonly connectionLabel?: unknown; readonly fields?: readonly Field[] }
  readonly triggers: Steps
  readonly searches: Steps
  readonly creates: Steps
  readonly searchOrCreates: { readonly [key: string]: SearchOrCreate }
}

export type Kind = 'triggers' | 'searches' | 'creates'

export interface Placed {
  readonly at: string
  readonly kind: Kind
  readonly step: Step
}

/** Every trigger, search and create with its place. */
export const stepsOf = (app: Definition): readonly Placed[] =>
  (['triggers', 'searches', 'creates'] as const).flatMap((kind) =>
    Object.entries(app[kind]).map(([key, step]) => ({ at: `${kind}.${key}`, kind, step })),
  )

/** Those that are data. */
export const dataFields = (fields: readonly FieldOrFunction[] = []): readonly Field[] =>
  fields.filter((field): field is Field => typeof field !== 'function')
