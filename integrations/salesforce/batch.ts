/** Upserts the records of a run in collections, and gives each row its own outcome, whatever happens to its neighbours. */
import { dead, retry, unauthorized } from 'manifold/plugin'
import type { FinalOutcome, Json } from 'manifold/plugin'
import { callOutcome, deadRow, isPerhapsOneRow, rowOutcome } from './outcomes.ts'
import type { RecordRow } from './record.ts'
import { callOrg, Refused, type Ctx } from './session.ts'

/** A record and the place of its item in the batch. */
export interface Row extends RecordRow {
  readonly place: number
}

/** Of the 20 requests that a run has; two may go to the token endpoint, and one is repeated after a 401. */
const CALLS_MAX = 16
/** Below the hub's 1 MB for a body. */
const BODY_CHARS_MAX = 300_000
/** A call that would begin with less time than this is left to the next run. */
const CALL_MS_MIN = 5_000

/** Outcomes by place. Throws only while nothing has been said of any row. */
export async function upsertAll(ctx: Ctx & { readonly run: { readonly deadlineMs: number } }, rows: readonly Row[]) {
  const outcomes = new Map<number, FinalOutcome>()
  let callsLeft = CALLS_MAX
  const all = (some: readonly Row[], outcome: FinalOutcome): void => {
    for (const { place } of some) outcomes.set(place, outcome)
  }

  async function send(some: readonly Row[], isAgain: boolean): Promise<void> {
    if (some.length === 0) return
    if (callsLeft === 0 || (outcomes.size > 0 && Date.now() > ctx.run.deadlineMs - CALL_MS_MIN))
      return all(some, retry('The run had no time or no request left for this record.', { code: 'left_over' }))
    callsLeft -= 1
    let answer
    try {
      answer = await callOrg(ctx, requestOf(ctx, some))
    } catch (error) {
      if (error instanceof Refused) return all(some, unauthorized(error.message))
      // The hub knows best what its own errors mean, as long as they are about all rows.
      if (outcomes.size === 0) throw error
      return all(some, failedOf(error))
    }
    if (answer.status === 200) {
      const list = rowsIn(answer.body)
      if (list?.length !== some.length) return all(some, unreadable(answer.body))
      const again: Row[] = []
      for (const [at, row] of some.entries()) {
        const outcome = rowOutcome(list[at] as Json)
        if (outcome !== 'again') outcomes.set(row.place, outcome)
        else if (isAgain) outcomes.set(row.place, deadRow(list[at] as Json))
        else again.push(row)
      }
      return await send(again, true)
    }
    if (some.length === 1 || !isPerhapsOneRow(answer, some)) return all(some, callOutcome(answer))
    const half = Math.ceil(some.length / 2)
    await send(some.slice(0, half), isAgain)
    await send(some.slice(half), isAgain)
  }

  for (const collection of collectionsOf(rows, ctx.config.batchSize)) await send(collection, false)
  return outcomes
}

const requestOf = ({ config }: Ctx, rows: readonly Row[]) =>
  ({
    method: 'PATCH',
    path: `/v${config.apiVersion}/composite/sobjects/${config.object}/${config.externalId.field}`,
    headers: {
      'Sforce-Auto-Assign': String(config.autoAssign),
      ...(config.duplicateRules === 'allow' ? { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' } : {}),
    },
    json: { allOrNone: false, records: rows.map(({ json }) => json) },
  }) as const

/**
 * Salesforce takes a key once a call, so the second of the same one goes with a later call: the last answer wins, as it
 * would one by one.
 */
function* collectionsOf(rows: readonly Row[], sizeMax: number): Generator<readonly Row[]> {
  let left = rows
  while (left.length > 0) {
    const later: Row[] = []
    const keys = new Set<string>()
    let collection: Row[] = []
    let chars = 0
    for (const row of left) {
      // Salesforce compares external ids without regard to case, unless the field says otherwise.
      const key = row.key.toLowerCase()
      if (keys.has(key)) {
        later.push(row)
        continue
      }
      keys.add(key)
      const size = JSON.stringify(row.json).length
      if (collection.length === sizeMax || (collection.length > 0 && chars + size > BODY_CHARS_MAX)) {
        yield collection
        collection = []
        chars = 0
      }
      collection.push(row)
      chars += size
    }
    yield collection
    left = later
  }
}

function rowsIn(body: string): readonly Json[] | null {
  try {
    const value = JSON.parse(body) as Json
    return Array.isArray(value) ? (value as readonly Json[]) : null
  } catch {
    return null
  }
}

const unreadable = (body: string): FinalOutcome =>
  retry(`Salesforce answered 200 with something else than a result for each record: ${body.slice(0, 300)}`, {
    code: 'answer_unreadable',
  })

function failedOf(error: unknown): FinalOutcome {
  const { code, message } = error as { code?: string; message?: string }
  if (code === 'credential_refused') return unauthorized(message ?? code)
  if (code === 'capability_denied') return dead(code, message ?? code)
  return retry(message ?? String(error), code === undefined ? {} : { code })
}
