/** Native plugins in processes of their own: they run, fail and die without taking anything along. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { createNative } from '../../core/native/host.ts'
import type { NativeService } from '../../core/native/host.ts'
import type { Run, Sandbox, Unit } from '../../core/sandbox/sandbox.ts'
import { unitLimits } from '../../core/registry/resolve.ts'
import type { Manifest } from '../../core/registry/manifest.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const DIR = fileURLToPath(new URL('../fixtures/native-plugins/echo', import.meta.url))

const unit = (key: string, hash = 'one'): Unit => ({
  key,
  bundle: { pluginId: 'echo', version: '1.2.3', code: '', sourceMap: '', hash },
  config: '{}',
  limits: unitLimits({ limits: {}, permissions: {} } as Manifest, LIMITS),
  group: 'builtin',
  native: { dir: DIR, main: 'index.ts', grant: 'all' },
})

const event = (wish: string, n = 1): Run => ({
  id: `run_${n}`,
  attempt: 1,
  input: {
    kind: 'event',
    type: 'response.submitted',
    eventJson: JSON.stringify({ id: `evt_${n}`, type: 'response.submitted', v: 1, at: '', data: { do: wish } }),
  },
  eventId: `evt_${n}`,
  seq: n,
  capabilities: async (name) => {
    if (name === 'kv.get') throw new HubError('capability_denied', 'no kv for you')
    return undefined
  },
})

interface Scene extends AsyncDisposable {
  readonly native: Sandbox
  readonly said: readonly string[]
  readonly restarts: readonly string[]
}

async function openScene(
  service: NativeService = async () => ({ texts: [], seqs: [], forms: [], formAt: [], next: 0 }),
  openWallMs = 60_000,
  silenceMs = 10_000,
): Promise<Scene> {
  const dir = await tempDir('native')
  const said: string[] = []
  const restarts: string[] = []
  const say = (_fields: unknown, message?: string): void => void said.push(message ?? '')
  const logger = { debug: say, info: say, warn: say, error: say, child: () => logger }
  const native = createNative({
    logger,
    dir: dir.path,
    service,
    onRestart: (_, why) => void restarts.push(why),
    openWallMs,
    silenceMs,
  })
  return {
    native,
    said,
    restarts,
    [Symbol.asyncDispose]: async () => {
      await native.close()
      await dir[Symbol.asyncDispose]()
    },
  }
}

test('it is opened once, its runs come back in order with what they asked for and said', async () => {
  await using scene = await openScene()
  expect(await scene.native.load(unit('default/a'))).toMatchObject({ on: ['response.submitted'], actions: ['post'] })
  const results = await scene.native.runBatch('default/a', [event('one', 1), event('two', 2)])
  expect(results.map(({ id, effects, logs, error }) => [id, effects.tally, logs[0]?.fields, error])).toEqual([
    ['run_1', [{ name: 'a.one', by: 1 }], { runs: 1 }, null],
    ['run_2', [{ name: 'a.two', by: 1 }], { runs: 2 }, null],
  ])
  const items = ['1', '2'].map((id) => JSON.stringify({ input: null, delivery: { id } }))
  const action = { ...event(''), input: { kind: 'action' as const, name: 'post', itemsJson: items } }
  expect((await scene.native.runEach('default/a', action)).value).toEqual([
    { outcome: 'delivered' },
    { outcome: 'delivered' },
  ])
  await scene.native.unload('default/a')
  expect(scene.said).toEqual(['opened', 'closed'])
  await expect(scene.native.runBatch('default/a', [event('one')])).rejects.toThrow('is not loaded')
})

test('what is thrown, and what a capability refuses, ends the run alone, with coordinates', async () => {
  await using scene = await openScene()
  await scene.native.load(unit('default/a'))
  const [threw, refused, fine] = await scene.native.runBatch('default/a', [
    event('throw', 1),
    event('ask', 2),
    event('x', 3),
  ])
  expect(threw?.error).toMatchObject({
    code: 'plugin_threw',
    message: 'as I was told',
    at: { plugin: 'echo', version: '1.2.3', installation: 'a', event: 'evt_1', attempt: 1 },
  })
  expect(threw?.error?.cause).toMatchObject({ stack: expect.stringContaining('echo/index.ts:') })
  expect(threw?.effects.tally).toEqual([])
  expect(refused?.error).toMatchObject({ code: 'capability_denied', message: 'no kv for you' })
  expect(fine?.error).toBe(null)
})

test('it dies: what was under way is told as interrupted, so that it is repeated, and the next run starts it again', async () => {
  await using scene = await openScene()
  await scene.native.load(unit('default/a'))
  const results = await scene.native.runBatch('default/a', [event('one', 1), event('die', 2), event('three', 3)])
  expect(results.map(({ error }) => error?.code ?? null)).toEqual([null, 'plugin_interrupted', 'plugin_interrupted'])
  expect(scene.restarts).toEqual([expect.stringContaining('code 7')])
  const [again] = await scene.native.runBatch('default/a', [event('three', 3)])
  expect([again?.error, again?.logs[0]?.fields]).toEqual([null, { runs: 1 }])
  const [{ pid } = { pid: 0 }] = scene.native.stats().children
  process.kill(pid, 'SIGKILL')
  await until('its end to be noticed', () => scene.restarts.length === 2)
  expect((await scene.native.runEach('default/a', event('four', 4))).error).toBe(null)
})

test.each(['hang', 'block'])(
  '%s: its process is ended, the guilty run has failed, the others are repeated',
  async (wish) => {
    await using scene = await openScene()
    const quick = { ...unit('default/a'), limits: { ...unit('default/a').limits, eventWallMs: 100 } }
    await scene.native.load(quick)
    await scene.native.load(unit('default/b'))
    const [guilty, beside] = await Promise.all([
      scene.native.runBatch('default/a', [event('one', 1), event(wish, 2), event('three', 3)]),
      scene.native.runBatch('default/b', [event('hang', 4)]),
    ])
    expect(guilty.map(({ error }) => error?.code ?? null)).toEqual([null, 'plugin_wall', 'plugin_interrupted'])
    expect(guilty[1]?.error).toMatchObject({ at: { event: 'evt_2' }, message: expect.stringContaining('100 ms') })
    expect(beside[0]?.error).toMatchObject({ code: 'plugin_interrupted' })
    expect((await scene.native.runEach('default/a', event('three', 3))).error).toBe(null)
  },
)

const route = (name: string, n: number, parts: Partial<Run> = {}): Run => ({
  ...event('', n),
  input: { kind: 'route', name: `GET ${name}`, request: { query: { asked: String(n) } } as never },
  ...parts,
})

test('a route that is late is given up alone; those beside it and their process go on', async () => {
  await using scene = await openScene()
  await scene.native.load(unit('default/a'))
  await scene.native.load(unit('acme/a'))
  const [{ pid } = { pid: 0 }] = scene.native.stats().children
  const soon = Date.now() + 100
  const beside = scene.native.runEach('acme/a', route('/until-gone', 1, { deadlineMs: soon + 1_500 }))
  const late = await Promise.all(
    [2, 3, 4].map((n) => scene.native.runEach('default/a', route('/hang', n, { deadlineMs: soon }))),
  )
  expect(late.map(({ error }) => error?.code)).toEqual(['plugin_wall', 'plugin_wall', 'plugin_wall'])
  // It was told when its own time was up, and not before.
  const { error, value } = await beside
  const { leftMs } = (value as { json: { leftMs: number } }).json
  expect([error, leftMs <= 0, leftMs > -1_000]).toEqual([null, true, true])
  expect((await scene.native.runEach('default/a', event('one', 5))).error).toBe(null)
  expect([scene.native.stats().children[0]?.pid, scene.restarts]).toEqual([pid, []])
})

test('whoever has gone is no longer worked for', async () => {
  await using scene = await openScene()
  await scene.native.load(unit('default/a'))
  const gone = new AbortController()
  const [left, stays] = [gone.signal, new AbortController().signal].map((signal, n) =>
    scene.native.runEach('default/a', route('/until-gone', n, { signal, deadlineMs: Date.now() + 500 })),
  )
  gone.abort()
  await left
  expect(scene.said).toEqual(['opened', 'gone 0'])
  await stays
  expect(scene.said).toEqual(['opened', 'gone 0', 'gone 1'])
})

test('a process that says nothing any more is ended, though none of its runs is late', async () => {
  await using scene = await openScene(undefined, undefined, 500)
  await scene.native.load(unit('default/a'))
  const blocked = await scene.native.runEach('default/a', route('/block', 1, { deadlineMs: Date.now() + 60_000 }))
  expect(blocked.error).toMatchObject({ code: 'plugin_interrupted' })
  expect((await scene.native.runEach('default/a', event('one', 2))).error).toBe(null)
})

test('new code is another process, and the old one has closed before', async () => {
  await using scene = await openScene()
  await scene.native.load(unit('default/a'))
  const [{ pid: first } = { pid: 0 }] = scene.native.stats().children
  await scene.native.load(unit('default/a', 'two'))
  const children = scene.native.stats().children
  expect(children.map(({ units }) => units)).toEqual([1])
  expect(children[0]?.pid).not.toBe(first)
  expect(scene.said).toEqual(['opened', 'closed', 'opened'])
})

test('the log is read through the hub, and a service that fails is told where it was asked', async () => {
  const text = JSON.stringify({ id: 'evt_9', type: 'response.submitted', v: 1, at: '' })
  await using scene = await openScene(async (key, name) => {
    if (key !== 'default/a' || name !== 'log.read') throw new HubError('unavailable', 'not now')
    return { texts: [text], seqs: [9], forms: [], formAt: [-1], next: 12 }
  })
  await scene.native.load(unit('default/a'))
  await scene.native.load(unit('default/b'))
  expect((await scene.native.runEach('default/a', route('/log', 1))).value).toEqual({
    json: { events: [{ id: 'evt_9', type: 'response.submitted', v: 1, at: '', seq: 9 }], next: 12 },
  })
  expect((await scene.native.runEach('default/b', route('/log', 2))).error).toMatchObject({
    code: 'unavailable',
    message: 'not now',
  })
})

test('code that cannot be loaded says why, once for each who asks', async () => {
  await using scene = await openScene()
  const broken = { ...unit('default/a'), native: { dir: DIR, main: 'missing.ts', grant: 'all' } }
  await expect(scene.native.load(broken)).rejects.toMatchObject({ code: 'plugin_load', at: { plugin: 'echo' } })
  expect((await scene.native.runEach('default/a', event('x'))).error).toMatchObject({ code: 'plugin_load' })
})

test('what never opens is ended; what is shut while it opens is closed, too', async () => {
  await using impatient = await openScene(undefined, 1_000)
  const stuck = { ...unit('default/a'), config: '{"opens":"never"}' }
  await expect(impatient.native.load(stuck)).rejects.toMatchObject({ code: 'plugin_load' })
  await using scene = await openScene()
  const late = { ...unit('default/b', 'two'), config: '{"opens":"late"}' }
  const loading = scene.native.load(late).catch(() => undefined)
  await scene.native.unload('default/b')
  await loading
  expect(scene.said).toEqual(['opened', 'closed'])
})

test('its hub is killed while its loop is blocked: it ends', async () => {
  const host = new URL('../../core/native/process.ts', import.meta.url).href
  const script = `const { NativeProcess } = await import(${JSON.stringify(host)})
    const child = new NativeProcess({ onMessage: () => child.send({ kind: 'run', key: 'default/a', lane: 1, runs: [RUN] }), onDeath: () => {} })
    child.send({ kind: 'open', key: 'default/a', main: MAIN, dir: DIR, grant: 'all', config: '{}' })
    console.log(child.pid)`
  await using dir = await tempDir('orphan')
  const run = { id: 'run_1', attempt: 1, input: event('block').input, seq: 1, deadlineMs: null, wallMs: 60_000 }
  const text = script
    .replace('RUN', JSON.stringify(run))
    .replace('MAIN', JSON.stringify(pathToFileURL(`${DIR}/index.ts`).href))
    .replace('DIR', JSON.stringify(dir.path))
  const hub = spawn(process.execPath, ['--input-type=module', '-e', text], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pid = Number(String((await once(hub.stdout, 'data'))[0]))
  await until('it to be busy', () => cpuOf(pid) > 150)
  hub.kill('SIGKILL')
  await until('it to be gone', () => cpuOf(pid) === -1)
})

/** Hundredths of a second that a process used; -1: it is gone. */
function cpuOf(pid: number): number {
  try {
    const [state, ...rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return state === 'Z' ? -1 : Number(rest[10])
  } catch {
    return -1
  }
}
