/** Reload: whatever is written to the file, what runs is either the old configuration whole or the new one whole. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ConfigProblem, HubConfig, KnownPlugin } from '../../core/config/config.ts'
import { loadConfig } from '../../core/config/load.ts'
import type { Watching } from '../../core/config/watch.ts'
import { watchConfig, watchPaths } from '../../core/config/watch.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const plugins: KnownPlugin[] = [{ id: 'hello', checkWith: () => [] }]
const GOOD =
  'version: 1\ninstallations:\n  - id: a\n    use: hello\n    with: { url: "http://a.example" }\n  - id: b\n    use: hello\n'

let temp: TempDir
let file = ''
let current: HubConfig
let applied: HubConfig[] = []
let refused: (readonly ConfigProblem[])[] = []
let failApply = false
let watching: Watching | undefined

beforeEach(async () => {
  temp = await tempDir('reload')
  file = temp.file('manifold.yaml')
  applied = []
  refused = []
  failApply = false
  await writeFile(file, GOOD)
  current = await load().then((result) => {
    if ('problems' in result) throw new Error('the good file is not good')
    return result.config
  })
})
afterEach(async () => {
  watching?.close()
  await temp[Symbol.asyncDispose]()
})

const load = (env: Record<string, string> = {}) => loadConfig({ file, env, plugins })

async function start(): Promise<Watching> {
  watching = await watchConfig({
    file,
    load: () => load(),
    current: () => current,
    apply: async ({ config }) => {
      if (failApply) throw new Error('no room for it')
      current = config
      applied.push(config)
    },
    refuse: (problems) => refused.push(problems),
    pollMs: 40,
    debounceMs: 10,
  })
  return watching
}

const outcome = () =>
  until('a reload to end', async () => applied.length + refused.length, { accept: (count) => count > 0, everyMs: 5 })

describe('a good change', () => {
  it('written in place', async () => {
    await start()
    await writeFile(file, GOOD.replace('id: b', 'id: c'))
    await outcome()
    expect([refused, current.installations.map(({ id }) => id)]).toEqual([[], ['a', 'c']])
  })

  it('renamed over the file, as editors do, twice', async () => {
    await start()
    for (const id of ['c', 'd']) {
      await writeFile(`${file}.new`, GOOD.replace('id: b', `id: ${id}`))
      await rename(`${file}.new`, file)
      await until('the new file to run', async () => current.installations.map((entry) => entry.id), {
        accept: (ids) => ids.includes(id),
        everyMs: 5,
      })
    }
    expect(refused).toEqual([])
  })

  it('a new installation that is bad only sets itself aside', async () => {
    await start()
    await writeFile(file, `${GOOD}  - id: new\n    use: helo\n`)
    await outcome()
    expect([refused, current.installations.map(({ id }) => id), current.quarantined.map(({ id }) => id)]).toEqual([
      [],
      ['a', 'b'],
      ['new'],
    ])
  })

  it('touched but the same is no reload', async () => {
    const watch = await start()
    await writeFile(file, GOOD)
    await new Promise((done) => setTimeout(done, 120))
    await watch.idle()
    expect([applied, refused]).toEqual([[], []])
  })
})

describe('a broken change keeps the old one whole', () => {
  const cases: readonly [string, string, RegExp][] = [
    ['truncated to nothing', '', /manifold\.yaml is empty|the file is empty/],
    ['truncated inside a string', GOOD.slice(0, GOOD.indexOf('a.example')), /quote|closing/i],
    ['truncated inside a name', GOOD.slice(0, GOOD.indexOf('use: hello') + 8), /there is no plugin "hel"/],
    ['truncated inside a key', GOOD.slice(0, GOOD.lastIndexOf('use:') + 2), /./],
    ['an unknown key', `${GOOD}extra: 1\n`, /unknown key "extra"/],
    ['an unknown plugin', GOOD.replace('use: hello', 'use: helo'), /there is no plugin "helo"/],
    ['a missing secret', GOOD.replace('http://a.example', '${NOPE}'), /NOPE is not set/],
  ]
  it.each(cases)('%s', async (_name, text, message) => {
    const before = current
    await start()
    await writeFile(file, text)
    await outcome()
    expect(applied).toEqual([])
    expect(current).toBe(before)
    const [problem] = refused[0] ?? []
    expect(problem?.message).toMatch(message)
    expect(problem?.place.file).toBe(file)
    expect(problem?.place.line).toBeGreaterThan(0)
  })

  it('a file that is gone, and its return', async () => {
    await start()
    await rm(file)
    await outcome()
    expect(refused[0]?.[0]?.message).toBe('there is no such file')
    await writeFile(file, GOOD.replace('id: b', 'id: c'))
    await until('the file to run again', async () => applied.length, { accept: (count) => count === 1, everyMs: 5 })
  })

  it('one that cannot be put to work', async () => {
    failApply = true
    await start()
    await writeFile(file, GOOD.replace('id: b', 'id: c'))
    await outcome()
    expect(refused[0]?.[0]?.message).toBe('the new configuration could not be put to work: no room for it')
  })
})

it('a storm of a hundred signals is a few reloads, never two at a time', async () => {
  let running = 0
  let most = 0
  let calls = 0
  const watch = await watchPaths({
    paths: [file],
    pollMs: 5,
    debounceMs: 5,
    onChange: async () => {
      calls += 1
      running += 1
      most = Math.max(most, running)
      await new Promise((done) => setTimeout(done, 10))
      running -= 1
    },
  })
  watching = watch
  for (let n = 0; n < 100; n++) watch.poke()
  await until('a call', async () => calls, { accept: (count) => count > 0, everyMs: 2 })
  await watch.idle()
  expect([most, calls < 5]).toEqual([1, true])
})

it('sees files come and go in a folder', async () => {
  let calls = 0
  watching = await watchPaths({
    paths: [temp.path],
    pollMs: 20,
    debounceMs: 5,
    onChange: async () => void (calls += 1),
  })
  await writeFile(temp.file('plugin.ts'), 'x')
  await until('the new file to be seen', async () => calls, { accept: (count) => count > 0, everyMs: 5 })
})

it('what a reload writes itself causes no other, what others write there does, and a save meanwhile is not lost', async () => {
  const lock = temp.file('lock')
  let calls = 0
  watching = await watchPaths({
    paths: [file, lock],
    written: [lock],
    pollMs: 20,
    debounceMs: 5,
    onChange: async () => {
      calls += 1
      await writeFile(lock, `written ${calls}`)
      if (calls === 1) await writeFile(file, 'saved while the first ran')
    },
  })
  await writeFile(file, 'saved')
  await until('both saves', () => calls === 2)
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(calls).toBe(2)
  await writeFile(lock, 'approved by somebody else')
  await until('the approval', () => calls === 3)
})
