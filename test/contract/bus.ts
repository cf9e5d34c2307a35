/** What every bus promises: who listens hears of each event that was committed, once, in the order of the log. */
import { afterEach, describe, expect, test } from 'vitest'
import type { LogEvent, NewEvent } from '../../core/model.ts'
import { until } from '../support/wait.ts'
import { event } from './store/fixtures.ts'

/** One end to commit at and one to listen at; they are the same where there is one process. */
export interface BusPlace {
  /** Commits, then publishes. */
  commit(events: readonly NewEvent[]): Promise<readonly LogEvent[]>
  /** Answers its own undo. */
  listen(listener: (events: readonly LogEvent[]) => void): () => void
  /** Cuts the line between the ends for a moment; nothing where there is none. */
  interrupt(): Promise<void>
  remove(): Promise<void>
}

export interface BusImplementation {
  readonly name: string
  place(): Promise<BusPlace>
}

const some = (count: number): NewEvent[] => Array.from({ length: count }, () => event())
const ids = (events: readonly { readonly id: string }[]): readonly string[] => events.map(({ id }) => id)

/** Runs the contract on one implementation. */
export function busContract(implementation: BusImplementation): void {
  const places: BusPlace[] = []
  const open = async (): Promise<BusPlace> => {
    const place = await implementation.place()
    places.push(place)
    return place
  }
  afterEach(async () => {
    for (const place of places.splice(0)) await place.remove()
  })

  describe(`the bus contract: ${implementation.name}`, () => {
    test('every listener hears each event once, whole and in order', async () => {
      const bus = await open()
      const heard: [LogEvent[], LogEvent[]] = [[], []]
      for (const list of heard) bus.listen((events) => list.push(...events))
      const committed: LogEvent[] = []
      for (const count of [1, 3, 50]) committed.push(...(await bus.commit(some(count))))
      await until('all to be heard', () => heard.every((list) => list.length >= committed.length))
      for (const list of heard) expect(list).toEqual(committed)
    })

    test('events that are committed at the same time are all heard', async () => {
      const bus = await open()
      const heard: LogEvent[] = []
      bus.listen((events) => heard.push(...events))
      const committed = (await Promise.all(Array.from({ length: 20 }, () => bus.commit(some(5))))).flat()
      await until('all to be heard', () => heard.length >= committed.length)
      expect(ids(heard).toSorted()).toEqual(ids(committed).toSorted())
    })

    test('a listener that throws or is gone hurts nobody', async () => {
      const bus = await open()
      const heard: LogEvent[] = []
      const gone: LogEvent[] = []
      bus.listen(() => {
        throw new Error('a bug of the listener')
      })
      const leave = bus.listen((events) => gone.push(...events))
      bus.listen((events) => heard.push(...events))
      leave()
      const committed = await bus.commit(some(2))
      await until('them to be heard', () => heard.length >= 2)
      expect([heard, gone]).toEqual([committed, []])
    })

    test('what is committed while the line is cut is heard when it is there again', async () => {
      const bus = await open()
      const heard: LogEvent[] = []
      bus.listen((events) => heard.push(...events))
      const before = await bus.commit(some(1))
      await until('the first', () => heard.length === 1)
      const [meanwhile] = await Promise.all([bus.commit(some(3)), bus.interrupt()])
      const after = await bus.commit(some(1))
      await until('all of them', () => heard.length >= 5, { timeoutMs: 10_000 })
      expect(ids(heard)).toEqual(ids([...before, ...meanwhile, ...after]))
    })
  })
}
