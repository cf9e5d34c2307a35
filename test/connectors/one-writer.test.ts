/** Two installations of Google Sheets, of two forms, that write to one spreadsheet: one after the other. */
import { expect, test } from 'vitest'
import { startFakeSheets } from '../../integrations/google-sheets/fake/server.ts'
import type { FakeSheets } from '../../integrations/google-sheets/fake/server.ts'
import { startHub } from '../support/hub.ts'
import { sleep, until } from '../support/wait.ts'

const WRITE_MS = 1_000
const FIELDS = [{ key: 'name', type: 'text' }]

const sheetOf = (google: FakeSheets, form: string, spreadsheet: string) => ({
  id: `${form}-rows`,
  use: 'google-sheets',
  when: { form },
  with: { credentials: google.keyFile, spreadsheet, tab: 'Answers', apiUrl: google.url, writesPerMinute: 6_000 },
})

test('two installations never write to a spreadsheet at the same time, however each of them names it', async () => {
  await using google = await startFakeSheets({ quota: null })
  let [writing, writingMax] = [0, 0]
  google.fault = ({ kind, body }) => {
    // The check of the settings asks for something that is never there, and changes nothing.
    if (kind !== 'write' || body.includes('deleteNamedRange')) return null
    writingMax = Math.max(writingMax, (writing += 1))
    return { kind: 'until', over: sleep(WRITE_MS).then(() => (writing -= 1)) }
  }
  const { id } = google.spreadsheet
  await using hub = await startHub({
    config: {
      forms: { one: { name: 'One', fields: FIELDS }, two: { name: 'Two', fields: FIELDS } },
      network: { allow: ['127.0.0.1/32'] },
      installations: [
        sheetOf(google, 'one', id),
        sheetOf(google, 'two', `https://docs.google.com/spreadsheets/d/${id}/edit#gid=0`),
      ],
    },
  })
  const submit = (form: string, name: string) =>
    hub.api('POST', `/api/v2/forms/${form}/responses`, { data: { name } }).then(({ status }) => status)
  // Each of them waits as long for company, so both want to write in the same moment.
  expect(await Promise.all(['one', 'two'].map((form) => submit(form, form)))).toEqual([201, 201])
  const rows = () => google.spreadsheet.tab('Answers').records()
  await until('both rows', () => rows().length === 2)
  expect(writingMax).toBe(1)
  expect(new Set(rows().map((row) => row['Event ID'])).size).toBe(2)
})
