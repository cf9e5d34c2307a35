/** What a plugin can see and reach: its own realm with web-standard globals, and nothing of the host. */
import { runInThisContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Bench, eventRun, onEvent, openBench, untilRun } from './harness.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
  // Keeps the child alive between the cases.
  await bench.plugin('keeper', onEvent(''))
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

/** To every capability call. */
const ANSWER = { status: 200, headers: {}, body: 'v', truncated: false }

let count = 0
/** Runs `body` in a plugin and answers what it logged. */
async function inside(body: string, top = ''): Promise<string> {
  const name = `realm-${++count}`
  await bench.plugin(name, onEvent(body, top))
  const result = await untilRun(bench.sandbox, `default/${name}`, () => eventRun({}, async () => ANSWER))
  await bench.sandbox.unload(`default/${name}`)
  if (result.error !== null) throw result.error
  return result.logs.map((line) => line.message).join('\n')
}
/** Timers that an expression leaves behind are told of in a line of their own. */
const value = async (expression: string): Promise<unknown> =>
  JSON.parse((await inside(`ctx.log.info(JSON.stringify(await (${expression})))`)).split('\n')[0] ?? '')

test('everything reachable belongs to the guest: one Function, one Object, no host names', async () => {
  const found = await value(`(async () => {
    const seen = new Set(); const bad = []; const hmac = { name: 'HMAC', hash: 'SHA-256' }; const answer = await fetch('https://a.test'); const made = { answer, stream: answer.body, reader: answer.clone().body.getReader(), request: new Request('https://a.test', { method: 'POST', body: new FormData() }), headers: new Headers({ a: 'b' }), pairs: new Headers({ a: 'b' }).entries(), abort: new AbortController(), timeout: AbortSignal.timeout(1000), event: new CustomEvent('x'), file: new File([], 'f'), key: await crypto.subtle.importKey('raw', new Uint8Array(1), hmac, true, ['sign']), sealed: await crypto.subtle.importKey('raw', ctx.secret('s'), hmac, false, ['sign']), digest: await crypto.subtle.digest('SHA-256', new Uint8Array(1)), error: await fetch('nonsense').catch((e) => e) }; const queue = [[globalThis, 'globalThis'], [made, 'made'], [ctx, 'ctx'], [event, 'event'], [(function* () {}).constructor, 'gen'], [(async () => {}).constructor, 'async']]
    const FunctionProto = Function.prototype; const ObjectProto = Object.prototype
    while (queue.length > 0) {
      const [item, path] = queue.pop()
      if ((typeof item !== 'object' && typeof item !== 'function') || item === null || seen.has(item)) continue
      seen.add(item)
      // The end of every prototype chain must be the guest's own Object.prototype (or null).
      let top = item; for (let p = item; p !== null; p = Object.getPrototypeOf(p)) { top = p; queue.push([p, path + '.__proto__']) }
      if (top !== ObjectProto && Object.getPrototypeOf(item) !== null) bad.push(path + ' has a foreign root')
      if (typeof item === 'function' && item !== FunctionProto && !(item instanceof Function)) bad.push(path + ' is a foreign function')
      for (const key of Reflect.ownKeys(item)) {
        const d = Object.getOwnPropertyDescriptor(item, key)
        for (const part of ['value', 'get', 'set']) if (d[part] !== undefined) queue.push([d[part], path + '.' + String(key)])
        if ('get' in d && d.get) { try { queue.push([Reflect.get(item, key), path + '.' + String(key)]) } catch {} }
      }
    }
    return { bad, count: seen.size }
  })()`)
  expect(found).toMatchObject({ bad: [] })
  expect((found as { count: number }).count).toBeGreaterThan(900)
})

test('host names, module loading and what escapes the limits do not exist', async () => {
  const names = [
    'process',
    'require',
    'module',
    'global',
    'Buffer',
    'ivm',
    'isolated_vm',
    'WebAssembly',
    'SharedArrayBuffer',
    'Atomics',
    'FinalizationRegistry',
    'gc',
    'plugin',
    'guest',
    'Deno',
    'Worker',
  ]
  expect(await value(`[${names.map((name) => `typeof globalThis['${name}']`).join()}]`)).toEqual(
    names.map(() => 'undefined'),
  )
  // Before and after the globals that are made when they are first used.
  expect(await value(`[Object.keys(globalThis), fetch.length, Object.keys(globalThis)]`)).toEqual([[], 1, []])
})

