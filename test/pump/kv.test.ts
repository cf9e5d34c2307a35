/** Memory of plugins: what a handler reads is what the events before it wrote, in the same batch too. */
import { expect, test } from 'vitest'
import { openWorld } from '../delivery/world.ts'
import type { DoublePlugin } from '../delivery/world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))

const counter: DoublePlugin = {
  on: {
    'response.submitted': async (event, ctx) => {
      const key = `count.${JSON.stringify(event.data?.['key'] ?? 'all').replaceAll('"', '')}`
      ctx.kv.set(key, Number((await ctx.kv.get(key)) ?? 0) + 1)
    },
  },
}

test('read-modify-write inside a batch sees what earlier events of it wrote', async () => {
  await using world = await openWorld({ installations: [{ id: 'a', code: counter }] })
  await world.submit(...answers(60))
  await world.caughtUp()
  expect(
    await world.store.kvGet({ workspace: 'default', installation: 'a', key: 'count.all', nowMs: Date.now() }),
  ).toBe('60')
})

test('what a refused run wrote is not there for those behind it', async () => {
  const spoiled: DoublePlugin = {
    on: {
      'response.submitted': async (event, ctx) => {
        ctx.kv.set('count', Number((await ctx.kv.get('count')) ?? 0) + 1)
        // No name of an event: the hub refuses the whole run.
        if (event.data?.['n'] === 0) ctx.emit('Not A Name', {})
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code: spoiled }] })
  await world.submit(...answers(5))
  await world.caughtUp()
  const query = { workspace: 'default', installation: 'a', key: 'count', nowMs: Date.now() }
  expect(await world.store.kvGet(query)).toBe('4')
  expect(await world.deliveries()).toMatchObject([{ kind: 'handler', state: 'dead', errorCode: 'capability_input' }])
})

test('runs that do not touch each other go together', async () => {
  await using world = await openWorld({ installations: [{ id: 'a', code: counter }] })
  await world.submit(...answers(40).map((_, n) => ({ key: `k${n}` })))
  await world.caughtUp()
  // The first is small, since nobody knows yet how long the handler takes.
  expect(world.sandbox.crossings).toEqual([16, 24])
  expect(
    (
      await world.store.kvList({
        workspace: 'default',
        installation: 'a',
        prefix: 'count.',
        after: null,
        limit: 100,
        nowMs: Date.now(),
      })
    ).keys,
  ).toHaveLength(40)
})

test('a list sees what earlier events of the batch set', async () => {
  const lists: number[] = []
  const code: DoublePlugin = {
    on: {
      'response.submitted': async (event, ctx) => {
        const { keys } = (await ctx.kv.list('seen.')) as { keys: string[] }
        lists.push(keys.length)
        ctx.kv.set(`seen.${JSON.stringify(event.data?.['n'])}`, true)
      },
    },
  }
  await using world = await openWorld({ installations: [{ id: 'a', code }] })
  await world.submit(...answers(5))
  await world.caughtUp()
  // Runs whose view was old were run again; the last time each saw all before it.
  expect(new Set(lists)).toEqual(new Set([0, 1, 2, 3, 4]))
  expect(lists.at(-1)).toBe(4)
})
