/** What the sandbox holds and what the roster believes it holds are the same, whatever was saved in between. */
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { Clock } from '../../core/clock.ts'
import { HubError } from '../../core/errors.ts'
import { newId } from '../../core/ids.ts'
import { createFleetOfOne } from '../../core/fleet/alone/fleet.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { assemble } from '../../core/registry/assemble.ts'
import { Roster } from '../../core/registry/roster.ts'
import { openStops } from '../../core/registry/stops.ts'
import { createSandbox } from '../../core/sandbox/pool.ts'
import { createManualClock } from '../../core/testing/manual-clock.ts'
import type { Sandbox, Unit } from '../../core/sandbox/sandbox.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import type { TempDir } from '../support/temp.ts'
import { delivery, died } from '../contract/store/fixtures.ts'
import { apply } from '../contract/store/memory.ts'
import { tempDir } from '../support/temp.ts'
import { CODE, HELLO, writePlugin } from './plugin-folder.ts'

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet }
const told: (readonly [object, string])[] = []
const telling: Logger = { ...quiet, warn: (...line) => void told.push(line), info: (...line) => void told.push(line) }
const KEY = 'default/one'
let temp: TempDir
let store: Store
let sandbox: Sandbox
let roster: Roster

beforeEach(async () => {
  temp = await tempDir('roster')
  store = await openSqliteStore({ dir: temp.file('data'), limits: LIMITS, logger: quiet, onFatal: () => {} })
  sandbox = createSandbox({ logger: quiet, limits: LIMITS })
  open(sandbox, systemClock)
  const use = '{ id: one, use: hello, with: { url: "https://hooks.example" } }'
  await writeFile(temp.file('manifold.yaml'), `pluginDirs: [mine]\ninstallations: [${use}]\n`)
})
afterEach(async () => {
  await sandbox.close()
  await store.close()
  await temp[Symbol.asyncDispose]()
})

function open(loader: Pick<Sandbox, 'load' | 'unload'>, clock: Clock): void {
  roster = new Roster({
    store,
    sandbox: loader,
    fleet: createFleetOfOne(),
    clock,
    logger: telling,
    published: () => {},
    changed: () => {},
  })
}

/** As at a save: the plugin's code is this now, and so is its plugin.json. */
async function save(
  code: string,
  manifest: object = HELLO,
): Promise<{ readonly state: string | undefined; readonly reason: string | null }> {
  await writePlugin(temp.file('mine'), 'hello', { code, manifest })
  const assembly = await assemble({
    file: temp.file('manifold.yaml'),
    env: {},
    dataDir: temp.file('data'),
    roots: (dirs) => dirs.map((dir) => ({ dir, origin: 'community' as const })),
    nowMs: Date.now(),
  })
  if ('problems' in assembly) throw new Error(JSON.stringify(assembly.problems))
  await roster.apply(assembly)
  await roster.loaded()
  const member = roster.find(KEY)
  return { state: member?.state, reason: member?.reason ?? null }
}

/** Writing states waits for what it answers. */
function slowStates(): { readonly write: () => void; readonly fail: (error: Error) => void } {
  const { setInstallationState } = store
  const disk = Promise.withResolvers<void>()
  store.setInstallationState = async (input) => {
    await disk.promise
    return setInstallationState(input)
  }
  const over = (): void => void (store.setInstallationState = setInstallationState)
  return {
    write: () => {
      over()
      disk.resolve()
    },
    fail: (error) => {
      over()
      disk.reject(error)
    },
  }
}

const standing = (): string | undefined => roster.placed().find(({ installation }) => installation.key === KEY)?.state

async function handles(): Promise<boolean> {
  const input = { kind: 'event', type: 'response.submitted', eventJson: '{"id":"evt_1"}' } as const
  const { error, effects } = await sandbox.runEach(KEY, {
    id: newId('run'),
    attempt: 1,
    input,
    capabilities: () => Promise.reject(new Error('nothing is asked for')),
  })
  return error === null && effects.enqueue.length === 1
}

it('a unit that could not be loaded by chance stands still, says so, and comes up by itself', async () => {
  let isDown = true
  const clock = createManualClock(Date.now())
  const load = (unit: Unit) =>
    isDown ? Promise.reject(new HubError('plugin_interrupted', 'a neighbour died')) : sandbox.load(unit)
  open({ load, unload: (key) => sandbox.unload(key) }, clock)
  expect(await save(CODE)).toEqual({ state: 'ready', reason: null })
  expect(roster.placed()).toMatchObject([{ state: 'paused' }])
  expect(roster.summary()).toBe('standing still: one not loaded yet')
  await expect(roster.bringUp(KEY)).rejects.toMatchObject({ code: 'unavailable', message: 'a neighbour died' })
  isDown = false
  clock.moveTo(clock.nowMs() + 2_000)
  await roster.loaded()
  expect(roster.placed()).toMatchObject([{ state: 'ready' }])
  expect(roster.summary()).toBe('1 installations run')
  expect(await handles()).toBe(true)
})

