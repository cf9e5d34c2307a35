/**
 * People who look at numbers, a process of its own: each with a connection of their own that stays open, who ask, read the
 * answer for a while and ask again; and a watcher who sends a response and asks at once whether it is counted.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { exponential, seeded } from './events-in-time.ts'
import { headOf, openLines, requestText, statusOf } from './line.ts'
import type { Line } from './line.ts'
import { preciseNowMs, submissionBody } from './payload.ts'
import { serveWorker } from './processes.ts'
import { spreadOf } from './statistics.ts'
import type { Spread } from './statistics.ts'

interface Hub {
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
}

/** One thing that may be asked; `weight` times as often as one of 1. */
export interface Asked {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body: string
  readonly weight: number
}

export type AskersAsk = Hub &
  (
    | {
        readonly kind: 'people'
        readonly people: number
        /** Mean of the time between an answer and the next question, exponentially spread. */
        readonly thinkMs: number
        readonly durationMs: number
        readonly asked: readonly Asked[]
      }
    | {
        readonly kind: 'watch'
        readonly run: string
        readonly everyMs: number
        readonly durationMs: number
      }
  )

export interface PeopleResult {
  readonly byWhat: Readonly<Record<string, Spread>>
  readonly all: Spread
  readonly failed: number
  readonly perSecond: number
}

export interface WatchResult {
  /** From sending a response to the whole answer of the metrics that count it. */
  readonly visibleMs: Spread
  /** Of that, from its 201 on. */
  readonly afterAckMs: Spread
  /** Answers that did not count a response of which the 201 had come. */
  readonly stale: number
}

/** Above all that others send, and above all that were sent before. */
let budget = 1_000_000

async function people(job: AskersAsk & { kind: 'people' }): Promise<PeopleResult> {
  const lines = await openLines(job.port, job.people)
  const choices = job.asked.flatMap((asked) => {
    const text = requestText(headOf(asked.method, asked.path, job), asked.body)
    return Array.from({ length: asked.weight }, () => ({ what: asked.what, text }))
  })
  const times = new Map<string, number[]>()
  let failed = 0
  const endMs = performance.now() + job.durationMs
  const person = async (line: Line, number: number): Promise<void> => {
    const next = seeded(number)
    for (;;) {
      const thinkMs = exponential(next, job.thinkMs)
      if (performance.now() + thinkMs >= endMs) return
      await sleep(thinkMs)
      const { what, text } = choices[Math.floor(next() * choices.length)] as (typeof choices)[number]
      const sentMs = performance.now()
      if (statusOf(await line.send(() => text)) !== 200) failed += 1
      times.set(what, [...(times.get(what) ?? []), performance.now() - sentMs])
    }
  }
  await Promise.all(lines.map(person))
  for (const line of lines) line.close()
  const all = [...times.values()].flat()
  return {
    byWhat: Object.fromEntries([...times].map(([what, list]) => [what, spreadOf(list)])),
    all: spreadOf(all),
    failed,
    // Those who would have asked after the end are still thinking then.
    perSecond: (all.length / job.durationMs) * 1_000,
  }
}

async function watch(job: AskersAsk & { kind: 'watch' }): Promise<WatchResult> {
  const [line] = await openLines(job.port, 1)
  if (line === undefined) throw new Error('no connection')
  const submit = headOf('POST', '/api/v2/responses', job)
  const look = requestText(headOf('GET', '/api/v2/analytics/forms/bench/metrics', job), '')
  const visibleMs: number[] = []
  const afterAckMs: number[] = []
  let stale = 0
  const endMs = performance.now() + job.durationMs
  for (let number = 0; performance.now() < endMs; number += 1) {
    await sleep(job.everyMs)
    const sentMs = performance.now()
    // The greatest budget so far: whether it is counted can be told among all that others send meanwhile.
    budget += 1
    const body = submissionBody(job.run, number, preciseNowMs()).replace('"budget":12500', `"budget":${budget}`)
    const sent = statusOf(await line.send(() => requestText(submit, body)))
    const ackMs = performance.now()
    if (sent !== 201) throw new Error(`a response was answered ${sent}`)
    const answer = await line.send(() => look)
    const seenMs = performance.now()
    if (!answer.includes(`"max":${budget}`)) stale += 1
    visibleMs.push(seenMs - sentMs)
    afterAckMs.push(seenMs - ackMs)
  }
  line.close()
  return { visibleMs: spreadOf(visibleMs), afterAckMs: spreadOf(afterAckMs), stale }
}

serveWorker<AskersAsk>({}, (job) => (job.kind === 'people' ? people(job) : watch(job)))