test.each([
  [`constructor.constructor('return process')()`, /ReferenceError: process is not defined/],
  [`ctx.http.constructor('return process')()`, /process is not defined/],
  [`ctx.kv.get.constructor('return process')`, /process is not defined|Promise/],
  [`console.log.constructor('return require')()`, /require is not defined/],
  [`(await ctx.kv.get('x').constructor).constructor('return process')()`, /process is not defined/],
  [`URL.constructor('return process.env')()`, /process is not defined/],
  [`Error.captureStackTrace.constructor('return this.process.mainModule')()`, /undefined/],
])('%s finds nothing', async (attack, answer) => {
  expect(
    await inside(
      `try { let r = ${attack}; if (typeof r === 'function') r = r(); ctx.log.info('got ' + (await r)) } catch (e) { ctx.log.info(String(e)) }`,
    ),
  ).toMatch(answer)
})

test('dynamic import is refused', async () => {
  const body = `for (const name of ['node:fs', 'fs', './index.ts', 'data:text/javascript,export default 1']) {
    try { const n = name; await import(n); ctx.log.info('imported ' + name) } catch (e) { ctx.log.info('no') }
  }`
  expect(await inside(body)).toBe('no\nno\nno\nno')
})

test('stack traces show no host path, also of errors that come from the hub or its parser', async () => {
  const text = await inside(`const stacks = [new Error('a').stack]
    try { new URL('nonsense') } catch (e) { stacks.push(e.stack) }
    try { atob('%') } catch (e) { stacks.push(e.stack) }
    try { crypto.getRandomValues(new Uint8Array(70000)) } catch (e) { stacks.push(e.stack) }
    try { structuredClone(() => {}) } catch (e) { stacks.push(e.stack) }
    for (const f of [() => fetch('nonsense'), () => new Response('x', { status: 1 }), () => crypto.subtle.digest('MD5', 0), () => crypto.subtle.importKey('jwk', { kty: 'RSA' }, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])]) try { await f() } catch (e) { stacks.push(e.stack) }
    try { null.x } catch (e) { stacks.push(e.stack) }
    try { ctx.secret(1) } catch (e) { stacks.push(e.stack) }
    Error.stackTraceLimit = 100; try { (function f() { f() })() } catch (e) { stacks.push(e.stack) }
    const o = {}; Error.captureStackTrace(o); stacks.push(o.stack)
    ctx.log.info(stacks.join('|').replaceAll(/\\s*at [^|]*?\\((?:plugin|manifold)\\.js:\\d+:\\d+\\)/g, ''))`)
  expect(text).not.toMatch(/\/work|\/root|\/home|\/tmp|node:|node_modules|isolate\.ts|child\.ts|file:/)
})

test('resizable buffers are refused on every way', async () => {
  const text = await inside(`const ways = {
      direct: () => new ArrayBuffer(8, { maxByteLength: 1e9 }),
      reflect: () => Reflect.construct(ArrayBuffer, [8, { maxByteLength: 1e9 }]),
      prototype: () => new (ArrayBuffer.prototype.constructor)(8, { maxByteLength: 1e9 }),
      view: () => new (new Uint8Array(1).buffer.constructor)(8, { maxByteLength: 1e9 }),
      subclass: () => new (class extends ArrayBuffer { constructor() { super(8, { maxByteLength: 1e9 }) } })(),
      species: () => { class S extends ArrayBuffer { static get [Symbol.species]() { return function (n) { return new ArrayBuffer(n, { maxByteLength: 1e9 }) } } } return new S(8).slice(0) },
      sneaky: () => { let n = 0; const b = new ArrayBuffer(8, { get maxByteLength() { return n++ === 0 ? undefined : 1e9 } }); if (b.resizable || b.resize) throw new Error('resizable'); throw new RangeError('fixed') },
      transfer: () => new ArrayBuffer(8).transfer(1e9),
    }
    for (const [name, way] of Object.entries(ways)) try { way(); ctx.log.info(name + ' made one') } catch (e) { ctx.log.info(name + ' ' + e.name) }
    ctx.log.info(String(new ArrayBuffer(8) instanceof ArrayBuffer) + new Uint8Array(new ArrayBuffer(8)).length + new ArrayBuffer(8).slice(2).byteLength + ArrayBuffer.isView(new Uint8Array(1)))`)
  expect(text.split('\n')).toEqual([
    'direct RangeError',
    'reflect RangeError',
    'prototype RangeError',
    'view RangeError',
    'subclass RangeError',
    'species RangeError',
    'sneaky RangeError',
    'transfer TypeError',
    'true86true',
  ])
})

