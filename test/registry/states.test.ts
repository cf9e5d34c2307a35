/** The table of installation states: every move that is allowed, and a throw for every one that is not. */
import { expect, it } from 'vitest'
import { HubError } from '../../core/errors.ts'
import { INSTALLATION_STATES } from '../../core/model.ts'
import type { InstallationMove } from '../../core/registry/states.ts'
import { INSTALLATION_MOVES, isRunning, moveInstallation } from '../../core/registry/states.ts'

it('allows exactly what the table says', () => {
  const allowed: string[] = []
  for (const state of INSTALLATION_STATES) {
    for (const move of Object.keys(INSTALLATION_MOVES) as InstallationMove[]) {
      try {
        allowed.push(`${state} ${move} ${moveInstallation(state, move)}`)
      } catch (error) {
        expect(error).toBeInstanceOf(HubError)
        expect((error as HubError).message).toContain(`An installation that is ${state} cannot ${move}`)
      }
    }
  }
  const table = Object.entries(INSTALLATION_MOVES).flatMap(([name, { from, to }]) =>
    from.map((state) => `${state} ${name} ${to}`),
  )
  expect(allowed.toSorted()).toEqual(table.toSorted())
})

it('can leave every state, and reach every other one from ready', () => {
  const reachable = new Set<string>(['ready'])
  for (let size = 0; size !== reachable.size;) {
    size = reachable.size
    for (const { from, to } of Object.values(INSTALLATION_MOVES))
      if (from.some((state) => reachable.has(state))) reachable.add(to)
  }
  expect([...reachable].toSorted()).toEqual([...INSTALLATION_STATES].toSorted())
  for (const state of INSTALLATION_STATES) {
    expect(
      Object.values(INSTALLATION_MOVES).some(
        ({ from, to }) => (from as readonly string[]).includes(state) && to !== state,
      ),
    ).toBe(true)
  }
})

it('only ready and degraded run', () => {
  expect(INSTALLATION_STATES.filter(isRunning)).toEqual(['ready', 'degraded'])
})
