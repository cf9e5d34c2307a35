/** Two installations of Google Sheets, of two forms, that write to one spreadsheet: one after the other, also in two processes. */
import { expect, test } from 'vitest'
import { startFakeSheets } from '../../integrations/google-sheets/fake/server.ts'
import type { FakeSheets } from '../../integrations/google-sheets/fake/server.ts'
import { startFleet } from '../support/fleet.ts'
import { startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { sleep, until } from '../support/wait.ts'

const WRITE_MS = 1_000
const FIELDS = [{ key: 'name', type: 'text' }]

const sheetOf = (google: FakeSheets, form: string, spreadsheet: string) => ({
  id: `${form}-rows`,
  use: 'google-sheets',
  when: { form },
  with: { credentials: google.keyFile, spreadsheet, tab: 'Answers', apiUrl: google.url, writesPerMinute: 6_000 },
})

const configOf = (installations: readonly object[]) => ({
  forms: { one: { name: 'One', fields: FIELDS }, two: { name: 'Two', fields: FIELDS } },
  network: { allow: ['127.0.0.1/32'] },
  installations,
})

/** How many write at the same time, at most; each takes its time. */
function slowWrites(google: FakeSheets, writeMs: number): () => number {
  let [writing, writingMax] = [0, 0]
  google.fault = ({ kind, body }) => {
    // The check of the settings asks for something that is never there, and changes nothing.
    if (kind !== 'write' || body.includes('deleteNamedRange')) return null
    writingMax = Math.max(writingMax, (writing += 1))
    return { kind: 'until', over: sleep(writeMs).then(() => (writing -= 1)) }
  }
  return () => writingMax
}

const submit = (hub: Hub, form: string, name: string) =>
  hub.api('POST', `/api/v2/forms/${form}/responses`, { data: { name } }).then(({ status }) => status)

test('two installations never write to a spreadsheet at the same time, however each of them names it', async () => {
  await using google = await startFakeSheets({ quota: null })
  const writingMax = slowWrites(google, WRITE_MS)
  const { id } = google.spreadsheet
  const url = `https://docs.google.com/spreadsheets/d/${id}/edit#gid=0`
  await using hub = await startHub({ config: configOf([sheetOf(google, 'one', id), sheetOf(google, 'two', url)]) })
  // Each of them waits as long for company, so both want to write in the same moment.
  expect(await Promise.all(['one', 'two'].map((form) => submit(hub, form, form)))).toEqual([201, 201])
  const rows = () => google.spreadsheet.tab('Answers').records()
  await until('both rows', () => rows().length === 2)
  expect(writingMax()).toBe(1)
  expect(new Set(rows().map((row) => row['Delivery ID'])).size).toBe(2)
})

test('nor do they in a fleet of two processes, which ran them apart as they wrote to two spreadsheets', async () => {
  await using google = await startFakeSheets({ quota: null })
  const writingMax = slowWrites(google, 300)
  const { id } = google.spreadsheet
  const apart = configOf([sheetOf(google, 'one', id), sheetOf(google, 'two', `${id}-other`)])
  await using fleet = await startFleet({ config: apart, apis: 0, workers: 0, both: 2 })
  const owners = async () => new Set((await fleet.owners()).values()).size
  await until('each process to run one', async () => (await owners()) === 2)
  const processes = async () => {
    const { body } = await (fleet.apis[0] as Hub).api<{ items: readonly { config: string }[] }>(
      'GET',
      '/api/v2/processes',
    )
    return body.items.map(({ config }) => config)
  }
  const [before] = await processes()
  const together = configOf([sheetOf(google, 'one', id), sheetOf(google, 'two', id)])
  for (const hub of fleet.apis) await hub.writeConfig(together)
  await until('both to know the file', async () => !(await processes()).includes(before ?? ''))

  const names: string[] = []
  for (let round = 0; round < 6; round += 1)
    for (const [n, hub] of fleet.apis.entries())
      for (const form of ['one', 'two']) {
        const name = `${form} ${round} ${n}`
        names.push(name)
        expect(await submit(hub, form, name)).toBe(201)
        await sleep(50)
      }
  const rows = () => google.spreadsheet.tab('Answers').records()
  await until('all rows', () => rows().length >= names.length)
  expect(rows().map(({ name }) => name)).toEqual(expect.arrayContaining(names))
  expect(rows()).toHaveLength(names.length)
  expect([writingMax(), await owners()]).toEqual([1, 1])
})
