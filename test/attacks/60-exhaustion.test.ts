/** Using things up: CPU, memory, output, handles. Each ends as a failure of its own, and the neighbour answers right. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { COUNTED, PLACES, SLOW_WORKS, WORKS } from './exhaust-grammar.ts'
import { attributedTo, openStage, type Stage } from './stage.ts'

/** Of the works: those that take memory, which get the time to take it. */
const GREEDY = /^(arrays|strings|buffers|closures|keys of a Map|promises|weak references|a Set of symbols)/
const GREED = { heapMb: 8, sliceMs: 3_000, cpuMs: 5_000, eventWallMs: 8_000 }
const SHORT = { heapMb: 16, sliceMs: 100, cpuMs: 150, eventWallMs: 1_500 }
let stage: Stage
beforeAll(async () => {
  stage = await openStage({ childRssMb: 256 })
})
afterAll(() => stage[Symbol.asyncDispose]())

/** A breach, an allocation that was refused, or the wall: nothing else can come of these. */
const ENDS = /^(plugin_(cpu|memory|killed|wall|threw)|capability_(limit|input))$/

async function ruin(name: string, work: string, code: string): Promise<string> {
  const told = `${SEEDED} ${work}`
  await stage.puppet(name, { limits: GREEDY.test(work) ? GREED : SHORT })
  const { error, effects } = await stage.play(name, code)
  expect(error, told).toBeInstanceOf(HubError)
  expect(error?.code, `${told}: ${error?.message}`).toMatch(ENDS)
  expect(error, told).toMatchObject(attributedTo(name))
  expect(effects.enqueue, told).toEqual([])
  await stage.bench.sandbox.unload(`default/${name}`)
  return error?.code ?? ''
}

/** Each work once in a place of its own, each place at least once; more by chance when more is asked for. */
function plan(): (readonly [string, string])[] {
  const roll = dice('exhaustion')
  const [works, places] = [Object.entries(WORKS), Object.entries(PLACES)]
  const order = roll.some(places, places.length)
  const pairs = works.map(([work, code], n) => {
    const [place, frame] = order[n % order.length] as [string, string]
    return [`${work} ${place}`, frame.replaceAll('WORK', code)] as const
  })
  const more = Array.from({ length: rounds(12) }, () => {
    const [[work, code], [place, frame]] = [roll.pick(works), roll.pick(places)]
    return [`${work} ${place}`, frame.replaceAll('WORK', code)] as const
  })
  return [...pairs, ...Object.entries(SLOW_WORKS), ...more]
}

test('work without end, wherever it hides', async () => {
  const all = plan()
  const ends = new Map<string, number>()
  for (let n = 0; n < all.length; n += 3) {
    const codes = await Promise.all(all.slice(n, n + 3).map(([told, code], m) => ruin(`ruin-${n + m}`, told, code)))
    for (const code of codes) ends.set(code, (ends.get(code) ?? 0) + 1)
    expect(await stage.neighbour(n), SEEDED).toEqual({ n, got: 'v' })
  }
  expect(ends.get('plugin_cpu') ?? 0, JSON.stringify([...ends])).toBeGreaterThan(5)
  expect(ends.get('plugin_memory') ?? 0, JSON.stringify([...ends])).toBeGreaterThan(0)
}, 90_000)

test.each(Object.entries(COUNTED))('more %s than there may be', async (what, code) => {
  await stage.puppet('glutton', { limits: { eventWallMs: 3_000 } })
  const { error, effects } = await stage.play('glutton', code)
  expect(error?.code, error?.message).toMatch(
    /^(capability_limit|capability_input|plugin_invalid_result|plugin_threw)$/,
  )
  expect(error, what).toMatchObject(attributedTo('glutton'))
  expect(effects).toEqual({ enqueue: [], kv: [], emit: [], tally: [], metric: [] })
  expect(await stage.neighbour(1)).toEqual({ n: 1, got: 'v' })
})

test('lines of a log are bounded, each and together, and those that were left out are counted', async () => {
  await stage.puppet('talker')
  const { error, logs, logsDropped } = await stage.play(
    'talker',
    'for (let n = 0; n < 5000; n++) ctx.log.info("x".repeat(10_000), { a: "y".repeat(10_000) }); console.log("z".repeat(1e6))',
  )
  expect(error).toBeNull()
  expect(logs).toHaveLength(100)
  expect(logsDropped).toBe(4_901)
  expect(JSON.stringify(logs).length).toBeLessThan(100 * 7_000)
})
