/** What the sandbox tells of the use that runs make of it, and how a unit is put where it harms nobody. */
import { getPriority } from 'node:os'
import { describe, expect, test } from 'vitest'
import { until } from '../support/wait.ts'
import { eventRun, onEvent, openBench } from './harness.ts'
import type { Bench } from './harness.ts'

const MB = 1_048_576
const unitOf = (bench: Bench, name: string) => bench.sandbox.stats().units.find(({ key }) => key === `default/${name}`)

test('a run says how often it asked the hub for something, requests apart', async () => {
  await using bench = await openBench()
  await bench.plugin(
    'asks',
    onEvent(
      `await ctx.kv.get('a'); await ctx.kv.get('b'); await ctx.http({ url: 'https://x.example' }); ctx.tally('t')`,
    ),
  )
  const answer = { status: 200, headers: {}, body: '', truncated: false }
  const run = eventRun({}, async (name) => (name === 'http' ? answer : 1))
  expect(await bench.sandbox.runEach('default/asks', run)).toMatchObject({ error: null, hostOps: 2, httpCalls: 1 })
})

test('the heap of each isolate is measured between runs: the last size and the largest', async () => {
  await using bench = await openBench()
  await bench.plugin(
    'holds',
    onEvent(`kept = event.data.hold ? new Uint8Array(12 * ${MB}).fill(1) : null`, 'let kept: unknown'),
  )
  await bench.plugin('idle', onEvent(''))
  await bench.sandbox.runEach('default/holds', eventRun({ hold: true }))
  await until('the buffer to be seen', () => (unitOf(bench, 'holds')?.heapBytes ?? 0) > 12 * MB)
  const idle = await until('the other to be measured', () => unitOf(bench, 'idle')?.heapBytes)
  expect(idle).toBeLessThan(6 * MB)
  await bench.sandbox.runEach('default/holds', eventRun({ hold: false }))
  expect(unitOf(bench, 'holds')?.heapPeakBytes).toBeGreaterThan(12 * MB)
  const [child] = bench.sandbox.stats().children
  await until('the process to be measured', () => unitOf(bench, 'idle')?.processRssBytes === child?.rssBytes)
})

test('CPU of a run that was cut off is told with its failure', async () => {
  await using bench = await openBench()
  await bench.plugin('loop', onEvent(`if (event.data.bad) for (;;);`), { limits: { sliceMs: 200 } })
  const result = await bench.sandbox.runEach('default/loop', eventRun({ bad: true }))
  expect(result.error?.code).toBe('plugin_cpu')
  // A busy machine gives it less than the whole slice.
  expect(result.cpuMs).toBeGreaterThan(20)
})

test('code that cannot be loaded is told of its installation each time, with what it took', async () => {
  const told: unknown[] = []
  await using bench = await openBench(
    {},
    {
      onCpu: (key, cpuMs, where) => void told.push([key, where, cpuMs > 20]),
      onOffence: (key, what) => void told.push([key, what]),
    },
  )
  const loads = `const end = Date.now() + 60; while (Date.now() < end);\nthrow new Error('not today')`
  const unit = await bench.unit('throws', onEvent('', loads))
  for (const _ of [1, 2])
    await expect(bench.sandbox.load(unit)).rejects.toMatchObject({
      code: 'plugin_load',
      message: expect.stringContaining('not today'),
    })
  const once = [
    ['default/throws', 'loading', true],
    ['default/throws', 'load'],
  ]
  expect(told).toEqual([...once, ...once])
})

