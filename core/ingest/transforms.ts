/** What ingest asks of those who look at responses before they are stored. `core/transform/` answers. */
import type { Form } from '../model.ts'
import type { Submission } from '../storage/store.ts'
import type { CompiledForm } from './validate.ts'

/** Header lines as Node has them: names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Responses of one request, which are all of one form. */
export interface Untransformed {
  readonly compiled: CompiledForm
  readonly headers: RequestHeaders
  readonly submissions: readonly Submission[]
}

/** What the store made of a submission: the response, stored or in quarantine, and the event that says so. */
export interface Became {
  readonly responseId: string
  readonly eventId: string
}

export interface Transformed {
  /** As they are to be stored or put aside, in order. */
  readonly submissions: readonly Submission[]
  /** To be told what each became; null for what was here before, of which nothing was stored. */
  readonly became: (all: readonly (Became | null)[]) => void
}

export interface Transforms {
  /** False: nobody looks at responses of this form, and nothing has to be asked. */
  wants(form: Form): boolean
  /** Takes no longer than the limits of a chain allow, whatever plugins do, and never rejects for what they did. */
  apply(input: Untransformed): Promise<Transformed>
}