test('a plugin that patches the built-ins breaks only itself', async () => {
  await bench.plugin(
    'vandal',
    onEvent(
      `ctx.enqueue('a', { n: 1 })`,
      `JSON.stringify = () => 'gotcha'; (Promise as any).prototype.then = () => {}; Array.prototype.push = () => 0; (Object as any).prototype.toJSON = undefined`,
    ),
  )
  await bench.plugin('civil', onEvent(`ctx.log.info(JSON.stringify([1].concat(2)))`))
  const [civil] = await bench.sandbox.runBatch('default/civil', [eventRun()])
  expect(civil).toMatchObject({ error: null, logs: [{ message: '[1,2]' }] })
  const [vandal] = await bench.sandbox.runBatch('default/vandal', [eventRun()])
  expect(vandal).toMatchObject({ error: null, effects: { enqueue: [{ action: 'a', input: { n: 1 } }] } })
})

test('globals that are made late do not need what the plugin took away, and leave what it put there', async () => {
  const top = `const g = globalThis as any
    g.eval = () => { throw new Error('taken') }; g.Function = g.eval; JSON.parse = g.eval; JSON.stringify = g.eval
    g.Headers = class Mine {}; delete g.Blob`
  const body = `const answer = await fetch('https://a.test')
    ctx.log.info([answer.status, Headers.name, typeof (globalThis as any).Blob, answer.headers instanceof Headers].join())`
  expect(await inside(body, top)).toBe('200,Mine,undefined,false')
})

test('no run can change the config for the next', async () => {
  const body = `try { ctx.config.a.b = 2; ctx.config.c = 3 } catch {}; ctx.log.info(JSON.stringify(ctx.config))`
  await bench.plugin('frozen', onEvent(body), { config: { a: { b: 1 } } })
  const results = await bench.sandbox.runBatch('default/frozen', [eventRun(), eventRun()])
  expect(results.map((result) => result.logs[0]?.message)).toEqual(['{"a":{"b":1}}', '{"a":{"b":1}}'])
})

