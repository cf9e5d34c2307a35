/**
 * The hub's side of the border, given frames that no honest guest sends: each is either taken for what it says of its own
 * run, or the guest is guilty. Never an exception, never somebody else's run.
 */
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { Lane } from '../../core/sandbox/lane.ts'
import { shareOut } from '../../core/sandbox/plan.ts'
import { readFrame } from '../../core/sandbox/protocol.ts'
import { parseReports, readSurface } from '../../core/sandbox/report.ts'
import type { Run, RunInput, Unit } from '../../core/sandbox/sandbox.ts'
import { openBench, UNIT_LIMITS } from '../sandbox/harness.ts'
import { childMessage, frame } from './frames.ts'
import { dice, rounds, SEEDED } from './dice.ts'

const UNIT: Unit = {
  key: 'default/forger',
  bundle: { pluginId: 'forger', version: '1.2.3', code: '', sourceMap: '', hash: '' },
  config: '{}',
  limits: UNIT_LIMITS,
  group: 'community',
}
const INPUTS: readonly RunInput[] = [
  { kind: 'event', type: 'response.submitted', eventJson: '{}' },
  { kind: 'action', name: 'act', itemsJson: ['{}', '{}'] },
  { kind: 'schedule', name: 's', tick: { at: '', missed: 0 } },
  {
    kind: 'route',
    name: 'GET /',
    request: { method: 'GET', path: '/', params: {}, query: {}, headers: {}, form: [], scopes: [], body: '' },
  },
]
const logger = { debug() {}, info() {}, warn() {}, error: (fields: object) => faults.push(fields), child: () => logger }
const faults: object[] = []

interface Open {
  readonly lane: Lane
  readonly asked: string[]
  isGuilty: boolean
}

function openLane(id: number, inputs: readonly RunInput[]): Open {
  const open: Open = {
    asked: [],
    isGuilty: false,
    lane: new Lane({
      id,
      unit: UNIT,
      runs: inputs.map((input, n): Run => ({
        id: `run_${id}_${n}`,
        attempt: n + 1,
        input,
        eventId: `evt_${n}`,
        capabilities: async (name) => {
          open.asked.push(name)
          throw new HubError('capability_denied', 'not granted')
        },
      })),
      bounds: LIMITS,
      logger,
      command: (text) => void JSON.parse(text),
      onHostile: () => (open.isGuilty = true),
      onOver: () => (open.isGuilty = true),
    }),
  }
  return open
}

test('generated frames: taken or guilty, one lane at a time, no exception', async () => {
  const roll = dice('frames')
  const ends = { unreadable: 0, results: 0, failed: 0, guilty: 0 }
  for (let n = 0; n < rounds(3_000); n++) {
    const inputs = roll.some(INPUTS, 1 + roll.below(3))
    const mine = openLane(5, inputs)
    const other = openLane(6, inputs)
    const text = frame(roll, { lane: 5, run: 0 })
    const told = `${SEEDED} frame ${n}: ${text.slice(0, 1_000)}`
    const reports = parseReports(text)
    if (reports === null) {
      ends.unreadable += 1
      continue
    }
    // As the keeper does it, for a slice in which lane 5 took part.
    const open = new Map([[5, mine.lane]])
    const { byLane, cpu } = shareOut({ reports, lanes: [5], cpuUs: 1_000, readingUs: 1_000, open })
    expect(cpu.shareUs * inputs.length, told).toBeGreaterThanOrEqual(1_000)
    expect(cpu.readingUs, told).toBe(cpu.shareUs)
    for (const [id, list] of byLane) open.get(id)?.take(list, { ...cpu, chars: text.length })
    await Promise.resolve()
    expect(other.lane.results, told).toEqual([])
    expect(mine.lane.results.length, told).toBeLessThanOrEqual(inputs.length)
    for (const [at, result] of mine.lane.results.entries()) {
      expect(result.id, told).toBe(`run_5_${at}`)
      if (result.error === null) ends.results += 1
      else {
        ends.failed += 1
        expect(result.error, told).toBeInstanceOf(HubError)
        expect(result.error.code, told).toMatch(/^(plugin_(threw|invalid_result)|capability_(limit|input|denied))$/)
        expect(result.error.at, told).toEqual({
          plugin: 'forger',
          version: '1.2.3',
          installation: 'forger',
          event: `evt_${at}`,
          attempt: at + 1,
        })
        expect(result.effects.enqueue, told).toEqual([])
      }
    }
    if (mine.isGuilty) ends.guilty += 1
    expect(Object.keys({}).concat(Object.keys([])), told).toEqual([])
    expect(({} as { polluted?: unknown }).polluted, told).toBeUndefined()
  }
  expect(faults, SEEDED).toEqual([])
  for (const [end, count] of Object.entries(ends)) expect(count, `${SEEDED} ${end}`).toBeGreaterThan(0)
})

test('a surface is names, whatever was said', () => {
  const roll = dice('surface')
  for (let n = 0; n < rounds(500); n++) {
    const surface = readSurface(frame(roll, { lane: 1, run: 0 }))
    const { transform, check, ...lists } = surface
    expect([typeof transform, typeof check]).toEqual(['boolean', 'boolean'])
    for (const list of Object.values(lists)) for (const name of list as unknown[]) expect(typeof name).toBe('string')
  }
})

