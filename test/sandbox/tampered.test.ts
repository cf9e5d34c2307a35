/**
 * A guest that has the bridge in its hands: what reading its reports takes is its own CPU time, what no honest one sends is
 * refused unread and has its price.
 */
import { describe, expect, test } from 'vitest'
import { costOf } from '../../core/accounting/cost.ts'
import { LIMITS } from '../../core/limits.ts'
import { until } from '../support/wait.ts'
import { eventRun, onEvent, openBench } from './harness.ts'

/** The text of the run's log becomes what `text` says. `Map.prototype.set` shows it the run. */
const forging = (text: string): string =>
  onEvent(
    `seen.run.logs = [${text}]`,
    `const seen: { run: any } = { run: null }
const set = Map.prototype.set
Map.prototype.set = function (key: any, value: any) {
  if (typeof value === 'object' && value !== null && 'dropped' in value && 'run' in value)
    Object.defineProperty(value, 'run', { get: () => seen.run, set: (run) => { seen.run = run } })
  return set.call(this, key, value)
} as never`,
  )

interface Offence {
  readonly key: string
  readonly what: string
}

const offences = () => {
  const told: Offence[] = []
  return { told, onOffence: (key: string, what: string): void => void told.push({ key, what }) }
}

describe('what is dear to read', () => {
  test.each([
    ['nested', `'['.repeat(7.5e6) + ']'.repeat(7.5e6)`],
    ['of many parts', `'[' + '{},'.repeat(5e6) + '0]'`],
    ['of many names', `'{"a":0' + ',"a":0'.repeat(2e6) + '}'`],
    ['no JSON', `'['.repeat(15e6)`],
    ['longer than any message', `'"' + 'x'.repeat(17e6) + '"'`],
  ])('%s: the run fails, and it costs as an offence', async (_, text) => {
    const { told, onOffence } = offences()
    await using bench = await openBench({}, { onOffence })
    await bench.plugin('forger', forging(text), { limits: { heapMb: 128, sliceMs: 2_000 } })
    const [result] = await bench.sandbox.runBatch('default/forger', [eventRun()])
    expect(result?.error?.code).toBe('plugin_invalid_result')
    expect(result?.error?.message).toMatch(/unreadable|more than any run may/)
    expect(told).toEqual([{ key: 'default/forger', what: 'bridge' }])
    // It is back, and may fail again.
    expect((await bench.sandbox.runEach('default/forger', eventRun())).error?.code).toBe('plugin_invalid_result')
  })

  test('of a size that is still read: its run pays for the reading', async () => {
    await using bench = await openBench()
    const text = `'[' + '{"a":0},'.repeat(150_000) + '0]'`
    await bench.plugin('forger', forging(`cached ??= ${text}`).replace('const seen', 'let cached: string\nconst seen'))
    await bench.plugin('honest', onEvent(`ctx.log.info(cached ??= 'x'.repeat(1_200_000))`, 'let cached: string'))
    const second = async (name: string) => {
      await bench.sandbox.runEach(`default/${name}`, eventRun())
      const result = await bench.sandbox.runEach(`default/${name}`, eventRun())
      expect(result.error).toBeNull()
      return result
    }
    const [dear, cheap] = [await second('forger'), await second('honest')]
    // No machine parses 150,000 objects within 3 ms; what the guest itself does is hand out a text that it has.
    expect(dear.cpuMs - cheap.cpuMs).toBeGreaterThan(3)
    // What is free for a run is not for this.
    expect(dear.readingMs).toBeGreaterThan(2)
    expect(dear.readingMs).toBeLessThan(dear.cpuMs)
    const { input } = eventRun()
    const least = (dear.readingMs * LIMITS.pluginCpuPointsPerSecond) / 1_000
    expect(costOf(input, dear, LIMITS)?.points).toBeGreaterThanOrEqual(least)
    await bench.plugin('short', onEvent(`ctx.log.info('x')`))
    expect(await second('short')).toMatchObject({ readingMs: 0 })
  })
})

test('who floods the hub with calls past its own counter pays as an offender', async () => {
  const { told, onOffence } = offences()
  await using bench = await openBench({}, { onOffence })
  const body = 'for (let n = 0; n < 300; n++) { ctx.kv.get("x").catch(() => {}); seen.run.ops = 0 }'
  await bench.plugin('flood', forging('').replace('seen.run.logs = []', body))
  const result = await bench.sandbox.runEach('default/flood', eventRun())
  expect(result.error?.message).toMatch(/floods the hub/)
  await until('the offence to be told', () => told.length > 0)
  expect(told).toEqual([{ key: 'default/flood', what: 'bridge' }])
})

test('a plugin that patches the built-ins of lists breaks neither its reports nor itself', async () => {
  const { told, onOffence } = offences()
  await using bench = await openBench({}, { onOffence })
  await bench.plugin(
    'patcher',
    onEvent(
      `ctx.log.info('a'); ctx.log.info('b'); ctx.enqueue('post', 1); ctx.enqueue('post', 2)`,
      `for (const name of ['join', 'slice']) (Array.prototype as any)[name] = () => 'nonsense'`,
    ),
  )
  const result = await bench.sandbox.runEach('default/patcher', eventRun())
  expect(result).toMatchObject({ error: null, logs: [{ message: 'a' }, { message: 'b' }] })
  expect(result.effects.enqueue).toMatchObject([{ input: 1 }, { input: 2 }])
  expect(told).toEqual([])
})

test('a mistake of an honest plugin is no offence', async () => {
  const { told, onOffence } = offences()
  await using bench = await openBench({}, { onOffence })
  const rows = `Array.from({ length: 20_000 }, (_, n) => ({ n, name: 'row', text: 'of a table' }))`
  await bench.plugin('large', onEvent(`ctx.enqueue('post', ${rows})`))
  await bench.plugin(
    'deep',
    onEvent(`let all: any = []; for (let n = 0; n < 900; n++) all = [all]; ctx.enqueue('post', all)`),
  )
  for (const name of ['large', 'deep'])
    expect((await bench.sandbox.runEach(`default/${name}`, eventRun())).error?.code).toBe('plugin_invalid_result')
  expect(told).toEqual([])
})
