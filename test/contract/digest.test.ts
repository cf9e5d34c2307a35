/** What digests are made of, against a clock: a response that is written down late is told, by itself and once. */
import { expect, test } from 'vitest'
import { collectDigest, countForDigest } from 'manifold/plugin'
import type { Json } from 'manifold/plugin'

const MINUTE_MS = 60_000
const EVERY_MINUTES = 10
const EVERY_MS = EVERY_MINUTES * MINUTE_MS

interface Asked {
  readonly input: Json
  readonly atMs: number
}

/** What a run asked for; nobody sees it before it is committed. */
interface Run {
  readonly effects: (() => void)[]
  readonly ctx: never
}

/** As much of a hub as counts: effects that are committed when a test says so, and deliveries that are taken by key. */
function startHub() {
  const kv = new Map<string, unknown>()
  const keys = new Set<string>()
  const due: Asked[] = []
  let counted = 0
  const run = (nowMs: number): Run => {
    const effects: (() => void)[] = []
    const later = (effect: () => void) => void effects.push(effect)
    const ctx = {
      tally: () => later(() => void (counted += 1)),
      tallies: async () => ({ responses: counted }),
      kv: {
        list: async (prefix: string) => ({ keys: [...kv.keys()].filter((key) => key.startsWith(prefix)) }),
        get: async (key: string) => kv.get(key),
        set: (key: string, value: unknown) => later(() => void kv.set(key, value)),
        delete: (key: string) => later(() => void kv.delete(key)),
      },
      enqueue: (_action: string, input: Json, { key, delayMs }: { key: string; delayMs: number }) =>
        later(() => {
          if (keys.has(key)) return
          keys.add(key)
          due.push({ input, atMs: nowMs + delayMs })
        }),
    }
    return { effects, ctx: ctx as never }
  }
  return { run, due, commit: ({ effects }: Run) => effects.forEach((effect) => effect()) }
}

test('what is counted before a digest and committed after it is in the next, though nothing else comes', async () => {
  const hub = startHub()
  const told: number[] = []
  const runDue = async (untilMs: number): Promise<void> => {
    for (;;) {
      const next = hub.due.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) return
      hub.due.splice(hub.due.indexOf(next), 1)
      const run = hub.run(next.atMs)
      const digest = await collectDigest(next.input, run.ctx, { everyMinutes: EVERY_MINUTES, nowMs: next.atMs })
      hub.commit(run)
      if (digest !== null) told.push(digest.count)
    }
  }
  const counting = async (id: string, nowMs: number) => {
    const run = hub.run(nowMs)
    await countForDigest({ id, response: { id: `rsp_${id}` } }, run.ctx, {
      everyMinutes: EVERY_MINUTES,
      responsesMax: 5,
      nowMs,
    })
    return run
  }
  // One is told of in the first digest, which looks again at the end of the second while.
  hub.commit(await counting('1', 0))
  await runDue(EVERY_MS)
  // Another is handled within the second while, and its effects are written down when that look is over.
  const late = await counting('2', 2 * EVERY_MS - 1)
  await runDue(2 * EVERY_MS)
  hub.commit(late)
  await runDue(100 * EVERY_MS)
  expect(told).toEqual([1, 1])
  expect(hub.due).toEqual([])
})
