/** Annotations are remembered between requests, and never one too few or too many once a run's writes are in the store. */
import { expect, test } from 'vitest'
import { Annotations } from '../../plugins/analytics/annotations/annotations.ts'

/** The store, and runs whose writes get there when they are committed. */
function openKv() {
  const stored = new Set<string>()
  let lists = 0
  const run = () => {
    const writes: (() => void)[] = []
    return {
      kv: {
        set: (key: string) => void writes.push(() => void stored.add(key)),
        delete: (key: string) => void writes.push(() => void stored.delete(key)),
        list: async (prefix: string) => {
          lists += 1
          return { keys: [...stored].filter((key) => key.startsWith(prefix)).toSorted(), next: null }
        },
      },
      commit: () => writes.forEach((write) => write()),
    }
  }
  return { run, lists: () => lists }
}

const AT = '2026-11-27T12:00:00.000Z'
const note = (text: string, formId: string | null) => ({ formId, at: AT, until: null, text, writtenAt: AT })

test('the store is asked once, until something is written; then until it says what was written', async () => {
  const { run, lists } = openKv()
  const annotations = new Annotations()
  const texts = async (form: string | null): Promise<string[]> =>
    (await annotations.of(run().kv, form)).map(({ text }) => text)
  expect([await texts('f'), await texts('g'), await texts(null)]).toEqual([[], [], []])
  const once = lists()
  expect([await texts('f'), await texts('g')]).toEqual([[], []])
  expect(lists()).toBe(once)

  const adding = run()
  const { id } = annotations.add(adding.kv, note('of f', 'f'))
  // Asked before it is committed: that there is none is true, and must not be remembered.
  expect([await texts('f'), await texts('f')]).toEqual([[], []])
  adding.commit()
  expect(await texts('f')).toEqual(['of f'])
  const twice = lists()
  expect([await texts('f'), await texts('g'), await texts(null)]).toEqual([['of f'], [], []])
  expect(lists()).toBe(twice)

  const everywhere = run()
  annotations.add(everywhere.kv, note('of all', null))
  everywhere.commit()
  expect(await texts('g')).toEqual(['of all'])

  const removing = run()
  expect(await annotations.remove(removing.kv, id)).toBe(true)
  expect(await texts('f')).toEqual(['of f', 'of all'].toSorted())
  removing.commit()
  expect(await texts('f')).toEqual(['of all'])
})

test('what was read while something was written is not remembered', async () => {
  const { run } = openKv()
  const annotations = new Annotations()
  const reading = run()
  const gate = Promise.withResolvers<void>()
  const slow = {
    list: async (prefix: string) => {
      const found = await reading.kv.list(prefix)
      await gate.promise
      return found
    },
  }
  const early = annotations.of(slow, 'f')
  const adding = run()
  annotations.add(adding.kv, note('late', 'f'))
  adding.commit()
  gate.resolve()
  expect(await early).toEqual([])
  expect((await annotations.of(run().kv, 'f')).map(({ text }) => text)).toEqual(['late'])
})

test('those of a form that is gone go with it', async () => {
  const { run } = openKv()
  const annotations = new Annotations()
  const adding = run()
  annotations.add(adding.kv, note('one', 'f'))
  annotations.add(adding.kv, note('two', 'f'))
  adding.commit()
  expect(await annotations.of(run().kv, 'f')).toHaveLength(2)
  const dropping = run()
  await annotations.drop(dropping.kv, 'f', AT)
  dropping.commit()
  expect(await annotations.of(run().kv, 'f')).toEqual([])
})

test('a write that the hub refused does not keep a time line from being remembered, and is itself forgotten', async () => {
  const { run, lists } = openKv()
  let nowMs = 0
  const annotations = new Annotations(() => nowMs)
  annotations.add(run().kv, note('never committed', 'f'))
  annotations.add(run().kv, note('of a form that nobody looks at', 'unread'))
  const asked = async (): Promise<number> => {
    const before = lists()
    expect(await annotations.of(run().kv, 'f')).toEqual([])
    return lists() - before
  }
  // The time line of all forms is known after the first time; that of the form may still come.
  expect([await asked(), await asked(), annotations.unsettled]).toEqual([2, 1, 2])
  nowMs = 3_600_000
  expect([await asked(), await asked(), annotations.unsettled]).toEqual([1, 0, 0])
})
