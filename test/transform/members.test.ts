/** The units of transforms at the end of a process: what is coming up is waited for, and nothing more is begun. */
import { cp, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Assembly } from '../../core/registry/assemble.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { Members } from '../../core/transform/members.ts'
import { ROOT } from '../support/hub.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

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
    clock: systemClock,
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

const form = { workspace: 'default', id: 'contact' }

interface End {
  readonly up: () => void
  readonly fails: (code: 'plugin_load' | 'plugin_interrupted') => void
}

/** Units whose loads end when and as the test says; assemblies that differ in the hash of their only installation. */
function scripted() {
  const clock = createManualClock(0)
  const logger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => logger }
  const ends: End[] = []
  const surface = { on: [], actions: [], schedules: [], routes: [], transform: true, check: false }
  const members = new Members({
    sandbox: {
      load: () =>
        new Promise((resolve, reject) => {
          ends.push({ up: () => resolve(surface), fails: (code) => reject(new HubError(code, code)) })
        }),
      unload: async () => {},
    },
    proofs: { prove: async () => undefined },
    stateOf: () => ({ state: 'ready', reason: null }),
    clock,
    limits: LIMITS,
    logger,
  })
  const asks = { on: {}, actions: {}, schedules: {}, routes: {}, transform: {}, check: false }
  const manifest = { id: 'judge', permissions: {}, ...asks }
  const assemblyOf = (hash: string) => {
    const transform = { data: [], headers: [], on: ['completed'], whenFails: 'open' }
    const settings = { workspace: 'default', id: 'one', key: 'default/one', config: {}, limits: {}, transform }
    const when = { forms: null, events: null, filter: null }
    const installation = {
      ...settings,
      hash,
      when,
      hardened: false,
      group: 'builtin',
      plugin: { bundle: {}, manifest },
    }
    return { installations: [installation], brokenInstallations: [] } as unknown as Assembly
  }
  return {
    members,
    pass: (ms: number) => clock.moveTo(clock.nowMs() + ms),
    apply: (hash: string) => members.apply(assemblyOf(hash)),
    load: async (n: number): Promise<End> => (await until('a unit to be loaded', () => ends[n - 1])) as End,
    loads: () => ends.length,
    asked: async () => {
      const [member] = members.of(form)
      const said = member?.ready().then(
        () => member.running?.installation.hash,
        (error: HubError) => error.code,
      )
      return Promise.race([said, sleep(20).then(() => 'waits')])
    },
  }
}

test('what ran is asked until the next is up, and is then what the next is', async () => {
  const { apply, load, asked, members } = scripted()
  const first = apply('1')
  ;(await load(1)).up()
  await first
  const second = apply('2')
  const loading = await load(2)
  expect(await asked()).toBe('1')
  loading.up()
  await second
  expect(await asked()).toBe('2')
  await members.close()
})

test('a load that failed by chance is tried again by itself, later each time; one that its code made fail is not', async () => {
  const { apply, load, loads, asked, pass, members } = scripted()
  const first = apply('1')
  ;(await load(1)).fails('plugin_interrupted')
  await first
  expect(await asked()).toBe('plugin_interrupted')
  pass(1_000)
  const again = await load(2)
  // Nobody waits for it.
  expect(await asked()).toBe('plugin_interrupted')
  again.fails('plugin_interrupted')
  await sleep(0)
  pass(1_000)
  expect(loads()).toBe(2)
  pass(1_000)
  ;(await load(3)).up()
  await until('it to be up', asked, { accept: (said) => said === '1' })
  const second = apply('2')
  ;(await load(4)).fails('plugin_load')
  await second
  expect(await asked()).toBe('plugin_load')
  pass(600_000)
  await sleep(0)
  expect(loads()).toBe(4)
  await members.close()
})

test('a new configuration waits for the try before it, which would otherwise come up last', async () => {
  const { apply, load, loads, asked, pass, members } = scripted()
  const first = apply('1')
  ;(await load(1)).fails('plugin_interrupted')
  await first
  pass(1_000)
  const again = await load(2)
  const second = apply('2')
  await sleep(5)
  expect(loads()).toBe(2)
  again.up()
  ;(await load(3)).up()
  await second
  expect(await asked()).toBe('2')
  await members.close()
})
