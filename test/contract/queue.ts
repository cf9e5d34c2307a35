/** What every queue promises: each lane alone, nothing forgotten, everybody's turn, a restart that loses no wake-up. */
import { describe, expect, test } from 'vitest'
import type { Lane, LaneKind, LaneWorker, Queue } from '../../core/queue/queue.ts'
import { sleep, until } from '../support/wait.ts'

/** One place where a queue keeps what it keeps; opened again, it is the same queue after a restart. */
export interface QueuePlace {
  /** `lanes`: those that exist, as the registry would name them at a start. */
  open(lanes: readonly Lane[]): Promise<Queue>
  remove(): Promise<void>
}

export interface QueueImplementation {
  readonly name: string
  readonly place: () => Promise<QueuePlace>
}

const lane = (installation: string, kind: LaneKind = 'pump'): Lane => ({ kind, workspace: 'default', installation })

/** Runs the contract on one implementation. */
export function queueContract(implementation: QueueImplementation): void {
  const using = async (use: (open: (lanes?: readonly Lane[]) => Promise<Queue>) => Promise<void>): Promise<void> => {
    const place = await implementation.place()
    const opened: Queue[] = []
    try {
      await use(async (lanes = []) => {
        const queue = await place.open(lanes)
        opened.push(queue)
        return queue
      })
    } finally {
      for (const queue of opened) await queue.stop()
      await place.remove()
    }
  }

  describe(`the queue contract: ${implementation.name}`, () => {
    test('a lane that is woken is worked, one that is not is left alone', () =>
      using(async (open) => {
        const queue = await open()
        const worked: string[] = []
        await queue.start(async ({ kind, installation }) => (worked.push(`${kind} ${installation}`), null))
        queue.wake(lane('a'))
        queue.wake(lane('a', 'deliver'))
        await until('both', () => worked.length === 2)
        await sleep(60)
        expect(worked.sort()).toEqual(['deliver a', 'pump a'])
      }))

    test('what is woken before the start is worked after it', () =>
      using(async (open) => {
        const queue = await open()
        queue.wake(lane('early'))
        const worked: string[] = []
        await queue.start(async ({ installation }) => (worked.push(installation), null))
        await until('the early one', () => worked.includes('early'))
      }))

    test('never twice at the same time for one lane; a wake-up meanwhile means once more, however often', () =>
      using(async (open) => {
        const queue = await open()
        let running = 0
        let runningMax = 0
        let runs = 0
        let letGo: () => void = () => {}
        const gate = new Promise<void>((resolve) => {
          letGo = resolve
        })
        await queue.start(async () => {
          runningMax = Math.max(runningMax, ++running)
          runs += 1
          if (runs === 1) await gate
          running -= 1
          return null
        })
        queue.wake(lane('a'))
        await until('the first run', () => runs === 1)
        for (let n = 0; n < 50; n++) queue.wake(lane('a'))
        letGo()
        await until('the second run', () => runs === 2)
        await sleep(60)
        expect([runs, runningMax]).toEqual([2, 1])
      }))

    test('different lanes do not wait for each other', () =>
      using(async (open) => {
        const queue = await open()
        let letGo: () => void = () => {}
        const gate = new Promise<void>((resolve) => {
          letGo = resolve
        })
        const worked: string[] = []
        await queue.start(async ({ installation }) => {
          if (installation === 'slow') await gate
          worked.push(installation)
          return null
        })
        queue.wake(lane('slow'))
        queue.wake(lane('quick'))
        await until('the quick one', () => worked.includes('quick'))
        expect(worked).toEqual(['quick'])
        letGo()
        await until('the slow one', () => worked.includes('slow'))
      }))

    test('a lane that always has more to do leaves the others their turn', () =>
      using(async (open) => {
        const queue = await open()
        const worked: string[] = []
        await queue.start(async ({ installation }) => {
          worked.push(installation)
          return installation === 'greedy' && worked.length < 2_000 ? Date.now() : null
        })
        queue.wake(lane('greedy'))
        await until('a start', () => worked.length > 3)
        queue.wake(lane('modest'))
        await until('the modest one', () => worked.includes('modest'))
      }))

    test('a time is waited for, and the earliest of several wins', () =>
      using(async (open) => {
        const queue = await open()
        const workedAtMs: number[] = []
        await queue.start(async () => (workedAtMs.push(Date.now()), null))
        const beginMs = Date.now()
        queue.wake(lane('a'), beginMs + 60_000)
        queue.wake(lane('a'), beginMs + 150)
        queue.wake(lane('a'), beginMs + 90_000)
        await until('its time', () => workedAtMs.length > 0)
        expect((workedAtMs[0] ?? 0) - beginMs).toBeGreaterThanOrEqual(145)
      }))

    test('what the worker answers is when it is called again', () =>
      using(async (open) => {
        const queue = await open()
        let runs = 0
        await queue.start(async () => (++runs < 4 ? Date.now() + 10 : null))
        queue.wake(lane('a'))
        await until('four runs', () => runs === 4)
        await sleep(60)
        expect(runs).toBe(4)
      }))

    test('a throw is tried again, and hurts no other lane', () =>
      using(async (open) => {
        const queue = await open()
        const worked: string[] = []
        let failures = 0
        const worker: LaneWorker = async ({ installation }) => {
          if (installation === 'broken' && ++failures < 3) throw new Error('not yet')
          worked.push(installation)
          return null
        }
        await queue.start(worker)
        queue.wake(lane('broken'))
        queue.wake(lane('whole'))
        await until('the whole one', () => worked.includes('whole'))
        await until('the broken one', () => worked.includes('broken'))
        expect(failures).toBe(3)
      }))

    test('a dropped lane is not worked any more', () =>
      using(async (open) => {
        const queue = await open()
        const worked: string[] = []
        await queue.start(async ({ installation }) => (worked.push(installation), null))
        queue.wake(lane('gone'), Date.now() + 50)
        queue.wake(lane('there'), Date.now() + 100)
        queue.drop(lane('gone'))
        await until('the other', () => worked.includes('there'))
        expect(worked).toEqual(['there'])
      }))

    test('depth counts what waits, by kind', () =>
      using(async (open) => {
        const queue = await open()
        queue.wake(lane('a'))
        queue.wake(lane('b', 'deliver'), Date.now() + 60_000)
        queue.wake(lane('c', 'deliver'), Date.now() + 60_000)
        expect(queue.depth()).toEqual({ pump: 1, deliver: 2, schedule: 0 })
      }))

    test('stop waits for what runs and calls nobody after', () =>
      using(async (open) => {
        const queue = await open()
        let ended = 0
        let started = 0
        await queue.start(async () => {
          started += 1
          await sleep(50)
          ended += 1
          return Date.now()
        })
        queue.wake(lane('a'))
        await until('the run', () => started === 1)
        await queue.stop()
        expect(ended).toBe(1)
        queue.wake(lane('a'))
        await sleep(60)
        expect(started).toBe(1)
      }))

    test('no wake-up is lost with a process: after a restart every lane that was asked for is worked', () =>
      using(async (open) => {
        const lanes = [lane('a'), lane('b', 'deliver'), lane('c', 'schedule')]
        const before = await open(lanes)
        before.wake(lane('a'), Date.now() + 50)
        before.wake(lane('b', 'deliver'), Date.now() + 50)
        before.wake(lane('c', 'schedule'))
        await before.stop()
        const after = await open(lanes)
        const worked = new Set<string>()
        await after.start(async ({ installation }) => (worked.add(installation), null))
        await until('all three', () => worked.size === 3)
      }))
  })
}
