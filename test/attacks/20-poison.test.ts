/**
 * Poisoned built-ins: the plugin replaces parts of its realm, then makes honest calls. The bridge, which lives in the same
 * realm, may fail with it; the hub may neither be fooled nor fall, and the same plugin installed twice shares nothing.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import type { GuestEffects, RunResult } from '../../core/sandbox/sandbox.ts'
import { dice, type Dice, rounds, SEEDED } from './dice.ts'
import { attributedTo, openStage, type Stage } from './stage.ts'

const SHORT = { sliceMs: 100, cpuMs: 200, eventWallMs: 700 }
const HONEST = `ctx.log.info('said'); ctx.kv.set('k', { a: [1] }); ctx.tally('t', 2); ctx.metric('m', 1)
ctx.enqueue('act', { n: [1, 2] }, { key: 'key' }); ctx.emit('e', { d: 1 })
const got = await ctx.kv.get('x'); const http = await ctx.http({ url: 'https://a.test', json: { a: 1 } })
ctx.enqueue('act', { got: got.body, status: http.status })`
const EFFECTS: GuestEffects = {
  enqueue: [
    { action: 'act', input: { n: [1, 2] }, key: 'key' },
    { action: 'act', input: { got: 'v', status: 200 } },
  ],
  kv: [{ key: 'k', value: { a: [1] } }],
  emit: [{ name: 'e', data: { d: 1 } }],
  tally: [{ name: 't', by: 2 }],
  metric: [{ name: 'm', by: 1 }],
}
/** What the bridge itself calls while it runs. */
const NEAR = [
  'Array.prototype.join',
  'Array.prototype.join',
  'Array.prototype.slice',
  'Map.prototype.get',
  'Map.prototype.set',
  'Map.prototype.delete',
  'Map.prototype.values',
  'String.prototype.slice',
  'String.prototype.startsWith',
  'Promise.prototype.then',
  'Object.hasOwn',
  'Object.keys',
]
/** Property names of the bridge's own messages, and positions in its lists. */
const TRAPS = [
  '0',
  '1',
  'length',
  'then',
  'toJSON',
  'l',
  'r',
  'c',
  'n',
  'a',
  'v',
  'e',
  'q',
  'k',
  'm',
  't',
  'p',
  'g',
  'x',
  'w',
  'ended',
  'code',
  'get',
  'set',
  'value',
  'calls',
  'run',
]
const EVILS: readonly string[] = [
  '() => { throw new Error("poison") }',
  '() => undefined',
  '() => "[]"',
  '() => ({ then() {} })',
  '() => new Proxy([], {})',
  'function (...args) { return old === undefined ? this : Reflect.apply(old, this, args.concat([[1]])) }',
  'function (...args) { const got = Reflect.apply(old, this, args); return typeof got === "string" ? got.replace(/"r":0/, \'"r":1\') : got }',
  'function (...args) { const got = Reflect.apply(old, this, args); return typeof got === "string" ? got + got : got }',
  '() => "{\\"l\\":1,\\"r\\":0,\\"v\\":null}"',
  'function () { return Array.isArray(this) ? "{\\"l\\":1,\\"r\\":0,\\"e\\":{\\"q\\":[{\\"action\\":\\"forged\\"}]}}" : this }',
  'function* () { for (;;) yield 1 }',
  // Reports that are right but for one part.
  ...[
    '{"q":[{"action":7,"input":1}]}',
    '{"q":[{"action":"act"}]}',
    '{"k":[{"key":"","value":1}]}',
    '{"t":[{"name":"t","by":"1"}]}',
    '{"m":[{"name":"e","data":[]}]}',
    'null',
  ].map(
    (effects) =>
      `function (...args) { const got = Reflect.apply(old, this, args); return typeof got === 'string' && got.startsWith('{"l":') ? got.replace(/^(.{1,40}"r":\\d+)(?!.*"c":).*$/, '$1,"e":${effects}}') : got }`,
  ),
]

let stage: Stage
let targets: readonly string[] = []
beforeAll(async () => {
  stage = await openStage()
  await stage.puppet('scout')
  const { logs } = await stage.play(
    'scout',
    `const out = []
    for (const name of Object.getOwnPropertyNames(globalThis)) {
      const d = Object.getOwnPropertyDescriptor(globalThis, name); const it = d.value
      if (typeof it === 'function') out.push('globalThis.' + name)
      for (const [where, o] of [[name, it], [name + '.prototype', it?.prototype]]) if (o !== undefined && o !== null && (typeof o === 'object' || typeof o === 'function') && name !== 'globalThis' && name !== 'self')
        for (const key of Object.getOwnPropertyNames(o)) if (typeof Object.getOwnPropertyDescriptor(o, key).value === 'function') out.push(where + '.' + key)
    }
    for (let at = 0; at < out.length; at += 40) ctx.log.info(out.slice(at, at + 40).join())`,
  )
  targets = logs.flatMap(({ message }) => message.split(','))
})
afterAll(() => stage[Symbol.asyncDispose]())

