/** A guest that took over its half of the bridge, by a poisoned built-in, in a real isolate: what it can make of that. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import type { RunResult } from '../../core/sandbox/sandbox.ts'
import { frame } from './frames.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { attributedTo, openStage, type Stage } from './stage.ts'
import { takeOver } from './take-over.ts'

let stage: Stage
/** CPU that no run paid for. */
const beside: { readonly key: string; readonly cpuMs: number; readonly where: string }[] = []
beforeAll(async () => {
  stage = await openStage({}, { onCpu: (key, cpuMs, where) => void beside.push({ key, cpuMs, where }) })
})
afterAll(() => stage[Symbol.asyncDispose]())

const LIMITS = { sliceMs: 200, cpuMs: 200, eventWallMs: 300 }

const FAILED = { enqueue: [], kv: [], emit: [], tally: [], metric: [] }

function expectSound({ error, effects }: RunResult, told: string): void {
  if (error === null) return
  expect(error, told).toBeInstanceOf(HubError)
  expect(error, told).toMatchObject(attributedTo('forger'))
  expect(effects, told).toEqual(FAILED)
}

test('generated frames out of a real isolate: the hub stands, the run ends with a name, nobody else feels it', async () => {
  const roll = dice('forged')
  await stage.puppet('forger', { limits: LIMITS })
  await stage.puppet('twin', { limits: LIMITS })
  let failed = 0
  for (let n = 0; n < rounds(45); n++) {
    const text = frame(roll, { lane: 777, run: 0 })
    const told = `${SEEDED} frame ${n}: ${text.slice(0, 500)}`
    const inner = JSON.stringify(text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : `${text},`)
    const result = await stage.play(
      'forger',
      `${takeOver(`(honest, lane) => ${inner}.replaceAll('777', lane)`)}\nctx.enqueue('act', 1)`,
    )
    expectSound(result, told)
    if (result.error !== null) failed += 1
    const twin = await stage.play(
      'twin',
      `ctx.enqueue('act', { n: ${n} }); ctx.log.info(await ctx.kv.get('x').then((x) => x.body))`,
    )
    expect(twin, told).toMatchObject({
      error: null,
      effects: { enqueue: [{ input: { n } }] },
      logs: [{ message: 'v' }],
    })
    // A fresh isolate for the next, whatever this one is by now.
    if (n % 3 === 2) await stage.puppet('forger', { limits: LIMITS })
  }
  expect(failed, SEEDED).toBeGreaterThan(5)
  expect(
    stage.bench.log.filter(({ level }) => level === 'error'),
    SEEDED,
  ).toEqual([])
})

test('answers come only to the run that asked, whoever claims a call', async () => {
  await stage.puppet('forger', { limits: LIMITS })
  // Asks in the name of runs and lanes around its own.
  const forge = `(honest, lane) => [-2, -1, 0, 1, 2].flatMap((by) => [0, 1].map((r) => '{"l":' + (lane + by) + ',"r":' + r + ',"c":' + (50 + by) + ',"n":"kv.get","a":{"key":"stolen"}}')).join() + ',' + honest`
  const asked: string[] = []
  const honest = Array.from({ length: 4 }, (_, n) =>
    stage.play(
      'neighbour-of-forger',
      `ctx.log.info(String(await ctx.kv.get('mine-${n}')))`,
      async (_name, args) => (args as { key: string }).key,
    ),
  )
  const forger = stage.play('forger', `${takeOver(forge)}\nawait ctx.kv.get('own')`, async (name, args) => {
    asked.push(`${name} ${(args as { key: string }).key}`)
    return 'x'
  })
  const [result, ...others] = await Promise.all([
    forger,
    ...honest.map((each) => each.catch((error: unknown) => error)),
  ])
  expectSound(result, SEEDED)
  // One forged call went through as its own; none was made for a lane or run that is not its.
  expect(asked.filter((each) => each === 'kv.get stolen').length).toBeLessThanOrEqual(1)
  for (const other of others) expect(other).toBeInstanceOf(Error)
  expect(await stage.neighbour(7)).toEqual({ n: 7, got: 'v' })
})

test('CPU time is not made cheaper by reports of runs that never were', async () => {
  await stage.puppet('forger', { limits: { ...LIMITS, eventWallMs: 8_000 } })
  const ends = `(honest, lane) => honest + (',{"l":' + lane + ',"r":99}').repeat(5000)`
  const busy = `for (let n = 0; n < 60; n++) { const end = Date.now() + 60; while (Date.now() < end); await new Promise((ok) => setTimeout(ok, 1)); await ctx.kv.get('x') }`
  const { error, cpuMs } = await stage.play('forger', `${takeOver(ends)}\n${busy}`)
  expect(error).toMatchObject({ code: 'plugin_cpu', ...attributedTo('forger') })
  expect(cpuMs).toBeLessThan(1_500)
})

test('a guest that has itself woken for runs that are over is stopped, and told of', async () => {
  await stage.puppet('forger', { limits: LIMITS })
  const before = stage.bench.log.length
  const told = beside.length
  // The header of a drain is an object that is turned into text: with this it asks to be woken for ever.
  await stage.play(
    'forger',
    `const lane = 987654; const filter = Array.prototype.filter
    Array.prototype.filter = function (...args) { if (globalThis.isBusy) { const end = Date.now() + 80; while (Date.now() < end); } return Reflect.apply(filter, this, args) }
    const size = Object.getOwnPropertyDescriptor(Map.prototype, 'size')
    Object.defineProperty(Map.prototype, 'size', { get() { return Math.max(1, Reflect.apply(size.get, this, [])) }, configurable: true })
    Object.defineProperty(Object.prototype, 'toJSON', { value() { return 'w' in this ? { w: [[lane, 1]] } : this }, configurable: true })
    globalThis.isBusy = true`,
  )
  await expect
    .poll(() => stage.bench.log.slice(before), { timeout: 10_000 })
    .toContainEqual({
      level: 'warn',
      fields: { plugin: 'forger', version: '1.2.3', installation: 'default/forger', code: 'plugin_cpu' },
      message: expect.stringContaining('code of ended runs'),
    })
  const spent = beside.slice(told).filter(({ key, where }) => key === 'default/forger' && where === 'ended runs')
  expect(spent.reduce((sum, { cpuMs }) => sum + cpuMs, 0)).toBeGreaterThan(LIMITS.cpuMs)
  expect(await stage.neighbour(8)).toEqual({ n: 8, got: 'v' })
})
