/** One write: new columns and rows together, applied as a whole or not at all; Google's answer tells the header they met. */
import { retry } from 'manifold/plugin'
import type { FinalOutcome, HttpResponse } from 'manifold/plugin'
import { call, jsonOf, rangeOf } from './api.ts'
import type { Ctx } from './api.ts'
import { HEADER_FIELD, HEADER_RANGE, headerOf } from './header.ts'
import type { SheetAnswer } from './header.ts'
import { didNothing, noAnswer, outcomeOf, untouched } from './outcome.ts'

export type Written =
  /** The rows are there, below this header. */
  | { readonly kind: 'done'; readonly header: readonly string[] }
  /** Nothing was written: Google does not take a request, perhaps that at `index`. */
  | { readonly kind: 'refused'; readonly index: number | null; readonly message: string }
  /** Nothing was written. */
  | { readonly kind: 'failed'; readonly outcome: FinalOutcome }
  /** Nobody knows, and Google may still be at work on it. */
  | { readonly kind: 'unclear'; readonly reason: string; readonly code: string }

interface UpdateAnswer {
  readonly updatedSpreadsheet?: { readonly sheets?: readonly SheetAnswer[] }
}

const FIELDS = `updatedSpreadsheet.sheets(${HEADER_FIELD})`

/** `requests`: each as JSON text. Throws what is no answer and no lack of one. */
export async function write(ctx: Ctx, requests: readonly string[]): Promise<Written> {
  const header = JSON.stringify(rangeOf(ctx.config.tab, HEADER_RANGE))
  const body = `{"requests":[${requests.join(',')}],"includeSpreadsheetInResponse":true,"responseRanges":[${header}]}`
  let hasLeft = false
  const leaving = (): void => void (hasLeft = true)
  try {
    return readAnswer(
      ctx,
      await call(ctx, { method: 'POST', path: ':batchUpdate', query: { fields: FIELDS }, body, leaving }),
    )
  } catch (error) {
    const known = noAnswer(error)
    if (known === null) throw error
    const { outcome, mayHaveArrived } = known
    if (!hasLeft || !mayHaveArrived) return { kind: 'failed', outcome: untouched(outcome) }
    return unclear(outcome)
  }
}

function readAnswer({ config }: Ctx, answer: HttpResponse): Written {
  if (answer.status === 200) {
    const [sheet] = jsonOf<UpdateAnswer>(answer)?.updatedSpreadsheet?.sheets ?? []
    if (sheet !== undefined) return { kind: 'done', header: headerOf(sheet) }
    return unclear(retry('Google took it, but the answer could not be read.', { code: 'answer_unreadable' }))
  }
  const outcome = outcomeOf(answer, { email: config.credentials.client_email, tab: config.tab })
  if (!didNothing(answer.status)) return unclear(outcome)
  if (outcome.outcome !== 'dead' || outcome.code !== 'rejected') return { kind: 'failed', outcome: untouched(outcome) }
  const index = /requests\[(\d+)\]/.exec(outcome.message)?.[1]
  return { kind: 'refused', index: index === undefined ? null : Number(index), message: outcome.message }
}

function unclear(outcome: FinalOutcome): Written {
  const { reason, code = 'unclear' } = outcome.outcome === 'retry' ? outcome : { reason: 'Google answered oddly.' }
  return { kind: 'unclear', reason, code }
}
