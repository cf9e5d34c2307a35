/** Points and their consequences: held back, paused, back by itself, out for good; across restarts, and never against a person. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { sleep } from '../support/wait.ts'
import { resultOf, runOf } from './runs.ts'
import { KEY, MINUTE_MS, NOON_MS, openWorld } from './world.ts'
import type { World } from './world.ts'

const PAUSE_MS = LIMITS.pluginPauseMs
const DAY_MS = LIMITS.pluginPausesWindowMs
/** So long a state that must not change is watched. */
const WATCH_MS = 100

let dir: TempDir
beforeEach(async () => {
  dir = await tempDir('accounts')
})
afterEach(() => dir[Symbol.asyncDispose]())

/** All its points are gone at once. */
async function exhaust(world: World): Promise<void> {
  await world.reaches(world.stands().state)
  world.burn(110)
  await world.reaches('paused')
}

const rowOf = async (world: World) => (await world.store.syncInstallations([]))[0]

describe('few points left', () => {
  it('one delivery at a time below 80 %, in a process of its own; as before at 90 %', async () => {
    await using world = await openWorld(dir)
    world.burn(20)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('ready')
    world.burn(1)
    expect(await world.reaches('degraded')).toMatchObject({
      reason: 'runs one delivery at a time: used 2,100 points in 1 second, mostly CPU in handler response.submitted',
      returnsAtMs: null,
    })
    expect(await rowOf(world)).toMatchObject({ state: 'degraded', reason: world.stands().reason })
    world.pass(109_000)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('degraded')
    world.pass(1_000)
    expect(await world.reaches('ready')).toMatchObject({ reason: null })
    expect(world.moves).toEqual([false, true, false])
    expect(world.alerts()).toEqual(['installation_degraded', 'installation_ready'])
  })

  it('goes on using them meanwhile: it stays degraded until it has enough', async () => {
    await using world = await openWorld(dir)
    world.burn(21)
    await world.reaches('degraded')
    world.pass(60_000)
    world.burn(3)
    world.pass(60_000)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('degraded')
    world.pass(30_000)
    await world.reaches('ready')
  })

  it('errors, failing receivers and waiting leave the points alone', async () => {
    await using world = await openWorld(dir)
    const codes: readonly ErrorCode[] = ['plugin_threw', 'http_timeout', 'breaker_open', 'plugin_invalid_result']
    for (const code of codes)
      for (let n = 0; n < 5_000; n += 1)
        world.accounting.heard(KEY, runOf(), resultOf({ code, durationMs: 20_000, httpCalls: 1 }))
    expect(world.points()).toBe(LIMITS.pluginPointsMax)
    expect(world.stands().state).toBe('ready')
  })
})

