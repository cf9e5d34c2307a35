/**
 * How long a transaction of ingest takes for n submissions with a delivery each, and how long of that it holds the one row
 * that gives out sequences: that part is what all processes of a fleet do one after the other.
 */
import type { Client } from 'pg'
import { newId } from '../../core/ids.ts'
import { noticeOf } from '../../core/fleet/postgres/notices.ts'
import { logJob } from '../../core/queue/graphile/jobs.ts'
import { runProcedure } from '../../core/storage/postgres/run-procedure.ts'
import { sendAll } from '../../core/storage/postgres/pipeline.ts'
import { statementOf } from '../../core/storage/postgres/sql.ts'
import { accept } from '../../core/storage/procedures/accept.ts'
import type { Procedure } from '../../core/storage/procedure.ts'
import type { Submission } from '../../core/storage/store.ts'
import { submissionBody } from './payload.ts'
import { median } from './statistics.ts'

/** `fixed` for the transaction, `each` for a submission in it; in `serial` only what others have to wait for. */
export interface CommitTimes {
  readonly whole: Line
  readonly serial: Line
}

export interface Line {
  readonly fixedMs: number
  readonly eachMs: number
}

const SIZES = [1, 200] as const

/** Of an otherwise idle server: medians of so many transactions of each size. */
export async function commitTimes(client: Client, repeats: number): Promise<CommitTimes> {
  // As the store plans its statements.
  await client.query('SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off')
  const medians = new Map<number, { readonly whole: number; readonly serial: number }>()
  for (const size of SIZES) {
    const times = []
    for (let n = 0; n < repeats; n += 1) times.push(await transaction(client, size))
    medians.set(size, {
      whole: median(times.map(({ wholeMs }) => wholeMs)),
      serial: median(times.map(({ serialMs }) => serialMs)),
    })
  }
  const [small, large] = SIZES
  const line = (part: 'whole' | 'serial'): Line => {
    const [one, many] = [medians.get(small)?.[part] ?? 0, medians.get(large)?.[part] ?? 0]
    const eachMs = (many - one) / (large - small)
    return { fixedMs: one - eachMs, eachMs }
  }
  return { whole: line('whole'), serial: line('serial') }
}

/** As core/storage/postgres/group-commit.ts does it. */
async function transaction(
  client: Client,
  size: number,
): Promise<{ readonly wholeMs: number; readonly serialMs: number }> {
  const submissions = Array.from({ length: size }, (_, n) => submission(n))
  const begunMs = performance.now()
  const [, , log] = await sendAll(client, [
    { statement: statementOf('BEGIN'), rows: [[]] },
    { statement: statementOf('SELECT pg_advisory_xact_lock_shared(8420002)'), rows: [[]] },
    { statement: statementOf('SELECT seq FROM log_head WHERE only_row = 1'), rows: [[]] },
  ])
  const head = Number((log?.rows[0] as { readonly seq: number } | undefined)?.seq)
  const marks = { heldMs: 0 }
  await runProcedure(client, watched(accept({ submissions, idempotencyTtlMs: 86_400_000 }), marks))
  const last = [logJob(head), noticeOf('bench', [], head)].map(({ sql, params }) => ({
    statement: statementOf(sql),
    rows: [params],
  }))
  await sendAll(client, [...last, { statement: statementOf('COMMIT'), rows: [[]] }])
  const endedMs = performance.now()
  return { wholeMs: endedMs - begunMs, serialMs: endedMs - marks.heldMs }
}

/** Notes when the sequences were asked for. */
function* watched<Result>(procedure: Procedure<Result>, marks: { heldMs: number }): Procedure<Result> {
  let step = procedure.next()
  while (step.done !== true) {
    if (step.value.sql.startsWith('UPDATE log_head')) marks.heldMs = performance.now()
    step = procedure.next(yield step.value)
  }
  return step.value
}

function submission(n: number): Submission {
  const eventId = newId('event')
  const responseId = newId('response')
  const delivery = {
    id: newId('delivery'),
    kind: 'action',
    name: 'send',
    key: `${eventId}:0`,
    eventSeq: null,
    eventId,
    formId: 'bench',
    responseId,
    orderKey: null,
    input: '{}',
    dueAtMs: Date.now(),
  } as const
  return {
    workspace: 'default',
    responseId,
    formId: 'bench',
    formVersion: 1,
    status: 'completed',
    data: JSON.stringify((JSON.parse(submissionBody('commit', n, 0)) as { data: unknown }).data),
    meta: '{}',
    clientId: null,
    startedAt: null,
    at: new Date().toISOString(),
    eventId,
    idempotency: null,
    forwards: [{ installation: 'sink', plugin: 'webhooks', delivery }],
  }
}