/** Code that spoils one part of the realm. */
function poison(roll: Dice): string {
  const evil = roll.pick(EVILS)
  if (roll.below(3) === 0) {
    const owner = roll.pick(['Object', 'Array', 'Map', 'Promise', 'String', 'Function'])
    const key = JSON.stringify(roll.pick(TRAPS))
    const kind = roll.pick([
      `value: (() => { const old = undefined; return ${evil} })(), writable: true`,
      'set(v) {}, get() { return 1 }',
      `set(v) { Object.defineProperty(this, ${key}, { value: typeof v === 'string' ? v.replace('"r":0', '"r":-1') : [v], writable: true, configurable: true }) }`,
    ])
    return `Object.defineProperty(${owner}.prototype, ${key}, { configurable: true, ${kind} })`
  }
  const path = roll.pick(roll.below(2) === 0 ? NEAR : targets)
  const at = path.lastIndexOf('.')
  return `{ const owner = ${path.slice(0, at)}; const old = owner.${path.slice(at + 1)}; Object.defineProperty(owner, ${JSON.stringify(path.slice(at + 1))}, { value: ${evil}, writable: true, configurable: true }) }`
}

/** What the rest of the hub relies on. */
const SHAPES: Readonly<Record<keyof GuestEffects, (item: Readonly<Record<string, unknown>>) => boolean>> = {
  enqueue: ({ action, input, key, ...rest }) =>
    typeof action === 'string' &&
    input !== undefined &&
    ['undefined', 'string'].includes(typeof key) &&
    Object.keys(rest).length === 0,
  kv: ({ key, value, ...rest }) =>
    typeof key === 'string' && key !== '' && value !== undefined && Object.keys(rest).length === 0,
  emit: ({ name, data }) => typeof name === 'string' && typeof data === 'object' && data !== null,
  tally: ({ name, by }) => typeof name === 'string' && Number.isFinite(by),
  metric: ({ name, by }) => typeof name === 'string' && Number.isFinite(by),
}

/** Either what an honest guest would have sent, or a failure with a name; nothing between, whatever its code. */
function judge({ error, effects, logs }: RunResult, name: string, told: string): 'whole' | 'failed' | 'changed' {
  if (error !== null) {
    expect(error, told).toBeInstanceOf(HubError)
    expect(error, told).toMatchObject(attributedTo(name))
    expect(effects.enqueue, told).toEqual([])
    return 'failed'
  }
  for (const [list, fits] of Object.entries(SHAPES))
    for (const item of effects[list as keyof GuestEffects])
      expect(fits(item as never), `${told}: ${JSON.stringify(item)}`).toBe(true)
  for (const { message } of logs) expect(typeof message, told).toBe('string')
  return JSON.stringify(effects) === JSON.stringify(EFFECTS) ? 'whole' : 'changed'
}

async function round(n: number, roll: Dice): Promise<string> {
  const name = `vandal-${n}`
  const poisons = Array.from({ length: 1 + roll.below(5) }, () => `try { ${poison(roll)} } catch {}`).join('\n')
  const told = `${SEEDED} round ${n}\n${poisons}`
  await stage.puppet(name, { limits: SHORT })
  const twin = `twin-${n}`
  await stage.bench.plugin(name, TWIN, { key: `default/${twin}`, limits: SHORT })
  const first = judge(await stage.play(name, `${poisons}\n${HONEST}`), name, told)
  const second = judge(await stage.play(name, HONEST), name, told)
  const { error, effects } = await stage.play(twin, HONEST)
  expect([error, effects], `the twin of ${told}`).toEqual([null, EFFECTS])
  await Promise.all([stage.bench.sandbox.unload(`default/${name}`), stage.bench.sandbox.unload(`default/${twin}`)])
  return `${first} ${second}`
}

const TWIN = `import { definePlugin } from 'manifold/plugin'
const AsyncFunction: any = (async () => {}).constructor
export default definePlugin({ on: { 'response.submitted': async (event: any, ctx) => new AsyncFunction('event', 'ctx', event.data.code)(event, ctx) } })`

test('whatever is poisoned: a whole result or a failure with a name, the twin untouched, the hub up', async () => {
  expect(targets.length).toBeGreaterThan(500)
  const roll = dice('poison')
  const ends = new Map<string, number>()
  const count = rounds(60)
  for (let n = 0; n < count; n += 4) {
    const several = await Promise.all([0, 1, 2, 3].map((m) => round(n + m, roll)))
    for (const end of several) ends.set(end, (ends.get(end) ?? 0) + 1)
    expect(await stage.neighbour(n), SEEDED).toEqual({ n, got: 'v' })
  }
  // Most poisons miss the bridge, which took its own tools before; some do not: otherwise nothing was tried.
  expect(ends.get('whole whole') ?? 0, SEEDED).toBeGreaterThan(count / 4)
  expect(ends.size, JSON.stringify([...ends])).toBeGreaterThan(1)
})
