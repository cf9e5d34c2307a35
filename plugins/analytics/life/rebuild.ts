/** What a form's headline numbers are before its rows are made anew, and after. */
import { createHash } from 'node:crypto'
import type { Generation } from './generation.ts'

interface Numbers {
  readonly started: number
  readonly completed: number
  /** Of all headline numbers of the last 90 days and in total. */
  readonly digest: string
}

export interface Compared {
  readonly formId: string
  /** Null: there are no responses. */
  readonly before: Numbers | null
  readonly after: Numbers | null
  readonly isEqual: boolean
}

const DAYS = 90
const DAY_MS = 86_400_000
/** Sums of fractions may differ in the last digits, as counts round once and rows at each step. */
const DIGITS = 12

/** Both have to be at the same place of the log, and to stay there. */
export async function compareGenerations(before: Generation, after: Generation): Promise<readonly Compared[]> {
  const nowMs = Date.now()
  const ids = [before, after].flatMap(({ projection }) => [...projection.forms()].map(({ id }) => id))
  const compared: Compared[] = []
  for (const formId of [...new Set(ids)].toSorted()) {
    const [was, is] = [await numbersOf(before, formId, nowMs), await numbersOf(after, formId, nowMs)]
    compared.push({ formId, before: was, after: is, isEqual: was?.digest === is?.digest })
  }
  return compared
}

async function numbersOf({ projection, metrics }: Generation, id: string, nowMs: number): Promise<Numbers | null> {
  const form = projection.form(id)
  if (form === undefined) return null
  const { timezone } = metrics
  const query = { timezone, bucket: 'day', fromMs: nowMs - DAYS * DAY_MS, toMs: nowMs } as const
  const found = (await metrics.of(form, query, nowMs)).metrics
  const text = JSON.stringify(found, (_, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(DIGITS) : value,
  )
  const { started, completed } = found.totals
  // A form of which everything was erased is one without responses.
  if (started === 0) return null
  return { started, completed, digest: createHash('sha256').update(text).digest('hex') }
}
