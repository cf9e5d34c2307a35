/** What a reload cannot put to work is told as long as it waits for a start. */
import { writeFile } from 'node:fs/promises'
import { mkdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger, Meter } from '../../core/observe/observe.ts'
import { assemble } from '../../core/registry/assemble.ts'
import type { Assembly } from '../../core/registry/assemble.ts'
import { openReloader } from '../../core/registry/reload.ts'
import type { Reloader } from '../../core/registry/reload.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { until } from '../support/wait.ts'
import { CODE, HELLO, writePlugin } from './plugin-folder.ts'

let temp: TempDir
let reloader: Reloader
let warned: (readonly [object, string])[] = []
let applied = 0
let alerts: string[] = []
let failApply = false
let allowed: readonly string[] = []
let store: Store
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => void warned.push([fields, message]),
  error: () => {},
  child: () => logger,
}
const meter = { configReload: () => {} } as unknown as Meter

const ONE = 'pluginDirs: [mine]\ninstallations:\n  - { id: one, use: hello, with: { url: "https://hooks.example" } }\n'
const file = () => temp.file('manifold.yaml')
const load = () =>
  assemble({
    file: file(),
    env: {},
    dataDir: temp.file('data'),
    roots: (dirs) => dirs.map((dir) => ({ dir, origin: 'community' as const })),
    nowMs: 0,
  })

beforeEach(async () => {
  temp = await tempDir('reloader')
  warned = []
  applied = 0
  alerts = []
  failApply = false
  allowed = []
  await writePlugin(temp.file('mine'), 'hello')
  mkdirSync(temp.file('more'))
  await writeFile(file(), ONE)
  store = await openSqliteStore({ dir: temp.file('store'), limits: LIMITS, logger, onFatal: () => {} })
  const initial = await load()
  if ('problems' in initial) throw new Error(JSON.stringify(initial.problems))
  reloader = openReloader({
    env: {},
    file: file(),
    dataDir: temp.file('data'),
    initial,
    load,
    apply: async () => {
      if (failApply) throw new Error('the disk is full')
    },
    applied: ({ config }: Assembly) => {
      allowed = config.network.allow
      applied += 1
    },
    alerts: { applied: () => void alerts.push('applied'), refused: () => void alerts.push('refused') },
    clock: systemClock,
    logger,
    meter,
    store,
  })
  await reloader.watch()
})
afterEach(async () => {
  reloader.close()
  await store.close()
  await temp[Symbol.asyncDispose]()
})

async function reloadWith(text: string) {
  const before = applied
  await writeFile(file(), text)
  reloader.poke()
  await until('the reload', async () => applied, { accept: (count) => count > before, everyMs: 5 })
  const status = await reloader.status()
  return { ...status, inStep: status.runningChecksum === status.diskChecksum }
}

it('limits wait for a start, and are told until they are taken back', async () => {
  const waiting = await reloadWith(`limits: { bodyBytesMax: 2048, connectionsMax: 99 }\n${ONE}`)
  expect(waiting.inStep).toBe(false)
  expect(waiting.problems).toEqual([
    {
      path: 'limits',
      file: file(),
      line: 1,
      column: 1,
      message: 'bodyBytesMax, connectionsMax: takes effect at the next start',
      hint: 'restart the hub',
    },
  ])
  expect(warned.map(([fields]) => fields)).toEqual([{ path: 'limits' }])
  expect(reloader.describe()).toBe('the file on disk runs, but for limits: at the next start')
  const back = await reloadWith(`${ONE}# as before\n`)
  expect([back.inStep, back.problems, reloader.describe()]).toEqual([true, [], 'the file on disk is what runs'])
})

it('a plugin folder that the file names from now on is followed from then on', async () => {
  const both = ONE.replace('[mine]', '[mine, more]')
  await reloadWith(both)
  const before = applied
  await writePlugin(temp.file('more'), 'late', { manifest: { ...HELLO, id: 'late' } })
  await until('the new folder to count', async () => applied, { accept: (count) => count > before, everyMs: 5 })
})

it('other code of a plugin for the same grants leaves a line in the log', async () => {
  await writePlugin(temp.file('mine'), 'hello', { code: CODE.replace('event.id', '"v2"') })
  await reloadWith(`${ONE}# again\n`)
  await until('the code to be told', async () => warned.length, { accept: (count) => count > 0, everyMs: 5 })
  expect(warned).toEqual([
    [expect.objectContaining({ plugin: 'hello', version: '1.0.0' }), expect.stringContaining('the code of a plugin')],
  ])
})

it('a plugin that waits for approval is told in the log, not only to those who ask', async () => {
  await writePlugin(temp.file('mine'), 'hello', {
    manifest: { ...HELLO, version: '1.1.0', permissions: { ...HELLO.permissions, kv: true } },
  })
  await reloadWith(`${ONE}# again\n`)
  await until('the plugin to be told', async () => warned.length, { accept: (count) => count > 0, everyMs: 5 })
  const [[fields, message] = []] = warned
  expect(fields).toMatchObject({ plugin: 'hello', running: '1.0.0', asks: expect.arrayContaining(['+ kv']) })
  expect(message).toContain('manifold plugin approve hello')
})

const FORM = {
  name: 'Leads',
  fields: [],
  access: 'key',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: 'website',
} as const

it('a form that the file names and does not have is warned of until it is stored', async () => {
  const { warnings } = await reloadWith(ONE.replace('use: hello', 'use: hello, when: { form: leads }'))
  expect(warnings.map(({ path, message }) => `${path}: ${message}`)).toEqual([
    'installations[0].when.form: the file has no form "leads"',
  ])
  const form = {
    workspace: 'default',
    id: 'leads',
    managedBy: 'api',
    definition: FORM,
  } as const
  await store.saveForm({ ...form, at: new Date().toISOString(), eventId: newId('event'), mode: 'create' })
  expect((await reloader.status()).warnings).toEqual([])
})

it('what cannot be put to work opens no network', async () => {
  failApply = true
  await writeFile(file(), `network: { allow: [10.0.0.0/8] }\n${ONE}`)
  reloader.poke()
  const { problems } = await until('the failure', () => reloader.status(), {
    accept: (status) => status.problems.length > 0,
    everyMs: 5,
  })
  expect(problems[0]?.message).toContain('the disk is full')
  expect([applied, allowed, alerts]).toEqual([0, [], ['refused']])
  failApply = false
  await reloadWith(`network: { allow: [10.0.0.0/8] }\n${ONE}# again\n`)
  expect([allowed, alerts]).toEqual([['10.0.0.0/8'], ['refused', 'applied']])
})
