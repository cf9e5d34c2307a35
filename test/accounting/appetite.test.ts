/** Heavy eaters are put where nobody feels them, without being told off. */
import { expect, it } from 'vitest'
import { Appetite } from '../../core/accounting/appetite.ts'
import { LIMITS } from '../../core/limits.ts'
import { tempDir } from '../support/temp.ts'
import { resultOf, runOf } from './runs.ts'
import { KEY, openWorld } from './world.ts'

const { pluginApartCpuFraction: FRACTION, pluginApartRunMs: RUN_MS } = LIMITS

/** Ten seconds of runs like this, one after the other. */
function eater(run: { readonly cpuMs: number; readonly everyMs: number }): Appetite {
  const appetite = new Appetite(LIMITS, 0)
  for (let atMs = run.everyMs; atMs <= 10_000; atMs += run.everyMs) appetite.ate(run.cpuMs, atMs)
  return appetite
}

it('most of a core by long runs is heavy; less of it, or as much by short runs, is not', () => {
  expect(eater({ cpuMs: FRACTION * 100 + 2, everyMs: 100 }).isHeavy(10_000)).toBe(true)
  expect(eater({ cpuMs: FRACTION * 100 - 2, everyMs: 100 }).isHeavy(10_000)).toBe(false)
  expect(eater({ cpuMs: RUN_MS + 0.1, everyMs: RUN_MS + 1 }).isHeavy(10_000)).toBe(true)
  expect(eater({ cpuMs: RUN_MS - 0.1, everyMs: RUN_MS }).isHeavy(10_000)).toBe(false)
  expect(eater({ cpuMs: 0.4, everyMs: 0.4 }).isHeavy(10_000)).toBe(false)
})

it('stays heavy for a minute after it was', () => {
  const appetite = eater({ cpuMs: 90, everyMs: 100 })
  expect(appetite.isHeavy(60_000)).toBe(true)
  expect(appetite.isHeavy(75_000)).toBe(false)
})

it('a heavy one is put apart with all its points, and back when it eats less', async () => {
  await using dir = await tempDir('accounts')
  await using world = await openWorld(dir)
  const eat = (cpuMs: number): void => world.accounting.heard(KEY, runOf(), resultOf({ cpuMs }))
  for (let n = 0; n < 100; n += 1) {
    world.pass(50)
    eat(40)
  }
  expect(world.moves).toEqual([false, true])
  expect(world.stands().state).toBe('ready')
  expect(world.points()).toBe(LIMITS.pluginPointsMax)
  for (let n = 0; n < 70; n += 1) {
    world.pass(1_000)
    eat(1)
  }
  expect(world.moves).toEqual([false, true, false])
})
