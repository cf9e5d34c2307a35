/**
 * The load generator, a process of its own on raw sockets: what it spends on a request must be small beside what the
 * target spends. Closed loop (each connection sends as soon as it was answered), open loop (each client keeps its own
 * timetable, late or not), and burst (all connect at once, one request each).
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
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

const CONNECT_RETRIES_MAX = 3
const DRAIN_MS = 20_000

/** One keep-alive connection; one request at a time. */
class Line {
  readonly #target: Target
  readonly #head: string
  #socket: Socket | null = null
  #pending: ((status: number) => void) | null = null
  #received = ''

  constructor(target: Target) {
    this.#target = target
    const headers = { host: `127.0.0.1:${target.port}`, 'content-type': 'application/json', ...target.headers }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#head = `POST ${target.path} HTTP/1.1\r\n${lines.join('')}content-length: `
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.#target.port, host: '127.0.0.1', noDelay: true })
      socket.setEncoding('latin1')
      socket.once('connect', () => {
        this.#socket = socket
        resolve()
      })
      socket.once('error', (error) => {
        reject(error)
        this.#finish(0)
      })
      socket.once('close', () => {
        this.#socket = null
        this.#finish(0)
      })
      socket.on('data', (text) => this.#read(String(text)))
    })
  }

  /** The status of the answer; 0 when the connection broke. Connects again when the peer has closed since. */
  async send(number: number): Promise<number> {
    if (this.#socket === null) {
      try {
        await this.open()
      } catch {
        return 0
      }
    }
    const body = submissionBody(this.#target.run, number, preciseNowMs())
    return await new Promise((resolve) => {
      this.#pending = resolve
      this.#received = ''
      this.#socket?.write(`${this.#head}${body.length}\r\n\r\n${body}`, 'latin1')
    })
  }

  close(): void {
    this.#socket?.destroy()
  }

  #read(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text
    const whole = this.#received
    const headEnd = whole.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(whole.slice(0, headEnd + 2))
    const complete =
      length === null
        ? whole.endsWith('0\r\n\r\n') || whole.startsWith('204', 9)
        : whole.length >= headEnd + 4 + Number(length[1])
    if (complete) this.#finish(Number(whole.slice(9, 12)))
  }

  #finish(status: number): void {
    const pending = this.#pending
    this.#pending = null
    pending?.(status)
  }
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
  const lines = await openAll(job, job.connections)
  const tally = new Tally()
  const endMs = performance.now() + job.durationMs
  await Promise.all(
    lines.map(async (line) => {
      while (performance.now() < endMs) {
        const sentMs = performance.now()
        const status = await line.send(tally.number())
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
  const lines = await openAll(job, job.clients)
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
      tally.add(await line.send(tally.number()), performance.now() - startMs)
    }
  }
  await Promise.all(lines.map(client))
  const result = tally.result()
  for (const line of lines) line.close()
  return result
}

async function burst(job: LoadAsk & { kind: 'burst' }): Promise<LoadResult> {
  const tally = new Tally()
  const lines = Array.from({ length: job.connections }, () => new Line(job))
  await Promise.race([
    Promise.all(
      lines.map(async (line) => {
        const startMs = performance.now()
        tally.add(await line.send(tally.number()), performance.now() - startMs)
      }),
    ),
    new Promise((resolve) => setTimeout(resolve, DRAIN_MS)),
  ])
  const result = tally.result()
  for (const line of lines) line.close()
  return result
}

/** Opens them a few at a time: how connections are accepted is the burst's question, not this one's. */
async function openAll(job: LoadAsk, count: number): Promise<readonly Line[]> {
  const lines: Line[] = []
  while (lines.length < count) {
    const group = Array.from({ length: Math.min(50, count - lines.length) }, () => new Line(job))
    await Promise.all(group.map((line) => openPatiently(line)))
    lines.push(...group)
  }
  return lines
}

async function openPatiently(line: Line, triesLeft = CONNECT_RETRIES_MAX): Promise<void> {
  try {
    await line.open()
  } catch (error) {
    if (triesLeft === 0) throw error
    await openPatiently(line, triesLeft - 1)
  }
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
