/** The life of the child processes: killed, hung, grown; alone after two deaths; gone when the hub goes. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { until } from '../support/wait.ts'
import { eventRun, onEvent, openBench, runOf, untilRun } from './harness.ts'

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
const WAITS = onEvent(`await ctx.kv.get('x'); ctx.log.info('done')`)

test('a child that is shot comes back; its runs are interrupted and succeed when repeated', async () => {
  await using bench = await openBench()
  await bench.plugin('a', WAITS)
  await bench.plugin('b', WAITS)
  let entered = 0
  let hold = new Promise<void>(() => undefined)
  const waiting = ['a', 'b'].map((name) =>
    bench.sandbox.runBatch(`default/${name}`, [
      eventRun({}, async () => {
        entered += 1
        await hold
      }),
    ]),
  )
  await until('both runs to be inside', () => entered === 2)
  const pid = bench.sandbox.stats().children[0]?.pid as number
  process.kill(pid, 'SIGSEGV')
  for (const [result] of await Promise.all(waiting))
    expect(result?.error).toMatchObject({ code: 'plugin_interrupted', at: { version: '1.2.3' } })
  hold = Promise.resolve()
  for (const name of ['a', 'b'])
    expect(await untilRun(bench.sandbox, `default/${name}`, () => eventRun({}, async () => 1))).toMatchObject({
      error: null,
    })
  expect(bench.sandbox.stats()).toMatchObject({ restarts: 1, kills: 0, children: [{ group: 'community', units: 2 }] })
  expect(bench.restarts).toEqual([{ group: 'community', why: expect.stringContaining('SIGSEGV') }])
})

test('after two unexplained deaths in a row, whoever was in flight gets a process of its own; alone there, it is to blame', async () => {
  await using bench = await openBench({ childRestartBackoffMs: 200 })
  await bench.plugin('quiet', onEvent(`ctx.log.info('fine')`))
  await bench.plugin('victim', WAITS)
  const codes: unknown[] = []
  for (let death = 0; death < 3; death++) {
    const [result] = await bench.sandbox.runBatch('default/victim', [
      eventRun({}, async () => {
        const own =
          bench.sandbox.stats().children.find((child) => child.group === 'own') ?? bench.sandbox.stats().children[0]
        process.kill(own?.pid as number, 'SIGKILL')
        await new Promise(() => undefined)
      }),
    ])
    codes.push(result?.error?.code)
    if (death === 1) {
      await until('a process of its own', () => bench.sandbox.stats().children.some((child) => child.group === 'own'))
      expect(bench.sandbox.stats().children.find((child) => child.group === 'own')).toMatchObject({ units: 1 })
    }
  }
  expect(codes).toEqual(['plugin_interrupted', 'plugin_interrupted', 'plugin_killed'])
  expect(await untilRun(bench.sandbox, 'default/quiet', () => eventRun())).toMatchObject({ error: null })
  expect(await untilRun(bench.sandbox, 'default/victim', () => eventRun({}, async () => 1))).toMatchObject({
    error: null,
  })
})

test('a child that stops answering is killed', async () => {
  await using bench = await openBench({ childHeartbeatMs: 600 })
  await bench.plugin('a', onEvent(`ctx.log.info('fine')`))
  const pid = bench.sandbox.stats().children[0]?.pid as number
  process.kill(pid, 'SIGSTOP')
  await until('the kill', () => bench.sandbox.stats().kills === 1)
  expect(await untilRun(bench.sandbox, 'default/a', () => eventRun())).toMatchObject({ error: null })
  await until('the old child to be gone', () => !isAlive(pid))
  expect(bench.restarts).toEqual([{ group: 'community', why: 'no heartbeat' }])
})

test('an offender that cannot be stopped is moved out, and its neighbours keep their process afterwards', async () => {
  await using bench = await openBench()
  await bench.plugin('stuck', onEvent(`if (event.data.bad) Array.from({ length: 1e9 })`))
  await bench.plugin('near', onEvent(`ctx.log.info('fine')`))
  const bad = await bench.sandbox.runEach('default/stuck', eventRun({ bad: true }))
  expect(['plugin_cpu', 'plugin_memory', 'plugin_killed', 'plugin_threw']).toContain(bad.error?.code)
  if (bad.error?.code === 'plugin_threw') return
  await until('the move', () => bench.sandbox.stats().children.some((child) => child.group === 'own'))
  const before = bench.restarts.filter(({ group }) => group === 'community').length
  await bench.sandbox.runEach('default/stuck', eventRun({ bad: true }))
  expect(await untilRun(bench.sandbox, 'default/near', () => eventRun())).toMatchObject({ error: null })
  expect(bench.restarts.filter(({ group }) => group === 'community')).toHaveLength(before)
})

test('a plugin that always gets its process killed restarts at most once per backoff', async () => {
  await using bench = await openBench({ childRestartBackoffMs: 400 })
  await bench.plugin('loop', WAITS, { group: 'own' })
  const startedMs = performance.now()
  for (let n = 0; n < 3; n++) {
    await bench.sandbox.runBatch('default/loop', [
      eventRun({}, async () => {
        process.kill(bench.sandbox.stats().children[0]?.pid as number, 'SIGKILL')
        await new Promise(() => undefined)
      }),
    ])
  }
  expect(await untilRun(bench.sandbox, 'default/loop', () => eventRun({}, async () => 1))).toMatchObject({
    error: null,
  })
  expect(performance.now() - startedMs).toBeGreaterThan(2 * 400)
  expect(bench.sandbox.stats().restarts).toBe(3)
})

test('groups have processes of their own, and a process nobody needs ends', async () => {
  await using bench = await openBench()
  await bench.plugin('one', onEvent(''), { group: 'builtin' })
  await bench.plugin('two', onEvent(''), { group: 'community' })
  await bench.plugin('three', onEvent(''), { group: 'own' })
  const { children } = bench.sandbox.stats()
  expect(children.map((child) => child.group).toSorted()).toEqual(['builtin', 'community', 'own'])
  const own = children.find((child) => child.group === 'own')
  await bench.sandbox.unload('default/three')
  await until('the process to end', () => !isAlive(own?.pid as number))
  expect(bench.sandbox.stats()).toMatchObject({ restarts: 0, kills: 0 })
})

test('close ends every child, runs in flight are interrupted', async () => {
  const bench = await openBench()
  await bench.plugin('a', WAITS)
  const pid = bench.sandbox.stats().children[0]?.pid as number
  const waiting = bench.sandbox.runEach(
    'default/a',
    runOf({ kind: 'event', type: 'response.submitted', eventJson: '{}' }, () => new Promise(() => undefined)),
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  await bench[Symbol.asyncDispose]()
  expect((await waiting).error?.code).toBe('plugin_interrupted')
  expect(isAlive(pid)).toBe(false)
  await expect(bench.plugin('b', onEvent(''))).rejects.toThrow()
})

test('children end when their hub is killed, even in the middle of an endless loop', async () => {
  const script = fileURLToPath(new URL('../fixtures/sandbox/orphan-maker.ts', import.meta.url))
  const hub = spawn(process.execPath, ['--no-node-snapshot', '--disable-warning=ExperimentalWarning', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pid = Number(
    await new Promise<string>((resolve) => hub.stdout.once('data', (text: Buffer) => resolve(text.toString()))),
  )
  expect(isAlive(pid)).toBe(true)
  hub.kill('SIGKILL')
  await until('the orphan to end', () => !isAlive(pid))
})

test('the child may read its native library only, and may not write, spawn or start workers', async () => {
  await using bench = await openBench()
  await bench.plugin('a', onEvent(''))
  const { readFile } = await import('node:fs/promises')
  const command = (await readFile(`/proc/${bench.sandbox.stats().children[0]?.pid}/cmdline`, 'utf8')).split('\0')
  expect(command).toContain('--permission')
  expect(command).toContain('--no-node-snapshot')
  expect(command.filter((flag) => /^--allow-(fs-write|child-process|worker|wasi)/.test(flag))).toEqual([])
  expect(
    command
      .filter((flag) => flag.startsWith('--allow-fs-read='))
      .every((flag) => /isolated-vm$|node-gyp-build$|package\.json$|alpine-release$/.test(flag)),
  ).toBe(true)
})

test('hardened units share a process of their own kind, without a compiler, and can be alone in one', async () => {
  await using bench = await openBench()
  await bench.plugin('soft', onEvent(''))
  await bench.plugin('hard', onEvent(''), { hardened: true })
  await bench.plugin('harder', onEvent(''), { hardened: true })
  await bench.plugin('alone', onEvent(''), { hardened: true, group: 'own' })
  const { children } = bench.sandbox.stats()
  const shown = children.map(({ group, hardened, units }) => ({ group, hardened, units }))
  expect(shown).toEqual([
    { group: 'community', hardened: false, units: 1 },
    { group: 'community', hardened: true, units: 2 },
    { group: 'own', hardened: true, units: 1 },
  ])
  const { readFile } = await import('node:fs/promises')
  for (const { pid, hardened } of children) {
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    expect(command.includes('--jitless')).toBe(hardened)
    // No page that can be written and executed at once: there is nothing that machine code could be put into.
    const maps = await readFile(`/proc/${pid}/maps`, 'utf8')
    if (hardened) expect(maps).not.toMatch(/^\S+ rwx/m)
  }
})

test('a unit that is hardened from now on moves to another process, and the one it left ends', async () => {
  await using bench = await openBench()
  await bench.plugin('a', onEvent(''), { key: 'default/a' })
  const [before] = bench.sandbox.stats().children
  await bench.plugin('a', onEvent(''), { key: 'default/a', hardened: true })
  await until('the old process to end', () => !isAlive(before?.pid as number))
  expect(bench.sandbox.stats().children).toMatchObject([{ hardened: true, units: 1 }])
  expect(await untilRun(bench.sandbox, 'default/a', () => eventRun())).toMatchObject({ error: null })
})
