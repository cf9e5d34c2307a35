/** Every row of `core/limits.ts` is tripped by a case of its own; a row without one fails here and does not compile. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import type { LimitName } from '../../core/limits.ts'
import { ROOT } from '../support/hub.ts'
import { entering } from './limit-cases/entering.ts'
import { filters } from './limit-cases/filters.ts'
import { history } from './limit-cases/history.ts'
import { leaving } from './limit-cases/leaving.ts'
import { live } from './limit-cases/live.ts'
import { fixturesAreWhole, plugins } from './limit-cases/plugins.ts'
import { transforms } from './limit-cases/transforms.ts'
import { waiting } from './limit-cases/waiting.ts'
import { openWorld } from './limit-cases/world.ts'
import type { LimitCase, World } from './limit-cases/world.ts'

const CASES: Readonly<Record<LimitName, LimitCase>> = {
  ...entering,
  ...waiting,
  ...filters,
  ...plugins,
  ...transforms,
  ...leaving,
  ...live,
  ...history,
}

let world: World
beforeAll(async () => {
  await fixturesAreWhole()
  world = await openWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

test('every row has a case, and every case a row', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(Object.keys(LIMITS).toSorted())
})

test.each(Object.keys(LIMITS) as LimitName[])('%s is tripped', async (name) => {
  const it = CASES[name]
  if (typeof it === 'function') return await it(world)
  // Tripped elsewhere: then that test must exist under that name, and not be set aside.
  expect(existsSync(ROOT + it.in), `${it.in} does not exist`).toBe(true)
  expect(titlesOf(readFileSync(ROOT + it.in, 'utf8')), it.in).toContain(it.test)
})

/** Titles of the tests in a file, as written. */
function titlesOf(source: string): string[] {
  const calls = source.matchAll(
    /\b(?:test|it)(?:\.each(?:<[^(]*>)?\((?:[^()]|\([^()]*\))*\))?\(\s*(?:'((?:[^'\\\n]|\\.)*)'|`([^`]*)`|"([^"\n]*)")/g,
  )
  return [...calls].map((match) => (match[1] ?? match[2] ?? match[3] ?? '').replaceAll("\\'", "'"))
}
