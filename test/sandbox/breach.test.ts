/**
 * What a plugin may do to the hub: nothing. Each case breaks a limit in its own way, ends in a recorded error of the
 * offender, and a neighbour in the same group loses no run. The hub's event loop is watched throughout.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Bench, eventRun, onEvent, openBench, runOf, untilRun } from './harness.ts'

let bench: Bench
const lag = monitorEventLoopDelay({ resolution: 5 })
const worst: { waitMs: number; cpuMs: number }[] = []
let cpuMs = 0
let ticker: NodeJS.Timeout

/** The longest stretch of this thread's own CPU time between two turns: unlike the wait, other processes do not add to it. */
function watchThread(): void {
  let last = process.threadCpuUsage()
  ticker = setInterval(() => {
    const now = process.threadCpuUsage()
    cpuMs = Math.max(cpuMs, (now.user + now.system - last.user - last.system) / 1_000)
    last = now
  }, 2)
}

beforeAll(async () => {
  bench = await openBench()
  await bench.plugin(
    'neighbour',
    onEvent(`const got = await ctx.kv.get('x'); ctx.enqueue('a', { n: event.data.n, got })`),
  )
})
beforeEach(() => {
  lag.reset()
  lag.enable()
  cpuMs = 0
  watchThread()
  return () => clearInterval(ticker)
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
  const list = (pick: 'waitMs' | 'cpuMs') => worst.map((each) => each[pick].toFixed(0)).join(' ')
  process.stdout.write(
    `hub event loop over the breaches: longest waits ${list('waitMs')} ms; longest own turns ${list('cpuMs')} ms\n`,
  )
})

interface Case {
  readonly name: string
  readonly body: string
  readonly top?: string
  readonly codes: readonly string[]
  readonly message?: RegExp
}

const IN_TIME = ['plugin_cpu']
const CASES: readonly Case[] = [
  { name: 'an endless loop', body: `for (;;) {}`, codes: IN_TIME },
  { name: 'an endless microtask loop', body: `for (;;) await null`, codes: IN_TIME },
  {
    name: 'an endless microtask loop after awaiting the hub',
    body: `await ctx.kv.get('x'); for (;;) await null`,
    codes: IN_TIME,
    message: /without a pause, after it had called ctx\.kv\.get/,
  },
  { name: 'catastrophic backtracking', body: `/^(a+)+$/.test('a'.repeat(64) + 'b')`, codes: IN_TIME },
  { name: 'a loop after awaiting the hub', body: `await ctx.kv.get('x'); for (;;) {}`, codes: IN_TIME },
  { name: 'a loop in a timer', body: `await new Promise((r) => setTimeout(() => { for (;;) {} }, 5))`, codes: IN_TIME },
  {
    name: 'an array that grows',
    body: `const all = []; for (;;) all.push(new Array(1000).fill(all.length))`,
    codes: ['plugin_memory', 'plugin_cpu', 'plugin_killed'],
  },
  {
    name: 'typed arrays that grow',
    body: `const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1))`,
    codes: ['plugin_memory', 'plugin_threw', 'plugin_cpu', 'plugin_killed'],
  },
  {
    name: 'strings that grow',
    body: `let s = 'x'; const all = []; for (;;) { s += s.length < 1e6 ? s : ''; all.push(s + all.length) }`,
    codes: ['plugin_memory', 'plugin_cpu', 'plugin_killed'],
  },
  {
    name: 'a microtask flood',
    body: `const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }; f(); await new Promise(() => {})`,
    codes: ['plugin_memory', 'plugin_cpu', 'plugin_killed'],
  },
  {
    name: 'an error whose message getter loops',
    body: `throw Object.defineProperty(new Error(), 'message', { get() { for (;;) {} } })`,
    codes: IN_TIME,
  },
  {
    name: 'an unhandled rejection whose getters loop',
    body: `Promise.reject(Object.defineProperty(new Error('x'), 'stack', { get() { for (;;) {} } })); Promise.reject(Object.defineProperty(new Error('x'), 'message', { get() { for (;;) {} } }))`,
    codes: ['plugin_cpu', 'plugin_killed', 'plugin_threw'],
  },
  {
    name: 'a looping prepareStackTrace',
    body: `(Error as any).prepareStackTrace = () => { for (;;) {} }; throw new Error('harmless')`,
    codes: ['plugin_threw'],
    message: /^harmless/,
  },
  {
    name: 'squaring a BigInt',
    body: `let n = 3n; for (;;) n = n * n`,
    codes: ['plugin_cpu', 'plugin_killed', 'plugin_memory', 'plugin_threw'],
  },
  {
    name: 'filling big arrays',
    body: `for (;;) new Array(1e6).fill(0)`,
    codes: ['plugin_cpu', 'plugin_killed', 'plugin_memory'],
  },
  {
    name: 'Array.from with a huge length',
    body: `Array.from({ length: 1e9 })`,
    codes: ['plugin_cpu', 'plugin_killed', 'plugin_memory', 'plugin_threw'],
  },
  {
    name: 'a concat that doubles',
    body: `let a = [1]; for (;;) a = a.concat(a)`,
    codes: ['plugin_cpu', 'plugin_killed', 'plugin_memory', 'plugin_threw'],
  },
  {
    name: 'a benign unhandled rejection',
    body: `void Promise.reject(new TypeError('nobody looks'))\n await ctx.kv.get('x')`,
    codes: ['plugin_threw'],
    message: /^unhandled rejection: TypeError: nobody looks \(index\.ts:6:\d+\)$/,
  },
  {
    name: 'an error thrown later',
    body: `setTimeout(() => { throw new RangeError('later') }, 5); await new Promise(() => {})`,
    codes: ['plugin_threw'],
    message: /^RangeError: later \(index\.ts:6:\d+\)$/,
  },
  {
    name: 'recursion without end',
    body: `const f = (): number => f() + 1; f()`,
    codes: ['plugin_threw'],
    message: /^RangeError/,
  },
  {
    name: 'an answer of a million emits',
    body: `for (let n = 0; n < 1e6; n++) ctx.emit('x', { n })`,
    codes: ['capability_limit'],
    message: /50 host operations/,
  },
  {
    name: 'CPU in many small slices',
    body: `for (;;) { const end = Date.now() + 100; while (Date.now() < end); await new Promise((r) => setTimeout(r, 1)) }`,
    codes: IN_TIME,
  },
]

