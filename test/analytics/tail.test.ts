/** Following the log: what the engine does not take stands in nobody's way, and who waits is told. */
import { expect, test } from 'vitest'
import type { LoggedEvent } from '../../core/contract/index.ts'
import { openTail } from '../../plugins/analytics/engine/tail.ts'

const log = Array.from({ length: 9 }, (_, n) => ({ seq: n + 1 }) as LoggedEvent)

test('an event that is not taken is left out alone, and named', async () => {
  const taken: number[] = []
  const said: unknown[] = []
  let applied = 0
  const tail = openTail(
    {
      log: {
        read: async ({ after }) => ({ events: log.filter(({ seq }) => seq > after), next: log.length }),
        head: async () => log.length,
      },
      say: (level, _message, fields) => void said.push([level, fields]),
    },
    {
      applied: () => applied,
      apply: async (events, reached) => {
        if (events.some(({ seq }) => seq === 4 || seq === 9)) throw new Error('not this one')
        taken.push(...events.map(({ seq }) => seq))
        applied = reached
      },
    },
  )
  await tail.reached(log.length)
  expect(taken).toEqual([1, 2, 3, 5, 6, 7, 8])
  expect(said).toEqual([
    ['error', { seq: 4 }],
    ['error', { seq: 9 }],
  ])
  await tail.close()
})

test('where nothing is taken at all, whoever waits is told, and it is tried again', async () => {
  let tries = 0
  const tail = openTail(
    {
      log: { read: async ({ after }) => ({ events: after === 0 ? log : [], next: log.length }), head: async () => 9 },
      say: () => {},
    },
    {
      applied: () => 0,
      apply: async () => {
        tries += 1
        throw new Error('the disk is full')
      },
    },
  )
  await expect(tail.reached(9)).rejects.toThrow('the disk is full')
  await expect(tail.reached(9)).rejects.toThrow('the disk is full')
  expect(tries).toBeGreaterThan(1)
  await tail.close()
})
