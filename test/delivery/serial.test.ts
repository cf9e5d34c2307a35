/** Serial actions: one run at a time, in an installation and among those that share a setting. */
import { expect, test } from 'vitest'
import { sleep } from '../support/wait.ts'
import { openWorld } from './world.ts'
import type { DoublePlugin } from './world.ts'

const answers = (count: number): object[] => Array.from({ length: count }, (_, n) => ({ n }))

test('serial: one run of the action at a time, other actions beside it, and batches as before', async () => {
  let [serial, serialMax, besideMax] = [0, 0, 0]
  const sizes: number[] = []
  const code: DoublePlugin = {
    on: {
      'response.submitted': (event, ctx) => {
        ctx.enqueue('rows', event.data ?? {})
        ctx.enqueue('beside', event.data ?? {})
      },
    },
    actions: {
      rows: async (items) => {
        serialMax = Math.max(serialMax, (serial += 1))
        sizes.push(items.length)
        await sleep(20)
        serial -= 1
        return { outcome: 'delivered' }
      },
      beside: async () => {
        besideMax = Math.max(besideMax, serial)
        await sleep(5)
        return { outcome: 'delivered' }
      },
    },
  }
  const actions = { rows: { serial: true, batch: { max: 10, waitMs: 0 } }, beside: {} }
  await using world = await openWorld({ installations: [{ id: 'sheet', code, concurrency: 8, manifest: { actions } }] })
  await world.submit(...answers(60))
  await world.settled()
  expect(await world.deliveries({ state: 'delivered' })).toHaveLength(120)
  expect([serialMax, besideMax]).toEqual([1, 1])
  expect(Math.max(...sizes)).toBe(10)
})

test('serial by a setting: what installations call the same has one run at a time, and each gets its turn', async () => {
  const running = new Map<string, number>()
  const most = new Map<string, number>()
  const order: string[] = []
  const plugin = (id: string, sheet: string): DoublePlugin => ({
    on: { 'response.submitted': (event, ctx) => ctx.enqueue('rows', event.data ?? {}) },
    actions: {
      rows: async () => {
        running.set(sheet, (running.get(sheet) ?? 0) + 1)
        most.set(sheet, Math.max(most.get(sheet) ?? 0, running.get(sheet) ?? 0))
        order.push(id)
        // Long enough for the other to have all of its own in line.
        await sleep(5)
        running.set(sheet, (running.get(sheet) ?? 0) - 1)
        return { outcome: 'delivered' }
      },
    },
  })
  const config = { type: 'object', required: ['sheet'], properties: { sheet: { type: 'string', pattern: '(\\d+)$' } } }
  const manifest = { actions: { rows: { serial: '@config.sheet' } }, config }
  const of = (id: string, sheet: string, spelling = sheet) => ({
    id,
    code: plugin(id, sheet),
    concurrency: 8,
    manifest,
    config: { sheet: spelling },
  })
  const installations = [of('one', '7'), of('two', '7', 'https://sheets.test/7'), of('other', '8')]
  await using world = await openWorld({ installations })
  await world.submit(...answers(20))
  await world.settled()
  expect(await world.deliveries({ state: 'delivered' })).toHaveLength(60)
  expect(Object.fromEntries(most)).toEqual({ 7: 1, 8: 1 })
  // Both have the same to do: neither is through before the other was at it many times.
  const sharing = order.filter((id) => id !== 'other')
  expect(sharing.slice(0, 30).filter((id) => id === 'one').length).toBeGreaterThanOrEqual(10)
  expect(sharing.slice(0, 30).filter((id) => id === 'two').length).toBeGreaterThanOrEqual(10)
})