describe('no points left', () => {
  it('a pause with its reason and its end; then one at a time, then as before', async () => {
    await using world = await openWorld(dir)
    await exhaust(world)
    expect(world.stands()).toMatchObject({
      reason: 'paused until 12:10 UTC: used 11,000 points in 1 second, mostly CPU in handler response.submitted',
      returnsAtMs: NOON_MS + PAUSE_MS,
      pausesAtMs: [NOON_MS],
    })
    world.pass(PAUSE_MS - 1)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('paused')
    world.pass(1)
    expect(await world.reaches('degraded')).toMatchObject({ returnsAtMs: null, pausesAtMs: [NOON_MS] })
    expect(world.points()).toBeCloseTo(6_000, -1)
    world.pass(301_000)
    await world.reaches('ready')
    expect(world.alerts()).toEqual([
      'installation_degraded',
      'installation_paused',
      'installation_degraded',
      'installation_ready',
    ])
  })

  it('who had none left stands still, though some came back while that was written', async () => {
    await using world = await openWorld(dir)
    world.burn(110)
    world.pass(5_000)
    expect(world.stands().state).toBe('ready')
    await world.reaches('paused')
  })

  it('a killed process costs most: some of them are a pause', async () => {
    await using world = await openWorld(dir)
    for (let n = 0; n * LIMITS.pluginKilledPoints <= LIMITS.pluginPointsMax; n += 1)
      world.accounting.offended(KEY, 'killed')
    expect(await world.reaches('paused')).toMatchObject({ reason: expect.stringContaining('had to be killed') })
    expect(world.accounting.usage({ units: [] }).get(KEY)).toMatchObject({ breaches: { killed: 6 }, points: 0 })
  })

  it('code that throws as it is loaded, again and again: held back, then a pause, each with that reason, and back', async () => {
    await using world = await openWorld(dir)
    await world.loadBroken(20)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('ready')
    await world.loadBroken(1)
    const story = (points: string) => `used ${points} points in 1 second, mostly code that could not be loaded`
    expect((await world.reaches('degraded')).reason).toBe(`runs one delivery at a time: ${story('2,100')}`)
    await world.loadBroken(80)
    expect(await world.reaches('paused')).toMatchObject({
      reason: `paused until 12:10 UTC: ${story('10,100')}`,
      returnsAtMs: NOON_MS + PAUSE_MS,
    })
    expect(world.accounting.usage({ units: [] }).get(KEY)?.breaches.load).toBe(101)
    world.pass(PAUSE_MS)
    await world.reaches('degraded')
    world.pass(6 * MINUTE_MS)
    expect(await world.reaches('ready')).toMatchObject({ reason: null, returnsAtMs: null })
    expect(world.alerts()).toEqual([
      'installation_degraded',
      'installation_paused',
      'installation_degraded',
      'installation_ready',
    ])
  })

  it('what a stranger can make a transform do costs it no points, and is counted', async () => {
    await using world = await openWorld(dir)
    const { besideTransforms } = world.accounting
    for (let n = 0; n < 20; n += 1) {
      besideTransforms.offended(KEY, 'killed')
      besideTransforms.offended(KEY, 'bridge')
      besideTransforms.spent(KEY, 10_000, 'broken runs')
    }
    const used = world.accounting.usage({ units: [] }).get(KEY)
    expect(used).toMatchObject({ breaches: { killed: 20, bridge: 20 }, cpuMs: 200_000, points: LIMITS.pluginPointsMax })
    // Its own code, which no stranger chooses.
    besideTransforms.spent(KEY, 550, 'loading')
    expect(world.points()).toBeLessThan(LIMITS.pluginPointsMax)
  })

  it('the third time within a day it stays out, until a person lets it in, with all its points', async () => {
    await using world = await openWorld(dir)
    for (const _ of [1, 2]) {
      await exhaust(world)
      world.pass(PAUSE_MS)
      await world.reaches('degraded')
    }
    world.burn(110)
    expect(await world.reaches('disabled')).toMatchObject({
      reason: expect.stringContaining('ran out of points 3 times within a day'),
      returnsAtMs: null,
    })
    world.pass(PAUSE_MS)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('disabled')
    await world.roster.move(KEY, 'enable', null)
    expect(world.stands()).toMatchObject({ state: 'ready', pausesAtMs: [] })
    expect(world.points()).toBe(LIMITS.pluginPointsMax)
    await exhaust(world)
  })

  it('pauses of another day do not count', async () => {
    await using world = await openWorld(dir)
    for (const _ of [1, 2, 3, 4]) {
      await exhaust(world)
      world.pass(PAUSE_MS)
      await world.reaches('degraded')
      world.pass(DAY_MS / 2)
      await world.reaches('ready')
    }
  })

  it('CPU beside runs is counted, and a pause like any other', async () => {
    await using world = await openWorld(dir)
    const before = world.accounting.usage({ units: [] }).get(KEY)
    world.accounting.spent(KEY, 550, 'loading')
    world.accounting.spent(KEY, 500, 'ended runs')
    expect(world.points()).toBe(LIMITS.pluginPointsMax - 200)
    const after = world.accounting.usage({ units: [] }).get(KEY)
    expect(after).toMatchObject({ cpuMs: 1_050, lastMinute: { cpuMs: 1_050, runs: 0 }, runs: before?.runs })
    for (let n = 0; n < 100; n += 1) world.accounting.spent(KEY, 500, 'ended runs')
    expect(await world.reaches('paused')).toMatchObject({ reason: expect.stringContaining('CPU in ended runs') })
  })

  it('closed, it waits for nothing any more: no pause ends, and what is being written is written', async () => {
    await using world = await openWorld(dir)
    await exhaust(world)
    const writes: string[] = []
    const { setInstallationState } = world.store
    world.store.setInstallationState = (...args) => {
      writes.push('begun')
      return setInstallationState.apply(world.store, args).finally(() => writes.push('done'))
    }
    world.pass(PAUSE_MS)
    await world.reaches('degraded')
    world.burn(110)
    await world.accounting.close()
    expect(writes).toEqual(['begun', 'done', 'begun', 'done'])
    expect(world.stands().state).toBe('paused')
    world.pass(PAUSE_MS)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('paused')
    expect(writes).toHaveLength(4)
  })

  it('a return that cannot be written is tried again', async () => {
    await using world = await openWorld(dir)
    await exhaust(world)
    const { setInstallationState } = world.store
    world.store.setInstallationState = () => Promise.reject(new Error('the disk is full'))
    world.pass(PAUSE_MS)
    await sleep(WATCH_MS)
    expect(world.stands().state).toBe('paused')
    world.store.setInstallationState = setInstallationState
    world.pass(MINUTE_MS)
    await world.reaches('degraded')
  })
})