it('what is to be loaded again is forgotten once it is what runs, or stands still', async () => {
  let isDown = false
  const load = (unit: Unit) =>
    isDown ? Promise.reject(new HubError('plugin_interrupted', 'a neighbour died')) : sandbox.load(unit)
  open({ load, unload: (key) => sandbox.unload(key) }, createManualClock(Date.now()))
  await save(CODE)
  isDown = true
  await save(`${CODE}\nglobalThis.other = 1`)
  expect(roster.summary()).toBe('standing still: one not loaded yet')
  // The code is put back: the sandbox holds just that.
  await save(CODE)
  expect(roster.summary()).toBe('1 installations run')
  await save(`${CODE}\nglobalThis.other = 1`)
  await roster.move(KEY, 'pause', 'by hand')
  expect(roster.summary()).toBe('standing still: one paused')
})

it.each([
  ['does not define what it declares', CODE.replace("'response.submitted'", "'response.submited'")],
  ['cannot be loaded', `throw new Error('not today')\n${CODE}`],
])('code that %s is set aside, and the code before it runs again when it is put back', async (_what, broken) => {
  expect(await save(CODE)).toEqual({ state: 'ready', reason: null })
  expect(await handles()).toBe(true)
  expect(await save(broken)).toMatchObject({ state: 'invalid', reason: expect.stringMatching(/response|not today/) })
  expect(await save(CODE)).toEqual({ state: 'ready', reason: null })
  expect(await handles()).toBe(true)
})

it('a plugin.json that declares what the code does not define is set aside, though the code is as it was', async () => {
  await save(CODE)
  const nightly = { ...HELLO, schedules: { nightly: { cron: '0 3 * * *' } } }
  expect(await save(CODE, nightly)).toEqual({
    state: 'invalid',
    reason: 'hello: plugin.json declares schedules "nightly", the code does not define it.',
  })
  expect(await save(CODE)).toEqual({ state: 'ready', reason: null })
  expect(await handles()).toBe(true)
})

const REFUSED = { reason: 'credential: expired', refusedHash: 'h' }

it('one that was judged stands still before that is written, whatever else is told meanwhile', async () => {
  await save(CODE)
  expect(standing()).toBe('ready')
  const refusedHash = roster.find(KEY)?.installation.hash ?? ''
  const states = slowStates()
  const judging = roster.judge(KEY, 'disable', { ...REFUSED, refusedHash })
  expect(standing()).toBe('paused')
  // The same file is read again.
  await save(CODE)
  expect(standing()).toBe('paused')
  states.write()
  await judging
  expect(standing()).toBe('disabled')
})

it('what an old run says of settings that are others by now stops nothing; of these it stops once, however many say it', async () => {
  const errors: unknown[] = []
  const logger = { ...quiet, error: (fields: object) => void errors.push(fields) }
  const { disable } = openStops({ roster: () => roster, clock: systemClock, logger })
  const said = { code: 'tab_missing', message: 'There is no such tab.', deliveryId: null, responseId: null }
  const states = () => store.syncInstallations([]).then((rows) => rows.map(({ state, reason }) => [state, reason]))
  await save(CODE)
  const old = roster.find(KEY)!.installation
  await save(`${CODE}\nglobalThis.other = 1`)
  disable(old, said)
  expect([standing(), await states()]).toEqual(['ready', [['ready', null]]])
  const now = roster.find(KEY)!.installation
  disable(now, said)
  disable(now, said)
  await vi.waitFor(async () => expect(await states()).toEqual([['disabled', 'There is no such tab.']]))
  expect(errors).toEqual([])
  const alerts = (await store.readEvents({ afterSeq: 0, limit: 100 })).filter(({ type }) => type === 'alert.raised')
  expect(alerts.map(({ data }) => JSON.parse(data ?? ''))).toEqual([
    {
      kind: 'installation_disabled',
      installation: 'one',
      reason: 'There is no such tab.',
      code: 'tab_missing',
      todo: expect.stringContaining('manifold dead-letters replay --installation one'),
    },
  ])
})

it('a refusal that could not be written stands until it is; a person is listened to all the same', async () => {
  await save(CODE)
  const states = slowStates()
  const judging = roster.judge(KEY, 'disable', REFUSED)
  states.fail(new Error('disk'))
  await expect(judging).rejects.toThrow('disk')
  expect(standing()).toBe('paused')
  await roster.move(KEY, 'pause', 'by hand')
  await roster.move(KEY, 'resume', null)
  expect(standing()).toBe('ready')
})

it('one that leaves the file says what of it nobody will deliver, and how to end that', async () => {
  await save(CODE)
  const [waits, dead] = [delivery(), delivery()]
  await apply(store, 'default', { deliveries: [waits, dead] }, 'one')
  await store.finishAttempts([died(dead.id, { installation: 'one' })])
  await writeFile(temp.file('manifold.yaml'), 'pluginDirs: [mine]\n')
  await save(CODE)
  expect(told.at(-1)).toEqual([
    {
      installation: 'one',
      waiting: 1,
      dead: 1,
      todo: expect.stringContaining('manifold deliveries discard --installation one'),
    },
    expect.stringContaining('installation removed; its rows stay'),
  ])
})
