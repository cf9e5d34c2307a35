/** The receiver of the bench, a process of its own: answers 200 at once, counts, checks that nothing comes twice, times. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { preciseNowMs, readPayload } from './payload.ts'
import { serveWorker } from './processes.ts'
import { spreadOf } from './statistics.ts'
import type { Spread } from './statistics.ts'

/** `run`: count only deliveries of this run from now on. */
export type SinkAsk = { readonly ask: 'reset'; readonly run: string } | { readonly ask: 'stats' }

export interface SinkStats {
  /** Different submissions that arrived. */
  readonly delivered: number
  readonly duplicates: number
  /** Requests that were none of this run. */
  readonly strangers: number
  readonly unsigned: number
  /** From sender to here. */
  readonly endToEndMs: Spread
  readonly firstAtMs: number
  readonly lastAtMs: number
}

let run = ''
let seen = new Set<string>()
let latenciesMs: number[] = []
let counts = { duplicates: 0, strangers: 0, unsigned: 0 }
let firstAtMs = 0
let lastAtMs = 0

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    response.writeHead(200, { 'content-length': 0 }).end()
    count(Buffer.concat(chunks).toString('latin1'), request.headers['x-webhook-signature'] !== undefined)
  })
})

function count(body: string, signed: boolean): void {
  const payload = readPayload(body)
  if (payload === null || !payload.n.startsWith(`${run}-`)) {
    counts.strangers += 1
    return
  }
  if (seen.has(payload.n)) {
    counts.duplicates += 1
    return
  }
  seen.add(payload.n)
  if (!signed) counts.unsigned += 1
  const nowMs = preciseNowMs()
  if (firstAtMs === 0) firstAtMs = nowMs
  lastAtMs = nowMs
  latenciesMs.push(nowMs - payload.sentAtMs)
}

server.listen(0, '127.0.0.1', 4_096, () => {
  const { port } = server.address() as AddressInfo
  serveWorker<SinkAsk>({ url: `http://127.0.0.1:${port}/hook` }, (question) => {
    if (question.ask === 'reset') {
      run = question.run
      seen = new Set()
      latenciesMs = []
      counts = { duplicates: 0, strangers: 0, unsigned: 0 }
      firstAtMs = 0
      lastAtMs = 0
      return {}
    }
    return {
      delivered: seen.size,
      ...counts,
      endToEndMs: spreadOf(latenciesMs),
      firstAtMs,
      lastAtMs,
    } satisfies SinkStats
  })
})
