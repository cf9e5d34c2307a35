/** Upserts the records of a run in collections, and gives each row its own outcome, whatever happens to its neighbours. */
import { dead, retry, unauthorized } from 'manifold/plugin'
import type { FinalOutcome, HttpResponse, Json } from 'manifold/plugin'
import { callOutcome, deadRow, isSpent, refusedRows, rowOutcome } from './outcomes.ts'
import type { RecordRow } from './record.ts'
import { callOrg, Refused, type Ctx } from './session.ts'
import { heldBySpent, learnSpent } from './spent.ts'

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

type RunCtx = Ctx & { readonly run: { readonly deadlineMs: number } }

/** Outcomes by place. Throws only while nothing has been said of any row. */
export async function upsertAll(ctx: RunCtx, rows: readonly Row[]): Promise<ReadonlyMap<number, FinalOutcome>> {
  const calls = openCalls(ctx)
  for (const collection of collectionsOf(rows, ctx.config.batchSize)) {
    await upsert(calls, collection)
    // Once more, on their own: then a duplicate is an update, or it is dead.
    await upsert(calls, calls.takeAgain())
  }
  return calls.outcomes
}

/** Gives each row its outcome, also where a call is refused for a row that the answer does not name: that one is looked for. */
async function upsert(calls: Calls, rows: readonly Row[]): Promise<void> {
  let unknown = rows
  while (unknown.length > 0) {
    const answer = await calls.send(unknown)
    if (typeof answer === 'string') return
    const refused = refusedRows(answer, unknown) ?? (unknown.length === 1 ? unknown : null)
    if (refused === null) {
      unknown = await withoutOne(calls, unknown)
    } else {
      calls.settle(refused, calls.outcomeOf(answer))
      unknown = unknown.filter((row) => !refused.includes(row))
    }
  }
}

/**
 * The first row that a call with these is refused for gets its outcome, by halves; so do those before it. Returns those that
 * nothing is known of: they go in one call again, which with one such row in 200 makes eleven calls at most.
 */
async function withoutOne(calls: Calls, rows: readonly Row[]): Promise<readonly Row[]> {
  let suspects = rows
  let unknown: readonly Row[] = []
  while (suspects.length > 1) {
    const half = Math.ceil(suspects.length / 2)
    const [first, second] = [suspects.slice(0, half), suspects.slice(half)]
    const answer = await calls.send(first)
    if (answer === 'failed') return [...second, ...unknown]
    if (answer === 'taken') {
      suspects = second
      continue
    }
    unknown = [...second, ...unknown]
    const refused = refusedRows(answer, first) ?? (first.length === 1 ? first : null)
    if (refused !== null) {
      calls.settle(refused, calls.outcomeOf(answer))
      return [...first.filter((row) => !refused.includes(row)), ...unknown]
    }
    suspects = first
  }
  // The one that is left is sent by itself: what is wrong with it is said of it alone.
  const answer = await calls.send(suspects)
  if (typeof answer !== 'string') calls.settle(suspects, calls.outcomeOf(answer))
  return unknown
}

interface Calls {
  readonly outcomes: ReadonlyMap<number, FinalOutcome>
  /**
   * One call. `taken`: it was answered row by row; `failed`: all of these have an outcome that says nothing of any of them.
   * Otherwise the answer, which is about one or more of them.
   */
  send(rows: readonly Row[]): Promise<'taken' | 'failed' | HttpResponse>
  settle(rows: readonly Row[], outcome: FinalOutcome): void
  outcomeOf(answer: HttpResponse): FinalOutcome
  /** Rows that want to be sent once more; each once. */
  takeAgain(): readonly Row[]
}

function openCalls(ctx: RunCtx): Calls {
  const outcomes = new Map<number, FinalOutcome>()
  let callsLeft = CALLS_MAX
  let again: Row[] = []
  const wereAgain = new Set<Row>()
  /** What becomes of every call to come; none is made. */
  let closed: FinalOutcome | null = null

  const outcomeOf = (answer: HttpResponse): FinalOutcome => callOutcome(answer, ctx.config.externalId.field)
  const settle = (rows: readonly Row[], outcome: FinalOutcome): void => {
    for (const { place } of rows) outcomes.set(place, outcome)
  }
  const failed = (rows: readonly Row[], outcome: FinalOutcome): 'failed' => {
    closed ??= forTheRest(outcome)
    settle(rows, outcome)
    return 'failed'
  }
  const taken = (rows: readonly Row[], results: readonly Json[]): 'taken' => {
    for (const [at, row] of rows.entries()) {
      const outcome = rowOutcome(results[at] as Json)
      if (outcome !== 'again') outcomes.set(row.place, outcome)
      else if (wereAgain.has(row)) outcomes.set(row.place, deadRow(results[at] as Json))
      else again.push(row)
    }
    return 'taken'
  }
  return {
    outcomes,
    settle,
    outcomeOf,
    takeAgain: () => {
      const rows = again
      again = []
      for (const row of rows) wereAgain.add(row)
      return rows
    },
    async send(rows) {
      if (closed !== null) return failed(rows, closed)
      const held = heldBySpent(Date.now())
      if (held !== null) return failed(rows, held)
      if (callsLeft === 0 || (outcomes.size > 0 && Date.now() > ctx.run.deadlineMs - CALL_MS_MIN))
        return failed(rows, LEFT_OVER)
      callsLeft -= 1
      let answer
      try {
        answer = await callOrg(ctx, requestOf(ctx, rows))
      } catch (error) {
        if (error instanceof Refused) return failed(rows, unauthorized(error.message))
        // The hub knows best what its own errors mean, as long as they are about all rows.
        if (outcomes.size === 0) throw error
        return failed(rows, failedOf(error))
      }
      if (answer.status !== 200) {
        const outcome = outcomeOf(answer)
        learnSpent(outcome, Date.now())
        const stops = outcome.outcome !== 'dead' || outcome.disable === true
        const isAboutRows = (answer.status === 400 || answer.status === 413) && !stops
        return isAboutRows ? answer : failed(rows, outcome)
      }
      const results = rowsIn(answer.body)
      learnSpent(spentIn(results ?? []), Date.now())
      return results?.length === rows.length ? taken(rows, results) : failed(rows, unreadable(answer.body))
    },
  }
}

/**
 * What an answer that stops the installation means for the rows of later calls; null: nothing. Only those in the call that was answered are dead: the others were never sent, and go out once it is resumed.
 */
function forTheRest(outcome: FinalOutcome): FinalOutcome | null {
  if (outcome.outcome === 'unauthorized') return outcome
  if (outcome.outcome !== 'dead' || outcome.disable !== true) return null
  return retry(`Not sent, since another call of the run stopped the installation: ${outcome.message}`, {
    code: LEFT_OVER_CODE,
    untouched: true,
  })
}

const LEFT_OVER_CODE = 'left_over'

/** Nothing of it was sent. */
const LEFT_OVER = retry('The run had no time or no request left for this record.', {
  code: LEFT_OVER_CODE,
  untouched: true,
})

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

/** A call may be the last one that the org had: then a trigger's own says so of a row. */
const spentIn = (results: readonly Json[]): FinalOutcome | null =>
  (results.map(rowOutcome).find((outcome) => outcome !== 'again' && isSpent(outcome)) as FinalOutcome | undefined) ??
  null

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
