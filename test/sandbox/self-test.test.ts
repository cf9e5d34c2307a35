/** The self-test of the sandbox says yes to ours, and no to each that was made weaker. */
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { childFlags } from '../../core/sandbox/process.ts'
import { proveSandbox, SandboxUnsafe } from '../../core/sandbox/proof.ts'
import type { Limits } from '../../core/limits.ts'
import type { UnitLimits } from '../../core/sandbox/sandbox.ts'
import { testSandbox } from '../../core/sandbox/self-test.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'

const failed = (lines: Awaited<ReturnType<typeof testSandbox>>): readonly string[] =>
  lines.filter(({ level }) => level === 'fail').map(({ name }) => name)

test.each([{ hardened: false }, { hardened: true }])('holds ($hardened)', async (options) => {
  const lines = await testSandbox(options)
  expect(failed(lines)).toEqual([])
  expect(lines.map(({ name }) => name)).toEqual([
    'process',
    'loading',
    'CPU without a pause',
    'CPU of a run',
    'time',
    'heap',
    'memory outside the heap',
    'stack',
    'timers',
    'log',
    'operations',
    'requests',
    'result',
    'kv value',
    'report size',
    'names of the host',
    'network',
  ])
})

describe('a weaker sandbox is found out', () => {
  const raised: readonly [Partial<UnitLimits>, readonly string[]][] = [
    [{ sliceMs: 10_000 }, ['CPU without a pause']],
    [{ loadMs: 10_000 }, ['loading']],
    [{ cpuMs: 10_000 }, ['CPU of a run']],
    [{ eventWallMs: 10_000 }, ['time']],
    [{ heapMb: 256 }, ['heap', 'memory outside the heap']],
    [{ logLinesMax: 100_000 }, ['log']],
    [{ hostOpsMax: 100_000 }, ['operations']],
    [{ httpCallsMax: 100_000 }, ['requests']],
  ]
  test.each(raised)('limits %j', async (limits, names) => {
    expect(failed(await testSandbox({ hardened: false, limits }))).toEqual(names)
  })

  const wider: readonly [Partial<Limits>, readonly string[]][] = [
    [{ pluginTimersMax: 100_000 }, ['timers']],
    [{ pluginKvValueBytesMax: 1e7 }, ['kv value']],
    [{ childMessageBytesMax: 1e8 }, ['report size']],
  ]
  test.each(wider)('limits of all %j', async (bounds, names) => {
    expect(failed(await testSandbox({ hardened: false, bounds }))).toEqual(names)
  })

  const without = (gone: (flag: string) => boolean) => (hardened: boolean) =>
    childFlags(hardened).filter((flag) => !gone(flag))
  test.each([
    ['no permission model', without((flag) => flag === '--permission' || flag.startsWith('--allow')), 'read files'],
    ['one more right', (hardened: boolean) => [...childFlags(hardened), '--allow-child-process'], 'start processes'],
    ['files to write', (hardened: boolean) => [...childFlags(hardened), '--allow-fs-write=/dev'], 'write files'],
    ['threads', (hardened: boolean) => [...childFlags(hardened), '--allow-worker'], 'start threads'],
  ])('a child with %s', async (_, flags, can) => {
    const lines = await testSandbox({ hardened: false, flags })
    expect(failed(lines)).toEqual(['process'])
    expect(lines[0]?.detail).toMatch(new RegExp(`not shut in: it can .*${can}`))
  })
})

describe('before a hub loads plugins', () => {
  let temp: TempDir
  beforeEach(async () => {
    temp = await tempDir('proof')
  })
  afterEach(() => temp[Symbol.asyncDispose]())
  const proof = async () => JSON.parse(await readFile(temp.file('cache/sandbox-proof.json'), 'utf8')) as string[]

  test('what holds is written down for these flags, and not tested again', async () => {
    await proveSandbox({ dataDir: temp.path, hardened: false })
    expect(await proof()).toHaveLength(1)
    const startedMs = performance.now()
    await proveSandbox({ dataDir: temp.path, hardened: false })
    expect(performance.now() - startedMs).toBeLessThan(100)
    await proveSandbox({ dataDir: temp.path, hardened: true })
    expect(await proof()).toHaveLength(2)
  })

  test('what does not hold is refused every time, with what failed', async () => {
    const flags = (hardened: boolean) => childFlags(hardened).filter((flag) => !flag.startsWith('--allow-fs'))
    const weak = (hardened: boolean) => [...flags(hardened), '--allow-fs-read=*']
    for (let start = 0; start < 2; start++) {
      const tried = proveSandbox({ dataDir: temp.path, hardened: false, flags: weak })
      await expect(tried).rejects.toThrow(SandboxUnsafe)
      await expect(tried).rejects.toThrow(/does not hold:\n {2}process: .*it can read files/)
    }
    await expect(proof()).rejects.toThrow(/ENOENT/)
  })
})
