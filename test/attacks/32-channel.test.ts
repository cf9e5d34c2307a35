/**
 * A sandbox child whose whole process was taken over, and what it writes to the hub: bytes of every kind, frames without
 * end, floods, silence. Real processes; the hub's own program runs in them until the attacker's word comes up.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS, type Limits } from '../../core/limits.ts'
import { FrameReader, encodeFrames, HEAD_BYTES_MAX } from '../../core/sandbox/frames.ts'
import { childFlags } from '../../core/sandbox/process.ts'
import type { RunResult } from '../../core/sandbox/sandbox.ts'
import { type Bench, eventRun, onEvent, openBench, type PluginOptions } from '../sandbox/harness.ts'
import { UNENDING, UNREADABLE } from './channel-bytes.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { attributedTo } from './stage.ts'

/** Runs beside the child's own program: what a run asks for under the key `attack …` is done by the process itself. */
const TAKEN_OVER = `
import { Socket } from 'node:net'
import { writeSync } from 'node:fs'
const write = Socket.prototype.write
let isMute = false
const out = (bytes) => {
  for (let at = 0; at < bytes.length; )
    try { at += writeSync(3, bytes, at) } catch (error) { if (error.code !== 'EAGAIN') return }
}
const attacks = {
  bytes: (_channel, base64) => out(Buffer.from(base64, 'base64')),
  silence: (_channel, base64) => { isMute = true; out(Buffer.from(base64, 'base64')) },
  drip: (_channel, base64) => { isMute = true; out(Buffer.from(base64, 'base64')); setInterval(() => out(Buffer.from('x')), 50) },
  flood: (_channel, base64) => { const bytes = Buffer.from(base64, 'base64'); setInterval(() => out(bytes), 1) },
  deaf: (channel) => channel.pause(),
}
Socket.prototype.write = function (bytes, ...rest) {
  const word = Buffer.isBuffer(bytes) ? /attack (\\w+) ([\\w+/=]*)"/.exec(bytes.toString('latin1')) : null
  if (word !== null) attacks[word[1]](this, word[2])
  return isMute || (word !== null && word[1] !== 'deaf') ? true : write.call(this, bytes, ...rest)
}`

const FLAGS = (hardened: boolean): string[] => [
  ...childFlags(hardened),
  `--import=data:text/javascript,${encodeURIComponent(TAKEN_OVER)}`,
]
const PLUGIN = onEvent(
  `const { body } = await ctx.http({ url: 'https://x.example', method: 'POST', body: event.data.word })
   ctx.enqueue('act', { body })`,
)
const ANSWER = { status: 200, headers: {}, body: 'v', truncated: false }
const HONEST = { error: null, effects: { enqueue: [{ action: 'act', input: { body: 'v' } }] } }
const KILLED = { code: 'plugin_killed', ...attributedTo('taken') }

interface Scene extends AsyncDisposable {
  readonly bench: Bench
  /** Units that were found guilty, in order. */
  readonly killed: string[]
  /** A run of the unit `taken`, in which its process attacks. */
  attack(kind: string, bytes?: Buffer): Promise<RunResult>
  /** A run that does honest work. */
  honest(name: string): Promise<RunResult>
}

async function openScene(options: { limits?: Partial<Limits>; taken?: PluginOptions } = {}): Promise<Scene> {
  const killed: string[] = []
  const bench = await openBench(
    { childRestartBackoffMs: 0, ...options.limits },
    { flags: FLAGS, onOffence: (key, what) => what === 'killed' && void killed.push(key) },
  )
  await bench.plugin('taken', PLUGIN, options.taken ?? { group: 'own' })
  await bench.plugin('near', PLUGIN)
  const run = async (name: string, word: string): Promise<RunResult> => {
    const [result] = await bench.sandbox.runBatch(`default/${name}`, [eventRun({ word }, async () => ANSWER)])
    return result as RunResult
  }
  return {
    bench,
    killed,
    attack: (kind, bytes = Buffer.alloc(0)) => run('taken', `attack ${kind} ${bytes.toString('base64')}`),
    honest: (name) => run(name, 'x'),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  }
}

describe('bytes that are no messages: the process is ended, the run fails with a name, all others go on', () => {
  let scene: Scene
  beforeAll(async () => {
    scene = await openScene()
  })
  afterAll(() => scene[Symbol.asyncDispose]())

  test.each(Object.keys(UNREADABLE))('%s', async (name) => {
    const roll = dice(`channel ${name}`)
    const { killed, bench } = scene
    const before = { killed: killed.length, restarts: bench.restarts.length, log: bench.log.length }
    const count = rounds(1)
    for (let n = 0; n < count; n++) {
      const bytes = (UNREADABLE[name] as (typeof UNREADABLE)[string])(roll)
      const told = `${SEEDED} ${name} ${n}: ${bytes.subarray(0, 200).toString('latin1')}`
      const [result, near] = await Promise.all([scene.attack('bytes', bytes), scene.honest('near')])
      expect(result.error, told).toBeInstanceOf(HubError)
      expect(result, told).toMatchObject({ error: KILLED, effects: { enqueue: [] } })
      expect(near, told).toMatchObject(HONEST)
      expect(await scene.honest('taken'), told).toMatchObject(HONEST)
    }
    expect(({} as { name?: unknown }).name).toBeUndefined()
    expect(killed.slice(before.killed)).toEqual(Array.from({ length: count }, () => 'default/taken'))
    expect(bench.restarts.slice(before.restarts)).toEqual(
      Array.from({ length: count }, () => ({ group: 'own', why: 'the process sent something unreadable' })),
    )
    expect(bench.log.slice(before.log)).toContainEqual({
      level: 'warn',
      fields: { plugin: 'taken', version: '1.2.3', installation: 'default/taken', code: 'plugin_killed' },
      message: expect.stringContaining('something unreadable'),
    })
  })
})