test('a child whose process was taken over: what it may say, or its end', async () => {
  const roll = dice('child')
  for (let n = 0; n < rounds(2_000); n++) {
    const text = `[${Array.from({ length: roll.below(3) }, () => childMessage(roll)).join()}]`
    // oxlint-disable-next-line typescript/no-implied-eval -- what a child may send is more than JSON
    const value: unknown = new Function(`return ${text}`)()
    const read = readFrame(value)
    if (read !== null)
      for (const [kind] of read) expect(kind, text).toMatch(/^(ready|beat|loaded|refused|out|stray|breach|stuck)$/)
  }
  for (const odd of [
    undefined,
    null,
    1,
    'x',
    {},
    [[]],
    [['out']],
    [['beat', -1, []]],
    [['beat', 1, [1.5]]],
    [['toString']],
  ])
    expect(readFrame(odd), JSON.stringify(odd)).toBeNull()
})

test('children that send generated messages: each is ended, its neighbours in another process go on', async () => {
  const roll = dice('process')
  // The hub's own program runs in the child; what it sends is replaced now and then by what the attacker likes better.
  const list = `[${Array.from({ length: 400 }, () => childMessage(roll)).join()}]`
  const evil = `import { Socket } from 'node:net'; const list = ${list}; let n = 0; const write = Socket.prototype.write;
    const frame = (message) => {
      let head = 'x'
      try { head = JSON.stringify(message) } catch {}
      const sizes = Buffer.alloc(8); sizes.writeUInt32LE(Buffer.byteLength(head)); return Buffer.concat([sizes, Buffer.from(head)])
    }
    let isTaken = false
    Socket.prototype.write = function (bytes, ...rest) {
      if (!isTaken) setInterval(() => write.call(this, frame(list[n++ % list.length])), 5).unref()
      isTaken = true
      return write.call(this, n++ % 3 === 2 ? frame(list[n % list.length]) : bytes, ...rest)
    }`
  const { childFlags } = await import('../../core/sandbox/process.ts')
  const { createSandbox } = await import('../../core/sandbox/pool.ts')
  const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
  const ended: string[] = []
  await using bench = await openBench()
  const unit = await bench.unit(
    'taken',
    `import { definePlugin } from 'manifold/plugin'\nexport default definePlugin({ on: { 'response.submitted': () => {} } })`,
  )
  const taken = createSandbox({
    logger: quiet,
    limits: { ...LIMITS, childRestartBackoffMs: 0 },
    flags: (hardened) => [...childFlags(hardened), `--import=data:text/javascript,${encodeURIComponent(evil)}`],
    onRestart: (_group, why) => void ended.push(why),
  })
  await bench.plugin(
    'free',
    `import { definePlugin } from 'manifold/plugin'\nexport default definePlugin({ on: { 'response.submitted': (e, ctx) => ctx.enqueue('a', 1) } })`,
  )
  await taken.load(unit).catch(() => undefined)
  for (let n = 0; n < 10; n++) {
    const result = await taken
      .runBatch(unit.key, [{ id: `run_${n}`, attempt: 1, input: INPUTS[0] as RunInput, capabilities: async () => 'v' }])
      .catch((error: unknown) => error)
    // No result, or one of this very run.
    if (Array.isArray(result)) expect(result).toMatchObject([{ id: `run_${n}` }])
    else expect(result, SEEDED).toBeInstanceOf(HubError)
    const [free] = await bench.sandbox.runBatch('default/free', [
      { id: 'run_free', attempt: 1, input: INPUTS[0] as RunInput, capabilities: async () => 'v' },
    ])
    expect(free).toMatchObject({ error: null, effects: { enqueue: [{ action: 'a', input: 1 }] } })
  }
  await taken.close()
  expect(ended.join(), SEEDED).toContain('something unreadable')
})

test('a run that is over its time is served no more, and told nothing that it asked for before', async () => {
  const told: string[] = []
  let answer = (_value: null): void => {}
  const asked: string[] = []
  const run: Run = {
    id: 'run_1',
    attempt: 1,
    input: INPUTS[0] as RunInput,
    capabilities: (name) => {
      asked.push(name)
      return new Promise((resolve) => (answer = resolve))
    },
  }
  const nothing = (): void => {}
  const common = { id: 7, unit: UNIT, bounds: LIMITS, logger, onHostile: nothing, onOver: nothing }
  const lane = new Lane({ ...common, runs: [run], command: (text) => told.push(text) })
  const slice = { isAlone: true, shareUs: 10, readingUs: 0, chars: 100 }
  const call = (c: number) => lane.take([{ l: 7, r: 0, c, n: 'kv.get', a: { key: 'a' } }], slice)
  call(1)
  lane.sweep(performance.now() + UNIT_LIMITS.eventWallMs)
  expect(told.splice(0)).toEqual(['{"k":"skip","l":7,"r":0}'])
  call(2)
  answer(null)
  await setImmediate()
  expect([asked, told]).toEqual([['kv.get'], []])
  lane.sweep(performance.now() + 2 * UNIT_LIMITS.eventWallMs)
  expect(lane.results).toMatchObject([{ error: { code: 'plugin_wall' }, hostOps: 2 }])
})