describe('CPU of a slice that broke a limit', () => {
  const open = async () => {
    const beside: { key: string; cpuMs: number; where: string }[] = []
    const bench = await openBench({}, { onCpu: (key, cpuMs, where) => void beside.push({ key, cpuMs, where }) })
    const body = `if (event.data.bad) for (;;); const end = Date.now() + 10; while (Date.now() < end); await ctx.kv.get('x')`
    await bench.plugin('loop', onEvent(body), { limits: { sliceMs: 100 } })
    return { bench, ofBroken: () => beside.filter(({ where }) => where !== 'loading') }
  }
  const never = () => eventRun({}, () => new Promise<never>(() => {}))
  const bad = () => eventRun({ bad: true })

  test('is told of the installation where several runs took part in it', async () => {
    const { bench, ofBroken } = await open()
    await using _ = bench
    const results = await Promise.all([bad(), bad()].map((run) => bench.sandbox.runEach('default/loop', run)))
    expect(results.map(({ error }) => error?.code)).toEqual(['plugin_interrupted', 'plugin_interrupted'])
    expect(ofBroken()).toEqual([{ key: 'default/loop', cpuMs: expect.any(Number), where: 'broken runs' }])
    expect(ofBroken()[0]?.cpuMs).toBeGreaterThan(0)
  })

  test('is that of one slice: code that goes on while it is asked what it said gets no second one', async () => {
    await using bench = await openBench()
    // What ends while it loops on its own leaves the microtask: that runs behind the question. (Ended within a microtask, V8
    // throws away all that wait.)
    const body = `void Promise.resolve().then(() => { for (;;); }); for (;;);`
    await bench.plugin('again', onEvent(body), { limits: { sliceMs: 800, cpuMs: 5_000 } })
    const { error, cpuMs } = await bench.sandbox.runEach('default/again', eventRun())
    expect(error?.code).toBe('plugin_cpu')
    expect(cpuMs).toBeLessThan(2 * 800 - 200)
  })

  test('is told once for a batch, and again with the run that is found out', async () => {
    const { bench, ofBroken } = await open()
    await using _ = bench
    const fine = () => eventRun({}, async () => 1)
    const results = await bench.sandbox.runBatch('default/loop', [bad(), fine()])
    expect(results.map(({ error }) => error?.code)).toEqual(['plugin_cpu', undefined])
    expect(results[0]?.cpuMs).toBeGreaterThan(0)
    expect(ofBroken()).toMatchObject([{ where: 'broken runs' }])
  })

  test('what its neighbours had used before is told with their interruption', async () => {
    const { bench, ofBroken } = await open()
    await using _ = bench
    const waiting = bench.sandbox.runEach('default/loop', never())
    const batch = bench.sandbox.runBatch('default/loop', [never()])
    // Both have handed something over when a third one, told later, answers.
    await new Promise<void>((resolve) => {
      void bench.sandbox.runEach(
        'default/loop',
        eventRun({}, async () => {
          resolve()
          return new Promise<never>(() => {})
        }),
      )
    })
    const culprit = await bench.sandbox.runEach('default/loop', bad())
    expect(culprit.error?.code).toBe('plugin_cpu')
    for (const result of [await waiting, ...(await batch)]) {
      expect(result.error?.code).toBe('plugin_interrupted')
      expect(result.cpuMs).toBeGreaterThan(0)
    }
    expect(ofBroken()).toEqual([])
  })
})

test('CPU of loading is told; honest runs leave none behind that would have to be', async () => {
  const beside: { key: string; cpuMs: number; where: string }[] = []
  const onCpu = (key: string, cpuMs: number, where: string): void => void beside.push({ key, cpuMs, where })
  await using bench = await openBench({}, { onCpu })
  const busy = 'const end = Date.now() + 400; while (Date.now() < end);'
  await bench.plugin('slow', onEvent('', busy))
  await bench.plugin(
    'fast',
    onEvent(`await ctx.kv.get('a'); ctx.log.info('x'); await new Promise((ok) => setTimeout(ok, 1))`),
  )
  expect(beside.map(({ key, where }) => `${key} ${where}`)).toEqual(['default/slow loading', 'default/fast loading'])
  // A busy machine gives it less than all of that time.
  expect(beside[0]?.cpuMs).toBeGreaterThan(60)
  expect(beside[0]?.cpuMs).toBeGreaterThan((beside[1]?.cpuMs ?? 0) + 20)
  const runs = Array.from({ length: 40 }, () => eventRun({}, async () => 1))
  const [batch, ...single] = await Promise.all([
    bench.sandbox.runBatch('default/fast', runs.slice(0, 20)),
    ...runs.slice(20).map((run) => bench.sandbox.runEach('default/fast', run)),
  ])
  for (const { error } of [...batch, ...single]) expect(error).toBeNull()
  expect(beside).toHaveLength(2)
})

