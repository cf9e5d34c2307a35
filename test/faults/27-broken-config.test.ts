/** F-27: every way to break the configuration of a running hub. The good one goes on; the mistake is told with its place. */
import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HubDidNotStart, settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { DECK, hook, openScene, sceneConfig } from '../support/scene.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'

interface ConfigStatus {
  readonly in_step: boolean
  readonly running_checksum: string
  readonly loaded_at: string
  readonly problems: readonly {
    readonly line: number
    readonly column: number
    readonly path: string
    readonly message: string
  }[]
}

const status = async (hub: Hub): Promise<ConfigStatus> => (await hub.api<ConfigStatus>('GET', '/api/v2/config')).body

/** Structural mistakes: the whole file is refused. */
const BROKEN: readonly (readonly [string, string, RegExp])[] = [
  ['truncated YAML', 'forms:\n  deck: { name: "Deck', /line|quot|expected|closing|missing|flow/i],
  ['an unknown key', 'forms: {}\ninstallation: []\n', /installation/],
  ['a wrong type', 'forms: 12\n', /forms|object|mapping/i],
  ['a missing required variable', 'forms: { deck: { name: "${F27_NAME:?set F27_NAME}", fields: [] } }\n', /F27_NAME/],
  [
    'an alias bomb',
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nforms: *c\n`,
    /./,
  ],
  ['binary rubbish', '\u0000\u0001\u0002', /./],
]

test('F-27 broken files, a bad plugin, a symlink loop, a hundred SIGHUPs: the running configuration stays whole', async () => {
  await using plugins = await tempDir('bad-plugins')
  await using scene = await openScene({ pluginDirs: [plugins.path] })
  const { hub, receiver, ledger, driver } = scene
  const good = sceneConfig({ installations: [hook('honest', receiver.url)], pluginDirs: [plugins.path] })
  const { running_checksum: checksum } = await status(hub)
  let sent = 0
  const stillRuns = async (what: string) => {
    expect(await driver.submit(`n${sent++}`), what).toBe(201)
    await receiver.received(sent)
    const now = await status(hub)
    expect(now.running_checksum, what).toBe(checksum)
    return now
  }

  for (const [what, text, message] of BROKEN) {
    await hub.writeConfig(text)
    hub.signal('SIGHUP')
    const told = await until(`${what} to be told`, () => status(hub), {
      accept: ({ in_step: inStep, problems }) => !inStep && problems.length > 0,
    })
    expect(told.problems.map((problem) => problem.message + problem.path).join(' '), what).toMatch(message)
    expect(told.problems[0]?.line, what).toBeGreaterThanOrEqual(1)
    await stillRuns(what)
    await hub.writeConfig(sceneConfig({ installations: [hook('honest', receiver.url)], pluginDirs: [plugins.path] }))
    await until(`the mended file after ${what}`, () => status(hub), { accept: ({ problems }) => problems.length === 0 })
  }

  // The file is replaced by a link to itself, then comes back.
  const saved = `${hub.configFile}.saved`
  await rename(hub.configFile, saved)
  await symlink(hub.configFile, hub.configFile)
  hub.signal('SIGHUP')
  await until('the symlink loop to be told', () => status(hub), { accept: ({ problems }) => problems.length > 0 })
  await stillRuns('a symlink loop')
  await unlink(hub.configFile)
  await rename(saved, hub.configFile)
  hub.signal('SIGHUP')
  await until('the file to be back', () => status(hub), { accept: ({ problems }) => problems.length === 0 })

  // Plugin folders: one that is no plugin, one that loops, one whose code cannot be bundled.
  await mkdir(plugins.file('nonsense'))
  await writeFile(plugins.file('nonsense/plugin.json'), '{"id":')
  await symlink(plugins.file('circle'), plugins.file('circle'))
  await mkdir(plugins.file('unbundled'))
  const manifest = {
    id: 'unbundled',
    name: 'U',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    on: { 'response.submitted': {} },
  }
  await writeFile(join(plugins.path, 'unbundled/plugin.json'), JSON.stringify(manifest))
  await writeFile(join(plugins.path, 'unbundled/index.ts'), 'export default definePlugin({ on: {')
  const withBad = [hook('honest', receiver.url), { id: 'u', use: 'unbundled' }, { id: 'n', use: 'nonsense' }]
  await hub.writeConfig(sceneConfig({ installations: withBad, pluginDirs: [plugins.path] }))
  hub.signal('SIGHUP')
  const states = await until(
    'the bad plugins to be set aside',
    async () => {
      const { body } = await hub.api<{ items: readonly { id: string; state: string }[] }>(
        'GET',
        '/api/v2/installations',
      )
      return Object.fromEntries(body.items.map(({ id, state }) => [id, state]))
    },
    { accept: (all) => all['u'] !== undefined && all['n'] !== undefined },
  )
  expect(states).toMatchObject({ honest: 'ready', u: 'invalid', n: 'invalid' })
  expect(await driver.submit(`n${sent++}`)).toBe(201)
  await receiver.received(sent)

  await hub.writeConfig(good)
  for (let n = 0; n < 100; n += 1) {
    hub.signal('SIGHUP')
    if (n % 10 === 0) expect(await driver.submit(`n${sent++}`)).toBe(201)
  }
  await receiver.received(sent)
  await until('the storm to be over', () => status(hub), { accept: ({ in_step: inStep }) => inStep })
  await stillRuns('a hundred SIGHUPs')
  await settled(hub)
  expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({
    lost: [],
    undelivered: [],
    duplicates: new Map(),
  })
  await rm(saved, { force: true })
})

test('F-27 a structural mistake at the first start: a message with line and column, exit code not 0', async () => {
  const error = await startHub({ config: 'forms: {}\ninstalations: []\n' }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HubDidNotStart)
  const { message, exit } = error as HubDidNotStart
  expect(exit?.code).toBeGreaterThan(0)
  expect(message).toMatch(/:2:1\b/)
  expect(message).toContain('installations')
  expect(message).not.toMatch(/\n\s+at .*\.ts/)
})
