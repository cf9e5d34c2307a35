/** The units of transforms at the end of a process: what is coming up is waited for, and nothing more is begun. */
import { cp, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { LIMITS } from '../../core/limits.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { Members } from '../../core/transform/members.ts'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

test('closing waits for what is being loaded, which is not told as a failure; a reload that comes too late loads nothing', async () => {
  await using temp = await tempDir('members')
  await cp(`${ROOT}test/fixtures/flow-plugins/judge`, temp.file('mine/judge'), { recursive: true })
  const errors: object[] = []
  const logger: Logger = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (fields) => void errors.push(fields),
    child: () => logger,
  }
  const sandbox = createSandbox({ logger, limits: LIMITS })
  const told: string[] = []
  const members = new Members({
    sandbox: {
      load: async (unit) => {
        told.push(`${unit.key} begun`)
        const surface = await sandbox.load(unit)
        told.push(`${unit.key} up`)
        return surface
      },
      unload: (key) => sandbox.unload(key),
    },
    proofs: { prove: async () => undefined },
    stateOf: () => ({ state: 'ready', reason: null }),
    limits: LIMITS,
    logger,
  })
  const assemblyOf = async (...ids: readonly string[]) => {
    const lines = ids.map((id) => `  - { id: ${id}, use: judge, with: { how: normalise } }\n`)
    await writeFile(temp.file('manifold.yaml'), `pluginDirs: [mine]\ninstallations:\n${lines.join('')}`)
    const assembly = await assemble({
      file: temp.file('manifold.yaml'),
      env: {},
      dataDir: temp.file('data'),
      roots: (dirs) => dirs.map((dir) => ({ dir, origin: 'community' as const })),
      nowMs: 0,
    })
    if ('problems' in assembly) throw new Error(JSON.stringify(assembly.problems))
    return assembly
  }
  const [one, two] = [await assemblyOf('one'), await assemblyOf('one', 'two')]
  const applying = members.apply(one)
  await until('the load to begin', () => told.length > 0)
  await members.close()
  expect(told).toEqual(['default/one begun', 'default/one up'])
  await sandbox.close()
  await applying
  await members.apply(two)
  expect(told).toHaveLength(2)
  expect(errors).toEqual([])
})