describe('across restarts', () => {
  it('a pause that is over meanwhile ends at the start; another one ends in its time', async () => {
    {
      await using world = await openWorld(dir)
      await exhaust(world)
    }
    {
      await using early = await openWorld(dir, NOON_MS + 4 * MINUTE_MS)
      await sleep(WATCH_MS)
      expect(early.stands()).toMatchObject({ state: 'paused', returnsAtMs: NOON_MS + PAUSE_MS })
      early.pass(6 * MINUTE_MS)
      await early.reaches('degraded')
      expect(early.points()).toBeCloseTo(6_000, -1)
      await exhaust(early)
    }
    await using late = await openWorld(dir, NOON_MS + 30 * MINUTE_MS)
    late.pass(0)
    expect(await late.reaches('degraded')).toMatchObject({ pausesAtMs: [NOON_MS, NOON_MS + PAUSE_MS] })
    // What the two processes before it saw still counts.
    late.burn(110)
    await late.reaches('disabled')
  })

  it('what a person or the file paused stays paused', async () => {
    {
      await using world = await openWorld(dir)
      await exhaust(world)
      await world.roster.move(KEY, 'pause', 'being looked at')
      world.pass(PAUSE_MS * 2)
      await sleep(WATCH_MS)
      expect(world.stands()).toMatchObject({ state: 'paused', reason: 'being looked at', returnsAtMs: null })
    }
    await using again = await openWorld(dir, NOON_MS + DAY_MS)
    again.pass(PAUSE_MS)
    await sleep(WATCH_MS)
    expect(again.stands()).toMatchObject({ state: 'paused', reason: 'being looked at' })
    await again.roster.move(KEY, 'resume', null)
    await exhaust(again)
    await again.apply({ paused: true })
    again.pass(PAUSE_MS * 2)
    await sleep(WATCH_MS)
    expect(again.stands()).toMatchObject({ state: 'paused', reason: 'paused in manifold.yaml', returnsAtMs: null })
  })

  it('what the file pauses while nothing runs does not come back at the start', async () => {
    {
      await using world = await openWorld(dir)
      await exhaust(world)
    }
    await using again = await openWorld(dir, NOON_MS + MINUTE_MS, { paused: true })
    again.pass(PAUSE_MS * 2)
    await sleep(WATCH_MS)
    expect(again.stands()).toMatchObject({ state: 'paused', reason: 'paused in manifold.yaml', returnsAtMs: null })
  })
})

describe('what others decide meanwhile counts', () => {
  it('a pause that another process wrote is not ended by this one', async () => {
    await using world = await openWorld(dir)
    await exhaust(world)
    const at = '2026-05-04T12:05:00Z'
    const person = { workspace: 'default', id: 'one', state: 'paused', reason: 'by a person elsewhere', at } as const
    await world.store.setInstallationState({ ...person, event: null })
    world.pass(PAUSE_MS)
    await sleep(WATCH_MS)
    expect(await rowOf(world)).toMatchObject({ state: 'paused', reason: 'by a person elsewhere', returnsAtMs: null })
    expect(world.stands()).toMatchObject({ reason: 'by a person elsewhere', returnsAtMs: null })
  })

  it('running out of points does not put an end to a pause of a person', async () => {
    await using world = await openWorld(dir)
    const at = '2026-05-04T12:05:00Z'
    const person = { workspace: 'default', id: 'one', state: 'paused', reason: 'by a person elsewhere', at } as const
    await world.store.setInstallationState({ ...person, event: null })
    world.burn(110)
    await sleep(WATCH_MS)
    world.pass(PAUSE_MS * 2)
    await sleep(WATCH_MS)
    expect(await rowOf(world)).toMatchObject({ state: 'paused', reason: 'by a person elsewhere' })
  })

  it('other settings end the pause and give back all the points', async () => {
    await using world = await openWorld(dir)
    await exhaust(world)
    await world.apply({ port: 9 })
    expect(world.stands()).toMatchObject({ state: 'ready', reason: null, returnsAtMs: null, pausesAtMs: [] })
    expect(world.points()).toBe(LIMITS.pluginPointsMax)
  })
})