describe('web-standard globals', () => {
  test('TextEncoder and TextDecoder agree with the host', async () => {
    const texts = ['', 'plain', 'Ünïcödé', '😀👩‍👩‍👧', '\uFEFFbom', 'a\u0000b']
    const got = await value(
      `${JSON.stringify(texts)}.map((t) => [[...new TextEncoder().encode(t)], new TextDecoder().decode(new TextEncoder().encode(t))])`,
    )
    expect(got).toEqual(
      texts.map((text) => [
        [...new TextEncoder().encode(text)],
        new TextDecoder().decode(new TextEncoder().encode(text)),
      ]),
    )
    const broken = [
      [0xff],
      [0xc3],
      [0xe2, 0x82],
      [0xf0, 0x9f, 0x98],
      [0xed, 0xa0, 0x80],
      [0xc0, 0xaf],
      [0x41, 0xe2, 0x41],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe0, 0x80, 0x80],
      [0xf8, 0x88],
    ]
    expect(await value(`${JSON.stringify(broken)}.map((b) => new TextDecoder().decode(new Uint8Array(b)))`)).toEqual(
      broken.map((bytes) => new TextDecoder().decode(new Uint8Array(bytes))),
    )
    expect(
      await value(
        `(() => { const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac])) })()`,
      ),
    ).toBe('€')
    expect(
      await value(
        `(() => { try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])) } catch (e) { return e.name } })()`,
      ),
    ).toBe('TypeError')
  })

  test('URL and URLSearchParams agree with the host', async () => {
    const urls = [
      ['https://User:p%40ss@EXAMPLE.com:8443/a/../b?x=1&x=2#h'],
      ['../c?d', 'https://a.test/b/x/'],
      ['http://bücher.example/ü?ü#ü'],
      ['file:///etc/passwd'],
      ['http://[::1]:80/'],
      ['http://0x7f.1/'],
      ['mailto:a@b.c'],
      ['nonsense'],
      ['http://a b/'],
    ]
    const parts = [
      'href',
      'origin',
      'protocol',
      'username',
      'password',
      'host',
      'hostname',
      'port',
      'pathname',
      'search',
      'hash',
    ] as const
    const got = await value(
      `${JSON.stringify(urls)}.map(([u, b]) => { try { const x = new URL(u, b); return ${JSON.stringify(parts)}.map((p) => x[p]) } catch (e) { return e.name } })`,
    )
    expect(got).toEqual(
      urls.map(([input, base]) => {
        try {
          const url = new URL(input as string, base)
          return parts.map((part) => url[part])
        } catch (error) {
          return (error as Error).name
        }
      }),
    )
    const script = `(URL, URLSearchParams) => { const u = new URL('https://a.test/?x=1'); u.searchParams.append('y', 'a b&c=~!ü'); u.searchParams.delete('x'); u.hash = '#z'; u.port = '99'; const s = u.searchParams; u.search = '?q=%F0%9F%98%80+1&bad=%zz'; s.sort();
      return [String(u), [...s], s.get('q'), s.size, new URLSearchParams({ a: '1', b: '2' }).toString(), new URLSearchParams([['a', 'b'], ['a', 'c']]).getAll('a'), new URLSearchParams('?a=b&c').has('c'), URL.canParse('x:'), URL.canParse('x'), JSON.stringify({ u })] }`
    const host = runInThisContext(script) as (...args: unknown[]) => unknown
    expect(await value(`(${script})(URL, URLSearchParams)`)).toEqual(host(URL, URLSearchParams))
  })

  test('atob, btoa, structuredClone, crypto, queueMicrotask and timers', async () => {
    expect(
      await value(`[btoa('hello ÿ'), atob(btoa('hello ÿ')), atob(' aGk= '), btoa(''), btoa('a'), btoa('ab')]`),
    ).toEqual([btoa('hello ÿ'), 'hello ÿ', 'hi', '', 'YQ==', 'YWI='])
    expect(
      await value(`['a', 'a===', '%%%%'].map((t) => { try { return atob(t) } catch (e) { return e.name } })`),
    ).toEqual(['InvalidCharacterError', 'InvalidCharacterError', 'InvalidCharacterError'])
    expect(
      await value(
        `(() => { const a = { d: new Date(5), m: new Map([[1, new Set([2])]]), u: new Uint8Array([1, 2]), n: 10n, e: new RangeError('r') }; a.self = a; const b = structuredClone(a); return [b !== a, b.self === b, b.d.getTime(), [...b.m.get(1)], [...b.u], String(b.n), b.e.message, b.e instanceof RangeError] })()`,
      ),
    ).toEqual([true, true, 5, [2], [1, 2], '10', 'r', true])
    const [uuid, other, different] = (await value(
      `[crypto.randomUUID(), crypto.randomUUID(), new Set(crypto.getRandomValues(new Uint8Array(5000))).size]`,
    )) as [string, string, number]
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(uuid).not.toBe(other)
    expect(different).toBeGreaterThan(200)
    const order = `new Promise((done) => { const out = []; setTimeout(() => out.push('late'), 20); const gone = setTimeout(() => out.push('never'), 5); clearTimeout(gone); let n = 0; const i = setInterval(() => { out.push('i' + ++n); if (n === 2) clearInterval(i) }, 2); queueMicrotask(() => out.push('micro')); setTimeout((a, b) => { out.push(a + b); done(out) }, 40, 'x', 'y') })`
    expect(await value(order)).toEqual(['micro', 'i1', 'i2', 'late', 'xy'])
    expect(
      await value(
        `(() => { let made = 0; try { for (;;) { setTimeout(() => {}, 1000); made++ } } catch (e) { return [made, e.name] } })()`,
      ),
    ).toEqual([100, 'RangeError'])
  })

  test('a timer while loading is refused with a clear message', async () => {
    await expect(bench.plugin('early', onEvent('', `setTimeout(() => {}, 1)`))).rejects.toMatchObject({
      code: 'plugin_load',
      message: expect.stringMatching(/Timers work only while the plugin runs.*\(index\.ts:2:1\)/),
    })
  })

  test('what is logged while loading heads the log of the first run', async () => {
    expect(await inside(`ctx.log.info('run')`, `console.log('loading', 1)`)).toBe('loading 1\nrun')
  })
})
