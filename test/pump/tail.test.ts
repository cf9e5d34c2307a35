/** Following the log: what others wrote is told once, in order, and nothing of one's own twice. */
import { expect, test } from 'vitest'
import type { LogEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { createTail } from '../../core/pump/tail.ts'
import { until } from '../support/wait.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }

/** A log that others write, too, and what was told of it. */
function follow(before = 0) {
  const log: LogEvent[] = []
  const told: number[] = []
  const grown: number[] = []
  let reads = 0
  let broken = false
  const append = (count: number): readonly LogEvent[] => {
    const from = log.length
    for (let seq = from + 1; seq <= from + count; seq++) {
      const id = `evt_${seq}`
      const rest = { workspace: 'w', type: 'x', at: '', formId: null, responseId: null, hops: 0 }
      log.push({ ...rest, seq, id, data: null, meta: '{}', response: null })
    }
    return log.slice(from)
  }
  append(before)
  const tail = createTail({
    store: {
      headSeq: async () => log.length,
      readEvents: async ({ afterSeq, limit }) => {
        reads += 1
        await Promise.resolve()
        if (broken) throw new Error('no database')
        return log.slice(afterSeq, afterSeq + limit)
      },
    },
    publish: (events) => told.push(...events.map(({ seq }) => seq)),
    grown: (head) => grown.push(head),
    logger: quiet,
  })
  const breakDown = (is: boolean): void => {
    broken = is
  }
  return { tail, append, told, grown, reads: () => reads, breakDown }
}

test('tells what others wrote from the start on, in order, once', async () => {
  const { tail, append, told, grown } = follow(5)
  await tail.start()
  append(2_500)
  tail.reach(2_505)
  tail.reach(2_505)
  await until('all to be told', () => told.length === 2_500)
  expect(told).toEqual(Array.from({ length: 2_500 }, (_, i) => i + 6))
  // Whoever follows the bus has all of it, and need not read.
  expect(grown).toEqual([])
})

test('its own are told at once and not again, and cost no reading when nobody else wrote', async () => {
  const { tail, append, told, reads } = follow()
  await tail.start()
  tail.own(append(3))
  tail.reach(3)
  tail.own(append(2))
  tail.reach(5)
  expect([told, reads()]).toEqual([[1, 2, 3, 4, 5], 0])
})

test('its own between those of others are told once, whatever comes first', async () => {
  const { tail, append, told } = follow()
  await tail.start()
  append(2)
  const own = append(1)
  append(1)
  tail.own(own)
  tail.reach(4)
  await until('the others', () => told.length === 4)
  expect(told.toSorted()).toEqual([1, 2, 3, 4])
  expect(told[0]).toBe(3)
})

test('what it committed before it began to follow is not told again', async () => {
  const { tail, append, told } = follow()
  tail.own(append(2))
  await tail.start()
  append(1)
  tail.reach(3)
  await until('the third', () => told.length === 3)
  expect(told).toEqual([1, 2, 3])
})

test('a reading that fails is made up for by the next news', async () => {
  const { tail, append, told, grown, breakDown } = follow()
  await tail.start()
  breakDown(true)
  append(1)
  tail.reach(1)
  await until('readers to be told that there is more', () => grown.length === 1)
  expect([told, grown]).toEqual([[], [1]])
  breakDown(false)
  tail.reach(1)
  await until('it after all', () => told.length === 1)
})

test('news that comes while it reads is read, too', async () => {
  const { tail, append, told } = follow()
  await tail.start()
  append(1)
  tail.reach(1)
  append(1)
  tail.reach(2)
  await until('both', () => told.length === 2)
})

test('very far behind it tells the newest only: the log itself is there for the rest', async () => {
  const { tail, append, told, grown } = follow()
  await tail.start()
  append(25_000)
  tail.reach(25_000)
  await until('the end of the log', () => told.at(-1) === 25_000)
  expect(told).toHaveLength(10_000)
  expect(grown).toEqual([25_000])
})
