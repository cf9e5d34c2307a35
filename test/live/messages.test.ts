/** When numbers are told to one connection, by a clock that stands until it is moved. */
import { expect, test } from 'vitest'
import { metricMessages } from '../../core/live/messages.ts'
import { LIMITS } from '../../core/limits.ts'
import { openLiveValues } from '../../core/live/values.ts'
import type { Subject } from '../../core/live/values.ts'

test('between two updates of a subject there is never less than their time, whenever the first one came', async () => {
  let nowMs = 950
  let seq = 0
  const event = { type: 'response.submitted', workspace: 'default', formId: 'a', data: '{}' }
  const follow = async function* () {
    for (const atMs of [950, 1_000, 1_400, 1_949, 2_000, 2_020, 2_999, 3_000, 3_700]) {
      nowMs = atMs
      seq += 1
      yield { events: [event], seq }
    }
  }
  const principal = { workspace: 'default' }
  const told = metricMessages(
    {
      live: { feed: { follow } },
      clock: { monotonicMs: () => nowMs },
      limits: LIMITS,
      values: { of: async () => ({ values: { completed: seq }, seq }) },
    } as never,
    { principal, now: async () => principal, afterSeq: 0, signal: new AbortController().signal } as never,
    { area: 'analytics', kind: 'forms', ids: ['a'], isNew: true },
  )
  const sent: number[] = []
  for await (const { type } of told) if (type === 'metric_update') sent.push(nowMs)
  expect(sent).toEqual([950, 2_000, 3_000])
})

test('a subject is asked about once in its time for all who follow it, and what was told too early is told again', async () => {
  let nowMs = 0
  const asked: number[] = []
  const clock = { monotonicMs: () => nowMs } as never
  const values = openLiveValues(
    async () => {
      asked.push(nowMs)
      return { completed: asked.length }
    },
    { clock, limits: LIMITS },
  )
  const subject = { workspace: 'default', area: 'analytics', kind: 'forms', id: 'a' } as unknown as Subject
  // Ten connections, each at a moment of its own, while something comes every 10 ms.
  const seen: number[] = []
  for (let seq = 1; nowMs <= 3_000; nowMs += 100, seq += 10) seen.push(seq - (await values.of(subject, seq)).seq)
  expect(asked).toEqual([0, 1_000, 2_000, 3_000])
  expect([Math.min(...seen), Math.max(...seen)]).toEqual([0, 90])
  expect(await values.of(subject, 1)).toEqual({ values: { completed: 4 }, seq: 301 })
  expect(asked).toHaveLength(4)
})

test('whoever was told of an earlier place is told the rest a time later, though nothing happens any more', async () => {
  let nowMs = 0
  let completed = 1
  const clock = { monotonicMs: () => nowMs }
  const values = openLiveValues(async () => ({ completed }), { clock: clock as never, limits: LIMITS })
  const subject = { workspace: 'default', area: 'analytics', kind: 'forms', id: 'a' } as unknown as Subject
  // Somebody else has asked just before.
  await values.of(subject, 1)
  completed = 2
  const event = { type: 'response.submitted', workspace: 'default', formId: 'a', data: '{}' }
  const follow = async function* () {
    nowMs = 100
    yield { events: [event], seq: 2 }
    nowMs = 1_200
    yield { events: [], seq: 2 }
  }
  const principal = { workspace: 'default' }
  const told = metricMessages(
    { live: { feed: { follow } }, clock, limits: LIMITS, values } as never,
    { principal, now: async () => principal, afterSeq: 0, signal: new AbortController().signal } as never,
    { area: 'analytics', kind: 'forms', ids: ['a'], isNew: true },
  )
  const sent: unknown[] = []
  for await (const { type, metrics, seq } of told) if (type === 'metric_update') sent.push([nowMs, metrics, seq])
  expect(sent).toEqual([
    [100, { completed: 1 }, 0],
    [1_200, { completed: 2 }, 2],
  ])
})

test('a number that time alone changes is told, though nothing happens, to those who follow and to who comes then', async () => {
  const MINUTE_MS = 60_000
  let nowMs = 0
  let asked = 0
  const clock = { monotonicMs: () => nowMs }
  // Midnight is two minutes after the start.
  const ask = async () => {
    asked += 1
    return { completed: 7, today: nowMs < 2 * MINUTE_MS ? 3 : 0 }
  }
  const values = openLiveValues(ask, { clock: clock as never, limits: LIMITS })
  const follow = async function* () {
    for (; nowMs <= 4 * MINUTE_MS; nowMs += LIMITS.liveHeartbeatMs) yield { events: [], seq: 1 }
  }
  const principal = { workspace: 'default' }
  const told = metricMessages(
    { live: { feed: { follow } }, clock, limits: LIMITS, values } as never,
    { principal, now: async () => principal, afterSeq: 1, signal: new AbortController().signal } as never,
    { area: 'analytics', kind: 'forms', ids: ['a'], isNew: true },
  )
  const sent: unknown[] = []
  for await (const { type, metrics } of told) if (type !== 'heartbeat') sent.push([nowMs, type, metrics])
  expect(sent).toEqual([
    [0, 'metric_update', { completed: 7, today: 3 }],
    [2 * MINUTE_MS, 'metric_update', { today: 0 }],
  ])
  expect(asked).toBe(5)
  // At the same place of the log, a minute later: as it is, not as it was.
  const subject = { workspace: 'default', area: 'analytics', kind: 'forms', id: 'b' } as unknown as Subject
  nowMs = 2 * MINUTE_MS - 1
  expect((await values.of(subject, 1)).values).toMatchObject({ today: 3 })
  nowMs = 3 * MINUTE_MS - 2
  expect((await values.of(subject, 1)).values).toMatchObject({ today: 3 })
  nowMs = 3 * MINUTE_MS
  expect((await values.of(subject, 1)).values).toMatchObject({ today: 0 })
})
