/** A form that the file lets go of: closed to strangers, its data kept, in the hands of the API. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../core/clock.ts'
import type { HubConfig } from '../../core/config/config.ts'
import { loadConfig } from '../../core/config/load.ts'
import { LIMITS } from '../../core/limits.ts'
import type { LogEvent } from '../../core/model.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { saveFileForms } from '../../core/registry/file-forms.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'
import type { Store } from '../../core/storage/store.ts'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'

let temp: TempDir
let store: Store
let events: LogEvent[] = []
let warned: object[] = []
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields) => void warned.push(fields),
  error: () => {},
  child: () => logger,
}

beforeEach(async () => {
  temp = await tempDir('file-forms')
  events = []
  warned = []
  store = await openSqliteStore({ dir: temp.file('data'), limits: LIMITS, logger, onFatal: () => {} })
})
afterEach(async () => {
  await store.close()
  await temp[Symbol.asyncDispose]()
})

/** `acme/poll` is the form poll in the workspace acme. */
async function configOf(...forms: readonly string[]): Promise<HubConfig> {
  const lines = forms.map((form) => {
    const [workspace, id] = form.split('/')
    return `  ${id}: { workspace: ${workspace}, name: ${id}, access: public, fields: [{ key: email, type: email }] }\n`
  })
  const result = await loadConfig({ file: null, env: {}, plugins: [], text: `version: 1\nforms:\n${lines.join('')}` })
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.config
}
const apply = (config: HubConfig, before: HubConfig | null) =>
  saveFileForms({ store, clock: systemClock, logger, published: (told) => void events.push(...told) }, config, before)
const form = (workspace: string, id: string) => store.getForm(workspace, id)

it('is handed to the API with its fields, asks for a key, and says so once', async () => {
  const two = await configOf('default/stay', 'acme/poll')
  await apply(two, null)
  events = []
  const one = await configOf('default/stay')
  await apply(one, two)
  expect(await form('acme', 'poll')).toMatchObject({
    managedBy: 'api',
    access: 'key',
    name: 'poll',
    version: 2,
    fields: [{ key: 'email' }],
  })
  expect(await form('default', 'stay')).toMatchObject({ managedBy: 'file', access: 'public', version: 1 })
  expect(events.map(({ type, formId }) => [type, formId])).toEqual([['form.changed', 'poll']])
  expect(warned).toEqual([{ form: 'poll', workspace: 'acme' }])
  await apply(one, one)
  expect([events.length, warned.length]).toEqual([1, 1])
  await apply(two, one)
  expect(await form('acme', 'poll')).toMatchObject({ managedBy: 'file', access: 'public', version: 3 })
})

it('also when it was taken out while the hub was down, in any workspace that has a key', async () => {
  await apply(await configOf('default/gone', 'acme/poll'), null)
  await store.createKey({
    id: 'key_1',
    workspace: 'acme',
    name: 'theirs',
    prefix: 'mk_1',
    hash: 'x',
    scopes: ['read'],
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: null,
  })
  await apply(await configOf(), null)
  expect([(await form('default', 'gone'))?.managedBy, (await form('acme', 'poll'))?.managedBy]).toEqual(['api', 'api'])
})

it("more forms than a page holds, and none of the API's own", async () => {
  const ids = Array.from({ length: 205 }, (_, n) => `default/f${n}`)
  const many = await configOf(...ids)
  await apply(many, null)
  const mine = many.forms[0]
  if (mine === undefined) throw new Error('no form')
  const at = '2026-01-01T00:00:00.000Z'
  const own = { workspace: 'default', id: 'own', definition: mine.definition, at, eventId: 'evt_own' } as const
  await store.saveForm({ ...own, managedBy: 'api', mode: 'create' })
  await apply(await configOf(), many)
  const page = await store.listForms('default', { limit: 1_000 })
  expect(page.items.filter(({ access }) => access === 'public').map(({ id }) => id)).toEqual(['own'])
  expect(warned).toHaveLength(205)
})