describe.each(CASES)('$name', ({ name, body, top, codes, message }) => {
  test('fails for the offender only', async () => {
    const key = `default/offender`
    await bench.plugin('offender', onEvent(`if (event.data.bad) {\n${body}\n}\nctx.log.info('fine')`, top), { key })
    let isOver = false
    const seen: number[] = []
    const neighbour = (async () => {
      for (let n = 0; !isOver || n < 3; n++) {
        const result = await untilRun(bench.sandbox, 'default/neighbour', () => eventRun({ n }, async () => 'v'))
        expect(result.error).toBeNull()
        expect(result.effects.enqueue).toEqual([{ action: 'a', input: { n, got: 'v' } }])
        seen.push(n)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })()
    const batch = await bench.sandbox.runBatch(key, [eventRun(), eventRun({ bad: true }, async () => 1), eventRun()])
    const [first, , last] = batch
    const isInterrupted = batch[1]?.error?.code === 'plugin_interrupted'
    const bad = isInterrupted
      ? await untilRun(bench.sandbox, key, () => eventRun({ bad: true }, async () => 1))
      : batch[1]
    isOver = true
    await neighbour
    expect(codes, `${name}: ${bad?.error?.message}`).toContain(bad?.error?.code)
    if (message !== undefined) expect(bad?.error?.message).toMatch(message)
    expect(bad?.error?.at).toMatchObject({ plugin: 'offender', version: '1.2.3', installation: 'offender', attempt: 1 })
    expect(bad?.effects.emit).toEqual([])
    for (const result of [first, last]) {
      if (result?.error?.code === 'plugin_interrupted') continue
      expect(result).toMatchObject({ error: null, logs: [{ message: 'fine' }] })
    }
    // The unit is there again, whatever it did.
    expect(await untilRun(bench.sandbox, key, () => eventRun())).toMatchObject({
      error: null,
      logs: [{ message: 'fine' }],
    })
    worst.push({ waitMs: lag.max / 1e6, cpuMs })
    if (process.env['DBG'])
      process.stdout.write(
        `  ${name}: ${bad?.error?.code} ${bad?.error?.message?.slice(0, 100)} | lag ${(lag.max / 1e6).toFixed(0)} ms cpu ${cpuMs.toFixed(0)}\n`,
      )
    expect(cpuMs).toBeLessThan(50)
  })
})

test('a promise that never settles ends at the wall limit, and the batch goes on', async () => {
  await bench.plugin(
    'waits',
    onEvent(
      `if (event.data.bad) { while (!ctx.signal.aborted) await new Promise((r) => setTimeout(r, 20)); ctx.log.info('warned'); await new Promise(() => {}) }\nctx.log.info('fine')`,
    ),
    {
      limits: { eventWallMs: 800 },
    },
  )
  const results = await bench.sandbox.runBatch('default/waits', [eventRun(), eventRun({ bad: true }), eventRun()])
  expect(results.map((result) => result.error?.code)).toEqual([undefined, 'plugin_wall', undefined])
  expect(results[1]?.error?.message).toContain('800 ms')
  expect(results[2]?.logs[0]?.message).toBe('fine')
})

test('a broken limit names the place in the code, and what the run had said by then is kept', async () => {
  const source = onEvent(`const busy = (ms: number) => { const end = Date.now() + ms; while (Date.now() < end); }
    ctx.log.info('begun')
    if (event.data.how === 'slice') {
      for (;;) {} // the loop
    }
    if (event.data.how === 'cpu') {
      await ctx.kv.get('x') // the call before
      for (;;) { busy(60); await new Promise((r) => setTimeout(r, 1)) }
    }
    if (event.data.how === 'wall') await ctx.kv.list('never') // the wait
    if (event.data.how === 'nowhere') await new Promise(() => {})
    const all = []
    await ctx.kv.get('x')
    for (;;) all.push(new Array(1000).fill(all.length))`)
  await bench.plugin('places', source, { limits: { eventWallMs: 700 } })
  const at = (mark: string): string => {
    const line = source.split('\n').findIndex((text) => text.includes(mark)) + 1
    return `(index.ts:${line}:`
  }
  const fails = async (how: string) => {
    const capabilities = (name: string) => (name === 'kv.get' ? Promise.resolve(1) : new Promise<never>(() => {}))
    const { error, logs } = await untilRun(bench.sandbox, 'default/places', () => eventRun({ how }, capabilities))
    expect(logs.map(({ message }) => message)).toEqual(['begun'])
    return error
  }
  const slice = await fails('slice')
  expect(slice).toMatchObject({ code: 'plugin_cpu', message: expect.stringContaining(at('// the loop')) })
  expect(slice?.cause).toMatchObject({ stack: expect.stringContaining('    at index.ts:') })
  const cpu = await fails('cpu')
  expect(cpu).toMatchObject({ code: 'plugin_cpu', message: expect.stringContaining(at('// the call before')) })
  expect(cpu?.message).toMatch(/more than 500 ms of CPU, after the answer of ctx\.kv\.get/)
  const wall = await fails('wall')
  expect(wall).toMatchObject({ code: 'plugin_wall', message: expect.stringContaining(at('// the wait')) })
  expect(wall?.message).toMatch(/not over after 700 ms, waiting for the answer of ctx\.kv\.list/)
  expect((await fails('nowhere'))?.message).toBe('the run was not over after 700 ms')
  expect(['plugin_memory', 'plugin_cpu', 'plugin_killed']).toContain((await fails('memory'))?.code)
})

test('an effect that the manifest does not ask for is refused where it is asked for', async () => {
  const bodies = { kv: `ctx.kv.set('a', 1)`, emit: `ctx.emit('a', {})`, enqueue: `ctx.enqueue('other', {})` }
  for (const [what, body] of Object.entries(bodies)) {
    const asks = { kv: false, emit: false, actions: ['post'] }
    const unit = { ...(await bench.unit('denied', onEvent(`ctx.enqueue('post', 1)\n${body}`))), asks }
    await bench.sandbox.load(unit)
    const { error } = await untilRun(bench.sandbox, unit.key, () => eventRun())
    expect([what, error?.code]).toEqual([what, 'capability_denied'])
    expect(error?.message).toMatch(/manifest.* \(index\.ts:6:\d+\)$/)
  }
})

test('log lines over the limit are counted, long lines are cut', async () => {
  await bench.plugin(
    'chatty',
    onEvent(`ctx.log.info('y'.repeat(1e6)); for (let n = 0; n < 1e5; n++) ctx.log.info('line ' + n)`),
  )
  const [result] = await bench.sandbox.runBatch('default/chatty', [eventRun()])
  expect(result?.error).toBeNull()
  expect(result?.logs).toHaveLength(100)
  expect(result?.logs[0]?.message.length).toBeLessThan(2_100)
  expect(result?.logsDropped).toBe(1e5 + 1 - 100)
})

test('http calls and host operations are limited; a caught limit lets the run go on', async () => {
  await bench.plugin(
    'busy',
    onEvent(`const errors = []; let calls = 0
    for (let n = 0; n < 60; n++) try { await ctx.http({ url: 'https://x.test' }); calls++ } catch (e) { errors.push(e.code) }
    ctx.log.info(JSON.stringify([calls, errors.length, [...new Set(errors)]]))`),
  )
  let served = 0
  const capabilities = async () => ({ status: 200, headers: {}, body: String(++served), truncated: false })
  const [result] = await bench.sandbox.runBatch('default/busy', [eventRun({}, capabilities)])
  expect(result?.error).toBeNull()
  expect(result?.logs[0]?.message).toBe('[20,40,["capability_limit"]]')
  expect(served).toBe(20)
})

test('too large an answer and what is no JSON are invalid results', async () => {
  await bench.plugin(
    'large',
    `import { definePlugin } from 'manifold/plugin'
const deep = () => { let v: any = 1; for (let n = 0; n < 100; n++) v = [v]; return v }
export default definePlugin({ actions: {
  huge: { run: () => ({ outcome: 'delivered', detail: 'x'.repeat(300_000) }) as never },
  lines: { run: () => ({ outcome: 'send', request: { url: 'https://x.test', body: '\\n'.repeat(1_000_000) } }) },
  letter: { run: () => ({ outcome: 'send', request: { url: 'https://x.test', body: 'x'.repeat(1_400_000) } }) },
  circle: { run: () => { const a: any = {}; a.a = a; return a } },
  deep: { run: () => ({ outcome: 'delivered', detail: deep() }) as never },
  text: { run: () => 'fine' as never },
} })`,
  )
  for (const [name, message] of [
    ['huge', /at most 262144/],
    ['circle', /not JSON/],
    ['deep', /nested deeper/],
    ['text', /outcome is made/],
  ] as const) {
    const result = await bench.sandbox.runEach(
      'default/large',
      runOf({ kind: 'action', name, itemsJson: ['{"input":1}'] }),
    )
    expect(result.error).toMatchObject({ code: 'plugin_invalid_result', message: expect.stringMatching(message) })
  }
  const letter = async (name: string) =>
    await bench.sandbox.runEach('default/large', runOf({ kind: 'action', name, itemsJson: ['{"input":1}'] }))
  expect((await letter('letter')).error).toMatchObject({
    code: 'capability_limit',
    message: expect.stringMatching(/body may have 1048576/),
  })
  // Escaped it is twice as long; what counts is what is sent.
  expect((await letter('lines')).value).toMatchObject([{ outcome: 'send', request: { body: expect.any(String) } }])
})

test('in a batch, only the offender fails and every other event is run to its end', async () => {
  await bench.plugin('mixed', onEvent(`if (event.data.n === 23) for (;;) {}\nctx.enqueue('a', event.data.n)`))
  const runs = Array.from({ length: 50 }, (_, n) => eventRun({ n }))
  const results = await bench.sandbox.runBatch('default/mixed', runs)
  expect(results.map((result) => result.error?.code ?? result.effects.enqueue[0]?.input)).toEqual(
    Array.from({ length: 50 }, (_, n) => (n === 23 ? 'plugin_cpu' : n)),
  )
})

test('many honest events that are heavy together are no breach', async () => {
  await bench.plugin('heavy', onEvent(`const end = Date.now() + 40; while (Date.now() < end);`))
  const results = await bench.sandbox.runBatch(
    'default/heavy',
    Array.from({ length: 40 }, () => eventRun()),
  )
  expect(results.filter((result) => result.error !== null)).toEqual([])
  expect(
    bench.log.filter((line) => 'installation' in line.fields && line.fields.installation === 'default/heavy'),
  ).toEqual([])
})

test('of many single runs at once, only the one that loops is blamed', async () => {
  await bench.plugin(
    'crowd',
    `import { definePlugin } from 'manifold/plugin'
export default definePlugin({ actions: { go: { run: async ([item], ctx) => { await ctx.kv.get('x'); if (item.input === 7) for (;;) {} } } } })`,
  )
  const one = async (n: number): Promise<string> => {
    for (let tries = 0; tries < 20; tries++) {
      const result = await bench.sandbox.runEach(
        'default/crowd',
        runOf({ kind: 'action', name: 'go', itemsJson: [`{"input":${n}}`] }, async () => 1),
      )
      if (result.error?.code !== 'plugin_interrupted') return result.error?.code ?? 'ok'
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return 'interrupted for ever'
  }
  const ends = await Promise.all(Array.from({ length: 16 }, (_, n) => one(n)))
  expect(ends).toEqual(Array.from({ length: 16 }, (_, n) => (n === 7 ? 'plugin_cpu' : 'ok')))
})

test('a loop while loading is refused and leaves the others alone', async () => {
  await expect(bench.plugin('stuck', `for (;;) {}\nexport default {}`)).rejects.toMatchObject({
    code: 'plugin_load',
    at: { plugin: 'stuck' },
  })
  expect(
    (await untilRun(bench.sandbox, 'default/neighbour', () => eventRun({ n: 1 }, async () => 'v'))).error,
  ).toBeNull()
})
