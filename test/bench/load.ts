/**
 * The load generator, a process of its own on raw sockets: what it spends on a request must be small beside what the
 * target spends. Closed loop (each connection sends as soon as it was answered), open loop (each client keeps its own
 * timetable, late or not), and burst (all connect at once, one request each).
 */
import { headOf, Line, openLines, requestText, statusOf } from './line.ts'
import { preciseNowMs, submissionBody } from './payload.ts'
import { serveWorker } from './processes.ts'
import { spreadOf } from './statistics.ts'
import type { Spread } from './statistics.ts'

interface Target {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly run: string
}

export type LoadAsk = Target &
  (
    | { readonly kind: 'closed'; readonly connections: number; readonly durationMs: number }
    | { readonly kind: 'open'; readonly clients: number; readonly perSecondEach: number; readonly durationMs: number }
    | { readonly kind: 'burst'; readonly connections: number }
  )

export interface LoadResult {
  /** Answered 2xx. */
  readonly accepted: number
  /** By status; 0 is a connection that failed or broke. */
  readonly refused: Readonly<Record<string, number>>
  readonly ackMs: Spread
  readonly startedAtMs: number
  readonly elapsedMs: number
}

const DRAIN_MS = 20_000

/** Sends submissions, numbered and stamped as they leave; answers the status. */
function senderOf({ port, path, headers, run }: Target): (line: Line, number: number) => Promise<number> {
  const head = headOf('POST', path, { port, headers })
  return async (line, number) =>
    statusOf(await line.send(() => requestText(head, submissionBody(run, number, preciseNowMs()))))
}

/** What happened so far in the running question. */
class Tally {
  readonly startedAtMs = preciseNowMs()
  readonly #latenciesMs: number[] = []
  readonly #refused: Record<string, number> = {}
  #accepted = 0
  #next = 0

  number(): number {
    return this.#next++
  }

  add(status: number, latencyMs: number): void {
    if (status >= 200 && status < 300) {
      this.#accepted += 1
      this.#latenciesMs.push(latencyMs)
    } else {
      this.#refused[status] = (this.#refused[status] ?? 0) + 1
    }
  }

  result(endedAtMs = preciseNowMs()): LoadResult {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      ackMs: spreadOf(this.#latenciesMs),
      startedAtMs: this.startedAtMs,
      elapsedMs: endedAtMs - this.startedAtMs,
    }
  }
}

async function closedLoop(job: LoadAsk & { kind: 'closed' }): Promise<LoadResult> {
  const lines = await openLines(job.port, job.connections)
  const send = senderOf(job)
  const tally = new Tally()
  const endMs = performance.now() + job.durationMs
  await Promise.all(
    lines.map(async (line) => {
      while (performance.now() < endMs) {
        const sentMs = performance.now()
        const status = await send(line, tally.number())
        tally.add(status, performance.now() - sentMs)
        // A refusal is answered quickly; an honest client does not hammer.
        if (status !== 0 && status < 500) continue
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }),
  )
  const result = tally.result()
  for (const line of lines) line.close()
  return result
}

/** Latency counts from the planned time, so a target that stalls is charged for everybody who waited. */
async function openLoop(job: LoadAsk & { kind: 'open' }): Promise<LoadResult> {
  const lines = await openLines(job.port, job.clients)
  const send = senderOf(job)
  const tally = new Tally()
  const periodMs = 1_000 / job.perSecondEach
  const beginMs = performance.now() + 50
  const rounds = Math.floor(job.durationMs / periodMs)
  const client = async (line: Line, index: number) => {
    const phaseMs = (index / job.clients) * periodMs
    for (let round = 0; round < rounds; round += 1) {
      const plannedMs = beginMs + phaseMs + round * periodMs
      const waitMs = plannedMs - performance.now()
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
      // A timer that fires late is the generator's fault, a request still unanswered is the target's.
      const startMs = waitMs > 0 ? performance.now() : plannedMs
      tally.add(await send(line, tally.number()), performance.now() - startMs)
    }
  }
  await Promise.all(lines.map(client))
  const result = tally.result()
  for (const line of lines) line.close()
  return result
}

async function burst(job: LoadAsk & { kind: 'burst' }): Promise<LoadResult> {
  const tally = new Tally()
  const send = senderOf(job)
  const lines = Array.from({ length: job.connections }, () => new Line(job.port))
  await Promise.race([
    Promise.all(
      lines.map(async (line) => {
        const startMs = performance.now()
        tally.add(await send(line, tally.number()), performance.now() - startMs)
      }),
    ),
    new Promise((resolve) => setTimeout(resolve, DRAIN_MS)),
  ])
  const result = tally.result()
  for (const line of lines) line.close()
  return result
}

serveWorker<LoadAsk>({}, (job) => {
  switch (job.kind) {
    case 'closed':
      return closedLoop(job)
    case 'open':
      return openLoop(job)
    case 'burst':
      return burst(job)
  }
})