test('who makes it necessary to kill a process is named, and only then', async () => {
  const killed: string[] = []
  await using bench = await openBench({}, { onOffence: (key, what) => void killed.push(`${key} ${what}`) })
  await bench.plugin('loop', onEvent(`if (event.data.bad) for (;;);`), { limits: { sliceMs: 100 } })
  await bench.plugin('near', onEvent(''))
  expect((await bench.sandbox.runEach('default/loop', eventRun({ bad: true }))).error?.code).toBe('plugin_cpu')
  expect(killed).toEqual([])
  await bench.plugin('stuck', onEvent(`if (event.data.bad) { let n = 3n; for (;;) n *= n }`), {
    limits: { sliceMs: 100 },
  })
  const [run] = await bench.sandbox.runBatch('default/stuck', [eventRun({ bad: true })])
  expect(run?.error).not.toBeNull()
  await until('the kill to be told', () => killed.length > 0)
  expect(new Set(killed)).toEqual(new Set(['default/stuck killed']))
})

test('who is put apart gets a process of its own that gives way, runs there as before, and comes back', async () => {
  await using bench = await openBench()
  await bench.plugin('heavy', onEvent(`ctx.log.info('fine')`))
  await bench.plugin('near', onEvent(`ctx.log.info('fine')`))
  const groups = () =>
    bench.sandbox
      .stats()
      .children.map(({ group, units }) => `${group} ${units}`)
      .toSorted()
  expect(groups()).toEqual(['community 2'])
  const running = bench.sandbox.runEach('default/heavy', eventRun({}))
  await Promise.all([bench.sandbox.setApart('default/heavy', true), bench.sandbox.setApart('default/heavy', true)])
  expect(await running).toMatchObject({ error: null })
  await until('it to be gone from the others', () => groups().join() === 'community 1,own 1')
  const own = bench.sandbox.stats().children.find(({ group }) => group === 'own')
  expect(getPriority(own?.pid)).toBeGreaterThan(getPriority())
  expect(await bench.sandbox.runEach('default/heavy', eventRun({}))).toMatchObject({ error: null })
  await bench.sandbox.setApart('default/heavy', false)
  await until('it to be back', () => groups().join() === 'community 2')
  expect(await bench.sandbox.runEach('default/heavy', eventRun({}))).toMatchObject({ error: null })
  await bench.sandbox.setApart('default/nobody', true)
})

test('a unit that was loaded anew while it was being moved is the new one', async () => {
  await using bench = await openBench()
  await bench.plugin('heavy', onEvent(`ctx.log.info('old')`))
  const next = await bench.unit('heavy', onEvent(`ctx.log.info('new')`))
  await Promise.all([bench.sandbox.setApart('default/heavy', true), bench.sandbox.load(next)])
  const { logs } = await bench.sandbox.runEach('default/heavy', eventRun({}))
  expect(logs).toMatchObject([{ message: 'new' }])
})

test('of a process that grew too large, and nobody in it is known to be guilty, the largest heaps are named', async () => {
  await using bench = await openBench({ childRssMb: 1 })
  for (const name of ['one', 'two']) void bench.plugin(name, onEvent('')).catch(() => undefined)
  const heapsTold = (): readonly string[] =>
    bench.log.flatMap(({ fields }) => ('heaps' in fields ? (fields.heaps as readonly string[]) : []))
  const heaps = await until('the log to say so', heapsTold, { accept: (list) => list.length > 0 })
  for (const heap of heaps) expect(heap).toMatch(/^default\/(one|two) \d+ MB$/)
})
