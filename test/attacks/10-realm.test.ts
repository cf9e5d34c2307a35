/** Realm escapes: from everything a plugin can touch, by every step we could think of, to anything of the host. */
import { writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import type { Run } from '../../core/sandbox/sandbox.ts'
import { tempDir } from '../support/temp.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { chainOf, COLLECT, PATHS, payload, SOURCES } from './realm-grammar.ts'
import { attributedTo, openStage, type Stage } from './stage.ts'

const CANARY = 'canary-7f3e9a51c2'
let stage: Stage
let file = ''
let globals: readonly string[] = []

const answers: Run['capabilities'] = async (_name, args) => {
  if (JSON.stringify(args).includes('refused')) throw new HubError('capability_denied', 'This is refused')
  return { status: 200, headers: { a: 'b' }, body: '{"c":1}', truncated: false }
}
const ROOMY = { heapMb: 128, hostOpsMax: 100_000, httpCallsMax: 10_000, cpuMs: 5_000, sliceMs: 2_000 }

beforeAll(async () => {
  const dir = await tempDir('realm')
  file = dir.file('canary')
  await writeFile(file, CANARY)
  process.env['MANIFOLD_ATTACK_CANARY'] = CANARY
  Object.assign(globalThis, { MANIFOLD_ATTACK_CANARY: CANARY })
  stage = await openStage()
  await stage.puppet('puppet', { limits: ROOMY })
  const { logs } = await stage.play('puppet', 'ctx.log.info(Reflect.ownKeys(globalThis).map(String).join())')
  globals = logs[0]?.message.split(',') ?? []
  return async () => {
    delete process.env['MANIFOLD_ATTACK_CANARY']
    await dir[Symbol.asyncDispose]()
  }
})
afterAll(() => stage[Symbol.asyncDispose]())

/** What the payload says it got hold of; the canary may come back by no way at all. */
async function spoils(code: string): Promise<readonly string[]> {
  const result = await stage.play('puppet', code, answers)
  expect(JSON.stringify(result), `${SEEDED} ${code.slice(-400)}`).not.toContain(CANARY)
  if (result.error !== null)
    expect(result.error, `${SEEDED} ${code.slice(-400)}`).toMatchObject({
      code: expect.stringMatching(/^plugin_(threw|invalid_result)$/),
      ...attributedTo('puppet'),
    })
  return collected('puppet')
}

async function collected(name: string): Promise<readonly string[]> {
  const { logs } = await stage.play(name, COLLECT)
  return JSON.parse(logs.at(-1)?.message ?? '["nothing was collected"]') as string[]
}

test('the judge sees an escape when there is one', async () => {
  await stage.puppet('open', { limits: ROOMY })
  const code = payload('globalThis', [['(x) => x']], file)
  await stage.play('open', `globalThis.process = { pid: 1, env: {} }; globalThis.Atomics = {}; ${code}`, answers)
  const found = (await collected('open')).join()
  for (const word of ['ESCAPED process', 'ESCAPED Atomics', 'ESCAPED [object Object]']) expect(found).toContain(word)
})

test('every source by every single step reaches nothing of the host', async () => {
  expect(globals.length).toBeGreaterThan(60)
  const sources = [...SOURCES, ...globals.map((name) => `globalThis[${JSON.stringify(name)}]`)]
  const got: string[] = []
  for (const source of sources) {
    const code = payload(
      source,
      PATHS.map((path) => [path]),
      file,
    )
    for (const text of await spoils(code)) got.push(`${source}: ${text}`)
  }
  expect(got, SEEDED).toEqual([])
  expect(await stage.neighbour(1)).toEqual({ n: 1, got: 'v' })
})

test('neither do longer ways, drawn by chance', async () => {
  const roll = dice('realm')
  const got: string[] = []
  for (let round = 0; round < rounds(40); round++) {
    const source = roll.pick(SOURCES)
    const chains = Array.from({ length: 25 }, () => chainOf(roll))
    for (const text of await spoils(payload(source, chains, file))) got.push(`${source}: ${text}`)
  }
  expect(got, SEEDED).toEqual([])
  expect(await stage.neighbour(2)).toEqual({ n: 2, got: 'v' })
})

test('what is thrown at the host or answered to it is taken as text, and the failure has a name', async () => {
  const hooks = ['name', 'message', 'stack', 'code', 'cause', 'toString', 'then', 'toJSON', 'constructor']
  for (const [n, hook] of hooks.entries()) {
    const spy = `const seen = (globalThis.seen ??= []); const trap = new Proxy({}, { get(t, k, r) { seen.push(r, new Error('x')); return k === ${JSON.stringify(hook)} ? { get constructor() { return Function } } : undefined } });`
    for (const way of [
      'throw trap',
      'return trap',
      `throw Object.defineProperty(new Error('e'), ${JSON.stringify(hook)}, { get() { seen.push(this, arguments); return trap } })`,
    ]) {
      const { error } = await stage.play('puppet', `${spy} ${way}`, answers)
      if (error !== null) expect(error.at, way).toMatchObject({ plugin: 'puppet', installation: 'puppet', attempt: 1 })
    }
    const code = payload(
      'globalThis.seen',
      PATHS.slice(0, 12).map((path) => [path]),
      file,
    )
    expect(await spoils(code), `${n} ${hook}`).toEqual([])
  }
})
