/** Following the log: what the engine does not take stands in nobody's way, and who waits is told. */
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { LoggedEvent } from '../../core/contract/index.ts'
import { openTail } from '../../plugins/analytics/engine/tail.ts'
import { until } from '../support/wait.ts'

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
      lost: () => {},
    },
    {
      applied: () => applied,
      apply: async (events, reached) => {
        if (events.some(({ seq }) => seq === 4 || seq === 9)) throw new Error('Conversion Error: not this one')
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
      lost: () => {},
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

test.each([
  'TransactionContext Error: Failed to commit: failed to pin block of size 256.0 KiB',
  'IO Error: no space left',
])('what fails for want of something is tried again, and nothing is left out: %s', async (message) => {
  const taken: number[] = []
  let applied = 0
  let failures = 6
  const tail = openTail(
    {
      log: {
        read: async ({ after }) => ({ events: log.filter(({ seq }) => seq > after), next: log.length }),
        head: async () => log.length,
      },
      say: () => {},
      lost: () => {},
    },
    {
      applied: () => applied,
      // The place alone takes no room.
      apply: async (events, reached) => {
        if (events.length > 0 && failures-- > 0) throw new Error(message)
        taken.push(...events.map(({ seq }) => seq))
        applied = reached
      },
    },
  )
  await until('all of it to be taken', () =>
    tail.reached(log.length).then(
      () => true,
      () => false,
    ),
  )
  expect(taken).toEqual(log.map(({ seq }) => seq))
  await tail.close()
})

test('what comes one after the other is written at once, as soon as somebody waits for it', async () => {
  // Nobody is woken by the clock here.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const writes: number[][] = []
    let head = 1
    let applied = 0
    const tail = openTail(
      {
        log: {
          read: async ({ after }) => ({ events: log.slice(after, head), next: head }),
          head: async () => head,
        },
        say: () => {},
        lost: () => {},
      },
      {
        applied: () => applied,
        apply: async (events, reached) => {
          writes.push(events.map(({ seq }) => seq))
          applied = reached
        },
      },
    )
    await tail.reached(1)
    for (const seq of [2, 3, 4]) {
      head = seq
      tail.poke()
      for (let n = 0; n < 5; n += 1) await turn()
    }
    await tail.reached(4)
    expect(writes).toEqual([[1], [2, 3, 4]])
    await tail.close()
  } finally {
    vi.useRealTimers()
  }
})
