/** What a well-behaved plugin gets: its five kinds of runs, effects, capabilities, logs, and errors in its own words. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../core/contract/index.ts'
import { HubError } from '../../core/errors.ts'
import { type Bench, eventRun, onEvent, openBench, runOf } from './harness.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(async () => {
  await bench[Symbol.asyncDispose]()
})

const FIVE_KINDS = `import { classify, dead, definePlugin, delivered, flag, keep, retry } from 'manifold/plugin'
export default definePlugin<{ url: string }>({
  on: {
    'response.submitted': async (event, ctx) => {
      ctx.enqueue('post', { name: event.data?.name ?? null }, { key: event.id, delayMs: 5 })
      ctx.kv.set('last', event.id, { ttlMs: 1000 })
      ctx.kv.delete('old')
      ctx.emit('seen', { id: event.id })
      ctx.tally('seen')
      ctx.metric('seen', 2)
      ctx.log.info('saw it', { id: event.id })
      console.warn('also', { a: 1 })
    },
  },
  actions: {
    post: { run: async (items, ctx) => {
      const res = await ctx.http({ method: 'POST', url: ctx.config.url, json: { n: items.length } })
      return items.map((item, i) => (i === 0 ? classify(res) : i === 1 ? retry('later', { afterMs: 10 }) : dead('gone', res.json().reason, { untouched: true })))
    } },
    quiet: { run: () => {} },
    one: { run: () => delivered({ ok: true }) },
    wrong: { run: (items) => items.slice(1).map(() => delivered()) },
  },
  schedules: { tick: async (tick, ctx) => { ctx.tally(tick.at, tick.missed) } },
  transform: async ({ data, headers }, ctx) => {
    ctx.log.info('looks')
    return data.text === 'spam' ? flag('it is') : keep({ data: { seen: (await ctx.kv.get('seen')) ?? 0 }, meta: { from: headers.from } })
  },
  routes: { 'POST /hi': async (req) => ({ status: 201, headers: { 'x-a': req.query.a }, json: { body: req.body } }) },
})
`

describe('a plugin with all five kinds', () => {
  beforeAll(async () => {
    const surface = await bench.plugin('five', FIVE_KINDS, { config: { url: 'https://example.com/in' } })
    expect(surface).toEqual({
      on: ['response.submitted'],
      actions: ['post', 'quiet', 'one', 'wrong'],
      schedules: ['tick'],
      routes: ['POST /hi'],
      transform: true,
      check: false,
    })
  })

  test('a transform answers a verdict each, in order', async () => {
    const look = (text: string) =>
      runOf(
        {
          kind: 'transform',
          name: 'contact',
          responseJson: JSON.stringify({ data: { text }, headers: { from: 'here' } }),
        },
        async (name) => {
          expect(name).toBe('kv.get')
          return 7
        },
      )
    const results = await bench.sandbox.runBatch('default/five', [look('spam'), look('fine')])
    expect(results.map(({ value, error, logs }) => [value, error, logs.length])).toEqual([
      [{ verdict: 'flag', reason: 'it is' }, null, 1],
      [{ verdict: 'keep', data: { seen: 7 }, meta: { from: 'here' } }, null, 1],
    ])
  })

  test('a handler answers its buffered effects and its log', async () => {
    const run = eventRun({ name: 'Ada “Ünï” \u2028 😀' })
    const [result] = await bench.sandbox.runBatch('default/five', [run])
    expect(result).toMatchObject({
      id: run.id,
      value: null,
      error: null,
      effects: {
        enqueue: [{ action: 'post', input: { name: 'Ada “Ünï” \u2028 😀' }, key: run.eventId, delayMs: 5 }],
        kv: [{ key: 'last', value: run.eventId, ttlMs: 1000 }, { key: 'old' }],
        emit: [{ name: 'seen', data: { id: run.eventId } }],
        tally: [{ name: 'seen', by: 1 }],
        metric: [{ name: 'seen', by: 2 }],
      },
      logs: [
        { level: 'info', message: 'saw it', fields: { id: run.eventId } },
        { level: 'warn', message: 'also {"a":1}' },
      ],
      logsDropped: 0,
    })
    expect(result?.effects.kv[1]).not.toHaveProperty('value')
  })

  test('an action answers one outcome an item and reaches the hub for http', async () => {
    const asked: [string, Json][] = []
    const itemsJson = [1, 2, 3].map((n) =>
      JSON.stringify({ input: { n }, delivery: { id: `dlv_${n}`, attempt: 1, createdAt: 'x' } }),
    )
    const result = await bench.sandbox.runEach(
      'default/five',
      runOf({ kind: 'action', name: 'post', itemsJson }, async (name, args) => {
        asked.push([name, args])
        return { status: 200, headers: {}, body: '{"reason":"no such list"}', truncated: false }
      }),
    )
    expect(asked).toEqual([
      [
        'http',
        {
          method: 'POST',
          url: 'https://example.com/in',
          headers: { 'content-type': 'application/json' },
          body: '{"n":3}',
        },
      ],
    ])
    expect(result.error).toBeNull()
    expect(result.value).toEqual([
      { outcome: 'delivered' },
      { outcome: 'retry', reason: 'later', afterMs: 10 },
      { outcome: 'dead', code: 'gone', message: 'no such list', untouched: true },
    ])
  })

  test('no answer means delivered, one answer counts for all items, a wrong number is an invalid result', async () => {
    const items = ['{"input":1}', '{"input":2}']
    const run = async (name: string) =>
      bench.sandbox.runEach('default/five', runOf({ kind: 'action', name, itemsJson: items }))
    expect((await run('quiet')).value).toEqual([{ outcome: 'delivered' }, { outcome: 'delivered' }])
    expect((await run('one')).value).toEqual([
      { outcome: 'delivered', detail: { ok: true } },
      { outcome: 'delivered', detail: { ok: true } },
    ])
    const wrong = await run('wrong')
    expect(wrong.error).toMatchObject({ code: 'plugin_invalid_result', message: expect.stringContaining('2 items') })
    expect((await run('absent')).error?.code).toBe('plugin_invalid_result')
  })

  test('schedules and routes', async () => {
    const tick = await bench.sandbox.runEach(
      'default/five',
      runOf({ kind: 'schedule', name: 'tick', tick: { at: 'noon', missed: 3 } }),
    )
    expect(tick).toMatchObject({ error: null, value: null, effects: { tally: [{ name: 'noon', by: 3 }] } })
    const rest = { params: {}, headers: {}, form: [], scopes: [], body: 'x'.repeat(300_000) }
    const request = { method: 'POST', path: '/hi', query: { a: 'b' }, ...rest }
    const answer = await bench.sandbox.runEach('default/five', runOf({ kind: 'route', name: 'POST /hi', request }))
    expect(answer.error).toBeNull()
    expect(answer.value).toEqual({ status: 201, headers: { 'x-a': 'b' }, json: { body: request.body } })
  })
})

test('a batch runs in order and answers in order', async () => {
  await bench.plugin(
    'order',
    onEvent(`await null; seen.push(event.data.n); ctx.log.info(seen.join())`, 'const seen: number[] = []'),
  )
  const runs = Array.from({ length: 120 }, (_, n) => eventRun({ n }))
  const results = await bench.sandbox.runBatch('default/order', runs)
  expect(results.map((result) => result.id)).toEqual(runs.map((run) => run.id))
  expect(results.at(-1)?.logs[0]?.message).toBe(Array.from({ length: 120 }, (_, n) => n).join())
})

test('kv reads see the own writes of the run, and only of the run', async () => {
  await bench.plugin(
    'kv',
    onEvent(`ctx.log.info(JSON.stringify([await ctx.kv.get('a'), await ctx.kv.get('b')]))
    ctx.kv.set('a', { own: true }); ctx.kv.delete('b'); ctx.kv.set('ax', 1)
    ctx.log.info(JSON.stringify([await ctx.kv.get('a'), await ctx.kv.get('b'), await ctx.kv.list('')]))`),
  )
  const capabilities = async (name: string, args: Json) =>
    name === 'kv.list' ? { keys: ['b', 'c'], next: null } : `stored ${(args as { key: string }).key}`
  for (let n = 0; n < 2; n++) {
    const [result] = await bench.sandbox.runBatch('default/kv', [eventRun({}, capabilities)])
    expect(result?.error).toBeNull()
    expect(result?.logs.map((line) => line.message)).toEqual([
      '["stored a","stored b"]',
      '[{"own":true},null,{"keys":["a","ax","c"],"next":null}]',
    ])
  }
})

test('errors are told in the plugin’s own file, line and column, with coordinates', async () => {
  await bench.plugin('where', {
    'index.ts': onEvent(`  deep(event.data as never)`, `import { deep } from './src/deep.ts'`),
    'src/deep.ts': `interface Much { of: { this: number } }\n// only types above\nexport function deep(value: { a?: Much }): number {\n  return value.a!.of.this\n}\n`,
  })
  const run = { ...eventRun(), attempt: 4, deliveryId: 'dlv_9' }
  const [result] = await bench.sandbox.runBatch('default/where', [run])
  expect(result?.error).toBeInstanceOf(HubError)
  expect(result?.error).toMatchObject({
    code: 'plugin_threw',
    message: "TypeError: Cannot read properties of undefined (reading 'of') (src/deep.ts:4:19)",
    at: { plugin: 'where', version: '1.2.3', installation: 'where', event: run.eventId, delivery: 'dlv_9', attempt: 4 },
  })
  expect((result?.error?.cause as Error | undefined)?.stack).toContain('at index.ts:5:')
})

test('a call that nobody awaits is told of, one that a signal gave up is not', async () => {
  const slow = () => new Promise<never>(() => {})
  const warned = async (name: string, body: string) => {
    await bench.plugin(name, onEvent(body))
    const [result] = await bench.sandbox.runBatch(`default/${name}`, [eventRun({}, slow)])
    return [result?.error ?? null, result?.logs]
  }
  const left = {
    level: 'warn',
    message: expect.stringMatching(/^2 calls of ctx or fetch were/) as string,
    fields: { calls_left: 2 },
  }
  expect(await warned('floating', `void ctx.kv.get('a'); fetch('https://a.test').catch(() => {})`)).toEqual([
    null,
    [left],
  ])
  expect(
    await warned(
      'given-up',
      `const c = new AbortController(); const p = fetch('https://a.test', { signal: c.signal }); c.abort(); await p.catch(() => {})`,
    ),
  ).toEqual([null, []])
})

test('what an error came from is told with it, and where', async () => {
  const told = async (name: string, body: string) => {
    await bench.plugin(name, onEvent(body))
    return (await bench.sandbox.runBatch(`default/${name}`, [eventRun()]))[0]?.error?.message
  }
  expect(
    await told(
      'caused',
      `try { null.x } catch (cause) {\nthrow new Error('it failed', { cause: new RangeError('no', { cause }) }) }`,
    ),
  ).toMatch(/^it failed \(because of RangeError: no \(because of TypeError: Cannot read .*\)\) \(index\.ts:6:/)
  expect(await told('many', `await Promise.any([1, 2].map(async (n) => {\nthrow new TypeError('no ' + n) }))`)).toMatch(
    /^AggregateError: All promises were rejected \(because of TypeError: no 1; TypeError: no 2\) \(index\.ts:6:/,
  )
  expect(await told('same', `throw new Error('got: text', { cause: 'text' })`)).toMatch(/^got: text \(index\.ts/)
  expect(await told('round', `const e = new Error('round'); e.cause = e; throw e`)).toMatch(/^round \(index\.ts/)
  expect(await told('object', `throw { status: 5 }`)).toBe('{"status":5}')
  expect(await told('hostile', `throw { get cause() { throw 1 }, message: 'm' }`)).toBe('m')
})

test('errors in the log are told in the plugin’s own files and lines', async () => {
  await bench.plugin('logged', {
    'index.ts': onEvent(
      `try { deep() } catch (e) { console.error('it:', e); ctx.log.warn('again', { stack: e.stack, n: 1 }); console.log({ e, m: new Map([[1, new Set([2])]]) }) }`,
      `import { deep } from './src/deep.ts'`,
    ),
    'src/deep.ts': `interface Only { types: 1 }\n\nexport function deep(): void {\n  throw new TypeError('deep', { cause: new Error('down') })\n}\n`,
  })
  const [result] = await bench.sandbox.runBatch('default/logged', [eventRun()])
  const [first, second, third] = result?.logs ?? []
  const stack =
    /TypeError: deep\n    at deep \(src\/deep\.ts:4:9\)\n    at .*\(index\.ts:5:7\)[^]*\nError: down\n    at deep \(src\/deep\.ts:4:/
  expect(first?.message).toMatch(stack)
  expect(second?.fields).toMatchObject({ stack: expect.stringContaining('src/deep.ts:4:9') as string, n: 1 })
  expect(third?.message).toMatch(/^\{"e":"TypeError: deep.*src\/deep\.ts:4:9.*"m":\[\[1,\[2\]\]\]\}$/)
  expect(JSON.stringify(result?.logs)).not.toMatch(/(?:plugin|manifold)\.js/)
})

test('a capability’s error can be caught; uncaught, its code decides; a forged code does not', async () => {
  await bench.plugin(
    'caught',
    onEvent(`if (event.data.how === 'forge') throw Object.assign(new Error('mine'), { code: 'http_dns' })
    if (event.data.how === 'catch') { try { await ctx.http({ url: 'https://x.test' }) } catch (e) { ctx.log.info(e.name + ' ' + e.code); return } }
    await ctx.http({ url: 'https://x.test' })`),
  )
  const failing = async () => {
    throw new HubError('http_dns', 'x.test does not resolve')
  }
  const run = async (how: string) => (await bench.sandbox.runBatch('default/caught', [eventRun({ how }, failing)]))[0]
  expect(await run('catch')).toMatchObject({ error: null, logs: [{ message: 'CapabilityError http_dns' }] })
  expect((await run('throw'))?.error).toMatchObject({
    code: 'http_dns',
    message: expect.stringContaining('x.test does not resolve (index.ts:'),
  })
  expect((await run('forge'))?.error?.code).toBe('plugin_threw')
})

test('an effect of a failed run does not exist; its log does', async () => {
  await bench.plugin(
    'fails',
    onEvent(`ctx.enqueue('a', 1); ctx.kv.set('k', 1); ctx.log.warn('before'); throw new Error('boom')`),
  )
  const [result] = await bench.sandbox.runBatch('default/fails', [eventRun()])
  expect(result?.error?.message).toMatch(/^boom \(index\.ts:5:\d+\)$/)
  expect(result?.effects).toEqual({ enqueue: [], kv: [], emit: [], tally: [], metric: [] })
  expect(result?.logs).toEqual([{ level: 'warn', message: 'before', at: expect.stringMatching(/^index\.ts:5:\d+$/) }])
})

test('many single runs wait for the outside at the same time', async () => {
  await bench.plugin(
    'wide',
    `import { definePlugin, delivered } from 'manifold/plugin'
export default definePlugin({ actions: { go: { run: async ([item], ctx) => {
  const first = await ctx.kv.get('x')
  await new Promise((resolve) => setTimeout(resolve, 5))
  return delivered([item.input, first, ctx.run.id])
} } } })`,
  )
  let inside = 0
  let most = 0
  const capabilities = async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 50))
    inside -= 1
    return 'v'
  }
  const runs = Array.from({ length: 40 }, (_, n) =>
    runOf({ kind: 'action', name: 'go', itemsJson: [`{"input":${n}}`] }, capabilities),
  )
  const results = await Promise.all(runs.map((run) => bench.sandbox.runEach('default/wide', run)))
  expect(results.map((result) => result.value)).toEqual(
    runs.map((run, n) => [{ outcome: 'delivered', detail: [n, 'v', run.id] }]),
  )
  expect(most).toBe(40)
})

test('a secret is a reference; hmac and sign go to the hub', async () => {
  await bench.plugin(
    'sealed',
    onEvent(`ctx.log.info(JSON.stringify([ctx.config.token, ctx.secret('config.token')]))
    ctx.log.info(await ctx.hmac({ key: ctx.secret('config.token'), data: 'x' }))
    ctx.log.info(await ctx.sign({ alg: 'HS256', key: ctx.config.token, claims: { a: 1 } }))`),
    { config: { token: { $secret: 'config.token' } } },
  )
  const asked: unknown[] = []
  const [result] = await bench.sandbox.runBatch('default/sealed', [
    eventRun({}, async (name, args) => {
      asked.push([name, args])
      return `${name}!`
    }),
  ])
  expect(result?.error).toBeNull()
  expect(result?.logs.map((line) => line.message)).toEqual([
    '[{"$secret":"config.token"},{"$secret":"config.token"}]',
    'hmac!',
    'sign!',
  ])
  expect(asked).toEqual([
    ['hmac', { key: { $secret: 'config.token' }, alg: 'sha256', data: 'x', encoding: 'hex', keyFormat: 'utf8' }],
    ['sign', { alg: 'HS256', key: { $secret: 'config.token' }, claims: { a: 1 } }],
  ])
})

test('loading again replaces the unit; runs in flight finish on the old one', async () => {
  const source = (word: string) => onEvent(`await ctx.kv.get('x'); ctx.log.info('${word}')`)
  await bench.plugin('swap', source('old'), { key: 'default/swap' })
  let release = (): void => undefined
  const held = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined)
  })
  const before = bench.sandbox.runBatch('default/swap', [eventRun({}, () => held)])
  await bench.plugin('swap', source('new'), { key: 'default/swap' })
  const [after] = await bench.sandbox.runBatch('default/swap', [eventRun({}, async () => undefined)])
  release()
  expect(after?.logs[0]?.message).toBe('new')
  expect((await before)[0]?.logs[0]?.message).toBe('old')
})

test('a version that cannot be loaded leaves the old one live', async () => {
  await bench.plugin('keep', onEvent(`ctx.log.info('alive')`), { key: 'default/keep' })
  await expect(bench.plugin('keep', `throw new Error('at load')`, { key: 'default/keep' })).rejects.toMatchObject({
    code: 'plugin_load',
    message: 'at load (index.ts:1:7)',
    at: { plugin: 'keep' },
  })
  await expect(bench.plugin('keep', `export const x = 1`, { key: 'default/keep' })).rejects.toMatchObject({
    message: expect.stringContaining('default export'),
  })
  expect((await bench.sandbox.runBatch('default/keep', [eventRun()]))[0]?.logs[0]?.message).toBe('alive')
})

test('an unloaded unit cannot be run', async () => {
  await bench.plugin('gone', onEvent(''))
  await bench.sandbox.unload('default/gone')
  await expect(bench.sandbox.runBatch('default/gone', [eventRun()])).rejects.toMatchObject({ code: 'unavailable' })
})

test('stats name the children; the child’s environment is empty', async () => {
  const { children } = bench.sandbox.stats()
  expect(children).toHaveLength(1)
  expect(children[0]?.units).toBeGreaterThan(5)
  const { readFile } = await import('node:fs/promises')
  const environment = (await readFile(`/proc/${children[0]?.pid}/environ`, 'utf8')).split('\0').filter(Boolean)
  expect(environment.map((entry) => entry.split('=')[0]).filter((name) => !name?.startsWith('NODE_CHANNEL'))).toEqual(
    [],
  )
})
