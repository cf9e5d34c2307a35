/** The ends of attempts are written in groups, again when the store may recover, and never twice. */
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { createFinisher } from '../../core/delivery/finisher.ts'
import { HubError } from '../../core/errors.ts'
import type { Logger } from '../../core/observe/observe.ts'
import type { FinishedAttempt } from '../../core/storage/store.ts'
import { sleep } from '../support/wait.ts'

const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }

function setup(fail: (ids: readonly string[], call: number) => Error | null, onCommitted = (): void => {}) {
  const writes: string[][] = []
  const committed: string[] = []
  let calls = 0
  const finisher = createFinisher({
    store: {
      finishAttempts: async (finished) => {
        const ids = finished.map(({ deliveryId }) => deliveryId)
        const error = fail(ids, ++calls)
        await sleep(1)
        if (error !== null) throw error
        writes.push(ids)
        return { deliveries: [], events: [], refused: [] }
      },
    },
    clock: { ...systemClock, after: (_delayMs, callback) => systemClock.after(1, callback) },
    logger: silent,
    onCommitted,
  })
  const add = (...ids: readonly string[]): void => {
    for (const deliveryId of ids)
      finisher.add({ finished: { deliveryId } as FinishedAttempt, committed: () => committed.push(deliveryId) })
  }
  return { finisher, add, writes, committed }
}

test('what ends while a write is under way goes into the next one', async () => {
  const { finisher, add, writes } = setup(() => null)
  add('a', 'b')
  await sleep(0)
  add('c', 'd', 'e')
  await finisher.settled()
  expect(writes.flat()).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(writes.length).toBeLessThan(4)
  expect(finisher.waiting()).toBe(0)
})

test('a busy or full database is asked again until it takes them, in order', async () => {
  const { finisher, add, writes, committed } = setup((_ids, call) =>
    call < 4 ? new HubError('storage_full', 'full') : null,
  )
  add('a', 'b')
  await finisher.settled()
  expect(writes).toEqual([['a', 'b']])
  expect(committed).toEqual(['a', 'b'])
})

test('one that cannot be written does not keep the others', async () => {
  const { finisher, add, writes, committed } = setup((ids) => (ids.includes('bad') ? new TypeError('no') : null))
  add('a', 'bad', 'b', 'c')
  await finisher.settled()
  expect(writes.flat()).toEqual(['a', 'b', 'c'])
  expect(committed.toSorted()).toEqual(['a', 'b', 'bad', 'c'])
})

test('the ends of one run are never written apart, and one that cannot be written takes only its own run', async () => {
  const { finisher, writes, committed } = setup((ids) => (ids.includes('bad') ? new TypeError('no') : null))
  const entries = [['a'], ['b', 'run_1'], ['c', 'run_1'], ['d', 'run_2'], ['bad', 'run_2'], ['e']] as const
  for (const [deliveryId, batch] of entries) {
    const finished = { deliveryId, ...(batch === undefined ? {} : { batch }) } as FinishedAttempt
    finisher.add({ finished, committed: () => committed.push(deliveryId) })
  }
  await finisher.settled()
  expect(writes.flat()).toEqual(['a', 'b', 'c', 'e'])
  expect(writes).toContainEqual(expect.arrayContaining(['b', 'c']))
  expect(committed.toSorted()).toEqual(['a', 'b', 'bad', 'c', 'd', 'e'])
})

test('a listener that fails does not make it write again', async () => {
  const { finisher, add, writes } = setup(
    () => null,
    () => {
      throw new Error('listener')
    },
  )
  add('a')
  await finisher.settled()
  await sleep(10)
  expect(writes).toEqual([['a']])
})

test('a database that failed for good ends the waiting and keeps what is left', async () => {
  const { finisher, add, committed } = setup(() => new HubError('storage_failed', 'gone'))
  add('a', 'b')
  await finisher.settled()
  expect(finisher.waiting()).toBe(2)
  expect(committed).toEqual([])
})

test('settled waits for what was there, not for what comes later', async () => {
  const { finisher, add, committed } = setup(() => null)
  add('a')
  const settled = finisher.settled()
  let stop = false
  const endless = (async () => {
    for (let n = 0; !stop; n++) {
      add(`later ${n}`)
      await sleep(0)
    }
  })()
  await settled
  expect(committed).toContain('a')
  stop = true
  await endless
})