test('among others: all are interrupted and can be repeated; whoever was at work is alone from then on, and guilty the next time', async () => {
  await using scene = await openScene({ taken: { group: 'community' } })
  expect(await scene.honest('near')).toMatchObject(HONEST)
  const first = await scene.attack('bytes', Buffer.from('nonsense, not a frame'))
  expect(first.error).toMatchObject({ code: 'plugin_interrupted', ...attributedTo('taken') })
  expect(scene.killed).toEqual([])
  expect(await scene.honest('near')).toMatchObject(HONEST)
  const [second, near] = await Promise.all([
    scene.attack('bytes', Buffer.from('nonsense, not a frame')),
    scene.honest('near'),
  ])
  expect(second.error).toMatchObject(KILLED)
  expect(near).toMatchObject(HONEST)
  expect(scene.killed).toEqual(['default/taken'])
  expect(scene.bench.restarts.map(({ group }) => group)).toEqual(['community', 'own'])
})

test.each(UNENDING.map((bytes, n) => [n === 0 ? 'drip' : 'silence', bytes] as const))(
  'a frame that never ends, then %s: no sign of life, as if it had crashed',
  async (kind, bytes) => {
    await using scene = await openScene({ limits: { childHeartbeatMs: 900 } })
    const [result, near] = await Promise.all([scene.attack(kind, bytes), scene.honest('near')])
    expect(result.error).toMatchObject({ code: expect.stringMatching(/^plugin_(interrupted|killed)$/) })
    expect(near).toMatchObject(HONEST)
    expect(await scene.honest('taken')).toMatchObject(HONEST)
  },
)

test('a flood of what an honest one may send: ended when it is more than anybody needs', async () => {
  await using scene = await openScene({ limits: { childBytesPerSecondMax: 2_000_000 } })
  const beats = encodeFrames(Array.from({ length: 100 }, () => ['beat', 50_000_000, [], []] as const))
  const [result, near] = await Promise.all([scene.attack('flood', beats), scene.honest('near')])
  expect(result.error).toMatchObject(KILLED)
  expect(near).toMatchObject(HONEST)
  expect(scene.bench.restarts).toEqual([{ group: 'own', why: 'the process floods the hub' }])
})

test('a process that takes nothing any more, though it beats: ended before what waits for it fills the hub', async () => {
  await using scene = await openScene({ limits: { childUnreadMsMax: 500 } })
  const attack = scene.attack('deaf')
  const big = Array.from({ length: 4 }, () =>
    scene.bench.sandbox.runEach(
      'default/taken',
      eventRun({ word: 'x'.repeat(900_000) }, async () => ANSWER),
    ),
  )
  const results = await Promise.all([attack, ...big])
  for (const { error } of results) expect(error?.code).toBe('plugin_interrupted')
  expect(scene.bench.restarts).toEqual([{ group: 'own', why: 'it takes nothing that it is sent' }])
  expect(await scene.honest('taken')).toMatchObject(HONEST)
})

test('a message that is longer than any may be: a plugin that makes one is ended, and so is a process that claims one', async () => {
  await using scene = await openScene({ limits: { childMessageBytesMax: 300_000 } })
  const body = 'x'.repeat(300_001)
  const run = eventRun({ word: body }, async () => ANSWER)
  const [result] = await scene.bench.sandbox.runBatch('default/taken', [run])
  expect(result?.error).toMatchObject({ code: 'plugin_invalid_result', ...attributedTo('taken') })
  expect(scene.bench.restarts).toEqual([])
  const claimed = encodeFrames([['stuck', 1, [], body]]).subarray(0, 100)
  expect((await scene.attack('bytes', claimed)).error).toMatchObject(KILLED)
  expect(await scene.honest('taken')).toMatchObject(HONEST)
})

test('frames come out as they went in, however they are cut on the way', () => {
  const roll = dice('cut')
  const messages = [
    ['beat', 1.5, [1, 2], [[1, 2]]],
    ['out', 7, [1], 12.25, '[{"l":1,"r":0,"v":"é😀\\n"}]'],
    ['out', 7, [], 0, ''],
    ['refused', 3, 0.5, { name: 'E', message: 'm"', stack: '\n' }],
    ['loaded', 3, 1, 'x'.repeat(70_000)],
    ['ready', []],
  ] as const
  const bytes = encodeFrames(messages)
  for (let n = 0; n < rounds(200); n++) {
    const reader = new FrameReader({ headBytesMax: HEAD_BYTES_MAX, textBytesMax: LIMITS.childMessageBytesMax })
    const read: unknown[] = []
    for (let at = 0; at < bytes.length;) {
      const length = 1 + roll.below(roll.pick([3, 100, 40_000]))
      read.push(...(reader.read(bytes.subarray(at, at + length)) ?? ['broken']))
      at += length
    }
    expect(read, SEEDED).toEqual(messages)
  }
})
